from django.db import migrations

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0065_webhooks'),
    ]

    operations = [
        run_sql("conversations", "0066_figures"),
    ]
