from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("conversations", "0014_database_time")]
    operations = [
        run_sql("conversations", "0015_providers"),
        migrations.AlterField(
            model_name="channel",
            name="metadata",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AlterField(
            model_name="channel",
            name="provider",
            field=models.CharField(blank=True, help_text="A key of channels/registry.py.", max_length=40),
        ),
        migrations.AddField(
            model_name="delivery",
            name="provider_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="The provider's own id of the message.",
                max_length=255,
            ),
        ),
    ]
