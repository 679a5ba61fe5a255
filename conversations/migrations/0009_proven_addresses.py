from conversations.database.sqlfiles import run_sql
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("account", "0009_emailaddress_unique_primary_email"),
        ("conversations", "0008_invitations"),
    ]

    operations = [
        run_sql("conversations", "0009_proven_addresses"),
    ]
