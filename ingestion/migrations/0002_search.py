from django.db import migrations

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("ingestion", "0001_initial")]
    operations = [run_sql("ingestion", "0002_search")]
