from django.db import migrations

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("conversations", "0021_owed")]
    operations = [run_sql("conversations", "0022_owed_filled")]
