import conversations.database.guards
from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("drafts", "0012_owed_by_drafts")]
    operations = [
        run_sql("drafts", "0013_nobody_is_forgotten"),
        migrations.RemoveConstraint(
            model_name='draft',
            name='draft_has_text',
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('suggested_text', ''), _negated=True), ('erased_at__isnull', False), models.Q(('error', ''), _negated=True), ('model_key', 'person'), _connector='OR'), name='draft_has_text'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.Trigger(deferred=True, function='nobody_is_forgotten', name='draft_waits_where_owed', when='AFTER INSERT OR UPDATE OF status, snoozed_until'),
        ),
    ]
