from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0022_owed_filled")]
    operations = [
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('owed__in', ['', 'message', 'draft', 'rejected', 'promised', 'note', 'reopened', 'writing', 'leaving', 'unsent', 'failed', 'uncertain', 'bounced'])), name='conversation_owed_known'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'answered_elsewhere', 'not_needed', 'goes_on', 'other', 'quiet'])), name='conversation_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'assistant'), models.Q(models.Q(('owed', ''), _negated=True), ('due_at__isnull', False), ('status', 'open')), models.Q(models.Q(('status', 'open'), _negated=True), ('due_at__isnull', True), ('owed', '')), _connector='OR'), name='conversation_open_iff_owed'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'assistant'), models.Q(('completed_at__isnull', False), ('status', 'closed')), models.Q(models.Q(('status', 'closed'), _negated=True), ('completed_at__isnull', True), ('outcome', '')), _connector='OR'), name='conversation_closed_has_its_time'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('snoozed_until__isnull', True), models.Q(models.Q(('owed__in', ['promised', 'note']), _negated=True), ('status', 'open')), models.Q(('snoozed_until__lte', models.F('due_at')), ('status', 'open')), _connector='OR'), name='conversation_sleeps_within_its_time'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('owner__isnull', False), models.Q(('status', 'closed'), _negated=True)), fields=['account', 'owner'], name='idx_conversation_owner'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('status', 'open'), models.Q(('owed', 'draft'), _negated=True)), fields=['account', 'due_at', 'id'], name='idx_conversation_owed'),
        ),
    ]
