from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("conversations", "0017_message_words_gone")]
    operations = [
        migrations.AddField(
            model_name="auditevent",
            name="hash_form",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=2,
                editable=False,
                help_text="What the hash covers: 2 also the id and the times.",
            ),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="forgotten_at",
            field=models.DateTimeField(
                editable=False,
                help_text="Form 1 only: when an erasure took the customer's name out of it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="auditcheckpoint",
            name="number",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="auditcheckpoint",
            name="previous",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="SHA-256 of the signature before this one.",
                max_length=64,
            ),
        ),
        run_sql("conversations", "0018_trail"),
        migrations.AlterField(
            model_name="auditcheckpoint",
            name="number",
            field=models.PositiveIntegerField(),
        ),
        migrations.AddConstraint(
            model_name="auditcheckpoint",
            constraint=models.UniqueConstraint(fields=("account", "number"), name="auditcheckpoint_number"),
        ),
    ]
