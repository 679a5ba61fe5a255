from django.db import migrations

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("conversations", "0004_cache")]
    operations = [run_sql("conversations", "0005_search")]
