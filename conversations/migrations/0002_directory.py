from django.db import migrations

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial")]
    operations = [run_sql("conversations", "0002_directory")]
