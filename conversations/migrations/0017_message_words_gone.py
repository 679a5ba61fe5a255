from conversations.database.sqlfiles import run_sql
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("conversations", "0016_search_words")]
    operations = [
        run_sql("conversations", "0017_message_words_gone"),
        migrations.DeleteModel(name="MessageWords"),
    ]
