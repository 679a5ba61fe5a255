"""A conversation can be part of another, spam, or watched; senders can be blocked."""

import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0027_team'),
    ]

    operations = [
        migrations.CreateModel(
            name='BlockedSender',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('address', models.CharField(help_text='In its normal form.', max_length=320)),
                ('blocked_by_name', models.CharField(editable=False, max_length=120)),
            ],
        ),
        migrations.CreateModel(
            name='Watcher',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='conversation',
            name='conversation_outcome_known',
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='notification_type_known',
        ),
        migrations.AddField(
            model_name='conversation',
            name='merged_into',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, editable=False, help_text='Whose mail and debts it has.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='merged', to='conversations.conversation'),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='outcome',
            field=models.CharField(blank=True, choices=[('answered_elsewhere', 'Answered elsewhere'), ('not_needed', 'The customer no longer needs it'), ('goes_on', 'Goes on in another conversation'), ('other', 'Something else'), ('quiet', 'Nobody wrote for days'), ('merged', 'Merged'), ('spam', 'Spam')], default='', editable=False, max_length=20),
        ),
        migrations.AlterField(
            model_name='notification',
            name='type',
            field=models.CharField(choices=[('draft_ready', 'Draft Ready'), ('draft_failed', 'Draft Failed'), ('came_back', 'Came Back'), ('send_failed', 'Send Failed'), ('send_uncertain', 'Send Uncertain'), ('bounced', 'Bounced'), ('job_failed', 'Job Failed'), ('handed_over', 'Handed Over'), ('taken_over', 'Taken Over'), ('asked_for', 'Asked For'), ('source_changed', 'Source Changed'), ('lane_shut', 'Lane Shut'), ('factor_lost', 'Factor Lost'), ('inbound_held', 'Inbound Held'), ('mentioned', 'Mentioned'), ('watched', 'Watched')], max_length=40),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['merged_into'], name='idx_conversation_merged'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'answered_elsewhere', 'not_needed', 'goes_on', 'other', 'quiet', 'merged', 'spam'])), name='conversation_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('merged_into__isnull', True)), models.Q(('outcome', 'merged'), _negated=True)), models.Q(models.Q(('merged_into', models.F('id')), _negated=True), ('merged_into__isnull', False), ('outcome', 'merged'), ('status', 'closed')), _connector='OR'), name='conversation_merged_is_closed'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=conversations.database.guards.SameAccount(field='merged_into', name='conversation_merged_into_same_account'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['draft_ready', 'draft_failed', 'came_back', 'send_failed', 'send_uncertain', 'bounced', 'job_failed', 'handed_over', 'taken_over', 'asked_for', 'source_changed', 'lane_shut', 'factor_lost', 'inbound_held', 'mentioned', 'watched'])), name='notification_type_known'),
        ),
        migrations.AddField(
            model_name='blockedsender',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='watcher',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='watcher',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='watchers', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='watcher',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='blockedsender',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='blockedsender_isolation'),
        ),
        migrations.AddConstraint(
            model_name='blockedsender',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='blockedsender_account_id'),
        ),
        migrations.AddConstraint(
            model_name='blockedsender',
            constraint=models.UniqueConstraint(fields=('account', 'address'), name='blockedsender_once'),
        ),
        migrations.AddConstraint(
            model_name='blockedsender',
            constraint=models.CheckConstraint(condition=models.Q(('address', ''), _negated=True), name='blockedsender_has_an_address'),
        ),
        migrations.AddIndex(
            model_name='watcher',
            index=models.Index(fields=['conversation'], name='idx_watcher_conversation'),
        ),
        migrations.AddConstraint(
            model_name='watcher',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='watcher_isolation'),
        ),
        migrations.AddConstraint(
            model_name='watcher',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='watcher_account_id'),
        ),
        migrations.AddConstraint(
            model_name='watcher',
            constraint=models.UniqueConstraint(fields=('account', 'conversation', 'user'), name='watcher_once'),
        ),
        migrations.AddConstraint(
            model_name='watcher',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='watcher_conversation_same_account'),
        ),
    ]
