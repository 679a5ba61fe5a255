import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.datetime
from conversations.database.sqlfiles import run_sql
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0015_providers")]
    operations = [
        migrations.CreateModel(
            name="SearchWords",
            fields=[
                ("id", models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ("words", django.contrib.postgres.search.SearchVectorField()),
                ("account", models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="conversations.account")),
                ("conversation", conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="conversations.conversation")),
            ],
        ),
        migrations.AddConstraint(
            model_name="searchwords",
            constraint=conversations.database.guards.TenantIsolation(column="account_id", grants=("SELECT",), name="searchwords_isolation"),
        ),
        migrations.AddConstraint(
            model_name="searchwords",
            constraint=models.UniqueConstraint(fields=("account", "id"), name="searchwords_account_id"),
        ),
        migrations.AddConstraint(
            model_name="searchwords",
            constraint=conversations.database.guards.SameAccount(field="conversation", name="searchwords_conversation_same_account"),
        ),
        run_sql("conversations", "0016_search_words"),
        # After the rows: an index built at once costs a third of one that grows with each.
        migrations.AddIndex(
            model_name="searchwords",
            index=django.contrib.postgres.indexes.GinIndex(fields=["account", "words"], gin_pending_list_limit=512, name="idx_searchwords_words"),
        ),
    ]
