from django.db import migrations

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("conversations", "0023_nobody_is_forgotten"), ("drafts", "0011_fewer_indexes")]
    operations = [run_sql("drafts", "0012_owed_by_drafts")]
