"""What an assistant proposes and a person decides, with the receipts of what was done."""

import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0033_tags_of_chats'),
    ]

    operations = [
        run_sql("conversations", "0034_actions"),
        migrations.CreateModel(
            name='ActionReceipt',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('fence', models.PositiveIntegerField()),
                ('before', models.JSONField(default=list)),
                ('after', models.JSONField(default=list)),
                ('kept', models.JSONField(default=dict, help_text='What taking it back needs to know.')),
            ],
        ),
        migrations.CreateModel(
            name='ProposedAction',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('owner_name', models.CharField(editable=False, max_length=120)),
                ('tool', models.CharField(max_length=60)),
                ('version', models.PositiveSmallIntegerField()),
                ('arguments', models.JSONField(default=dict)),
                ('precondition', models.JSONField(default=list, help_text='The facts that it rests on, as they were.')),
                ('effect', models.JSONField(default=dict, help_text='What was shown: the sentence, old and new.')),
                ('arguments_sha256', models.CharField(max_length=64)),
                ('precondition_sha256', models.CharField(max_length=64)),
                ('effect_sha256', models.CharField(max_length=64)),
                ('tainted', models.BooleanField(default=False, help_text='What was read before it held an instruction.')),
                ('call_id', models.CharField(max_length=100)),
                ('expires_at', models.DateTimeField()),
                ('status', models.CharField(choices=[('proposed', 'Proposed'), ('confirmed', 'Waits for a second person'), ('executing', 'Doing it'), ('executed', 'Done'), ('failed', 'Failed'), ('rejected', 'Rejected'), ('expired', 'Expired')], default='proposed', max_length=20)),
                ('fence', models.PositiveIntegerField(default=0, help_text='How often somebody began to carry it out.')),
                ('seen_ms', models.PositiveIntegerField(null=True)),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('confirmed_name', models.CharField(blank=True, default='', max_length=120)),
                ('confirm_request', models.CharField(blank=True, default='', max_length=64)),
                ('second_at', models.DateTimeField(null=True)),
                ('second_name', models.CharField(blank=True, default='', max_length=120)),
                ('second_request', models.CharField(blank=True, default='', max_length=64)),
                ('ended_at', models.DateTimeField(help_text='When it came to one of its four ends.', null=True)),
                ('rejected_name', models.CharField(blank=True, default='', max_length=120)),
                ('reason', models.CharField(blank=True, default='', help_text='Why it ended, as a word of ours.', max_length=60)),
                ('said', models.CharField(blank=True, default='', help_text='What came of it, or why somebody said no, in words.', max_length=1000)),
                ('found', models.JSONField(default=list, help_text='The facts as they were when it could not be done any more.')),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='policyrule',
            name='policyrule_kind_known',
        ),
        migrations.AlterField(
            model_name='policyrule',
            name='four_eyes',
            field=models.BooleanField(default=False, help_text='The one who wrote or edited the text may not approve it; of a proposal, a second person signs.'),
        ),
        migrations.AlterField(
            model_name='policyrule',
            name='kind',
            field=models.CharField(choices=[('any', 'Any'), ('sourced', 'Sourced'), ('unsourced', 'Unsourced'), ('money', 'Money'), ('proposed', 'Proposed')], default='any', max_length=20),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=conversations.database.guards.Trigger(deferred=False, function='session_ends_its_actions', name='session_ends_its_actions', when='AFTER UPDATE OF status'),
        ),
        migrations.AddConstraint(
            model_name='policyrule',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['any', 'sourced', 'unsourced', 'money', 'proposed'])), name='policyrule_kind_known'),
        ),
        migrations.AddField(
            model_name='actionreceipt',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='case',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='actions', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='confirmed_by',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='message',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='owner',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='rejected_by',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='replaces',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='conversations.proposedaction'),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='reverts',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.proposedaction'),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='second_by',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='proposedaction',
            name='session',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.assistantsession'),
        ),
        migrations.AddField(
            model_name='actionreceipt',
            name='action',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='conversations.proposedaction'),
        ),
        migrations.AddField(
            model_name='actionreceipt',
            name='reverts',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reverted_by', to='conversations.proposedaction'),
        ),
        migrations.AddIndex(
            model_name='proposedaction',
            index=models.Index(fields=['session', 'id'], name='idx_action_session'),
        ),
        migrations.AddIndex(
            model_name='proposedaction',
            index=models.Index(condition=models.Q(('case__isnull', False)), fields=['case', '-id'], name='idx_action_case'),
        ),
        migrations.AddIndex(
            model_name='proposedaction',
            index=models.Index(condition=models.Q(('status__in', ('proposed', 'confirmed'))), fields=['account', 'expires_at'], name='idx_action_undecided'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='proposedaction_isolation', private_to=''),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='proposedaction_account_id'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.UniqueConstraint(fields=('account', 'message', 'call_id'), name='proposedaction_call'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['proposed', 'confirmed', 'executing', 'executed', 'failed', 'rejected', 'expired'])), name='proposedaction_status_known'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', False), ('status__in', ('executed', 'failed', 'rejected', 'expired'))), models.Q(models.Q(('status__in', ('executed', 'failed', 'rejected', 'expired')), _negated=True), ('ended_at__isnull', True)), _connector='OR'), name='proposedaction_ended_has_its_time'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['confirmed', 'executing', 'executed', 'failed']), _negated=True), ('confirmed_at__isnull', False), _connector='OR'), name='proposedaction_done_was_confirmed'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=models.Q(('second_by__isnull', True), models.Q(('second_by', models.F('owner')), _negated=True), _connector='OR'), name='proposedaction_second_is_another'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('arguments', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='proposedaction_arguments_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('precondition', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='proposedaction_precondition_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('effect', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='proposedaction_effect_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('found', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='proposedaction_found_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.SameAccount(field='session', name='proposedaction_session_same_account'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.SameAccount(field='message', name='proposedaction_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.SameAccount(field='case', name='proposedaction_case_same_account'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.SameAccount(field='replaces', name='proposedaction_replaces_same_account'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.SameAccount(field='reverts', name='proposedaction_reverts_same_account'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.Transitions(field='status', moves={'confirmed': ('executing', 'rejected', 'expired'), 'executing': ('executed', 'failed'), 'proposed': ('confirmed', 'rejected', 'expired')}, name='proposedaction_moves'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.Trigger(deferred=False, function='action_begins', name='action_begins', when='BEFORE INSERT'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.Trigger(deferred=False, function='action_stays_as_shown', name='action_stays_as_shown', when='BEFORE UPDATE'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.Trigger(deferred=False, function='action_moves_session', name='action_moves_session', when='AFTER INSERT OR UPDATE OF status'),
        ),
        migrations.AddConstraint(
            model_name='proposedaction',
            constraint=conversations.database.guards.Trigger(deferred=True, function='action_has_its_receipt', name='action_has_its_receipt', when='AFTER INSERT OR UPDATE OF status'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='actionreceipt_isolation', private_to=''),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='actionreceipt_account_id'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=models.UniqueConstraint(fields=('account', 'action'), name='actionreceipt_once'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=models.UniqueConstraint(fields=('account', 'reverts'), name='actionreceipt_reverted_once'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('before', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='actionreceipt_before_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('after', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='actionreceipt_after_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('kept', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='actionreceipt_kept_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=conversations.database.guards.SameAccount(field='action', name='actionreceipt_action_same_account'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=conversations.database.guards.SameAccount(field='reverts', name='actionreceipt_reverts_same_account'),
        ),
        migrations.AddConstraint(
            model_name='actionreceipt',
            constraint=conversations.database.guards.AppendOnly(erasable=('before', 'after', 'kept'), name='actionreceipt_append_only'),
        ),
    ]
