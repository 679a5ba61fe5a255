from django.db import migrations, models

#: What a purge emptied before it said so.
FORGOTTEN = """
UPDATE conversations_conversation SET forgotten_at = archived_at
 WHERE archived_at IS NOT NULL AND customer_email = '' AND customer_name = ''
"""


class Migration(migrations.Migration):
    dependencies = [("conversations", "0018_trail")]
    operations = [
        migrations.AddField(
            model_name="conversation",
            name="forgotten_at",
            field=models.DateTimeField(help_text="When it removed whose they were, too.", null=True),
        ),
        migrations.RunSQL(FORGOTTEN, migrations.RunSQL.noop),
    ]
