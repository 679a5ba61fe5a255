"""A person's own chats are private by row-level security; sessions; sentiment that follows the messages.

No row of a large table is read or written: new columns are empty, new checks are looked through in 0031.
"""

import conversations.database.database_time
import conversations.database.guards
import conversations.metadata
import conversations.models.base
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.lookups
from conversations.database.sqlfiles import run_sql
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

#: Going back, chats go: before, everybody in the account would read them.
CHATS_GO = """
UPDATE conversations_conversation SET last_inbound_message_id = NULL WHERE kind = 'assistant';
DELETE FROM conversations_messagevector;
DELETE FROM conversations_assistantsession;
DELETE FROM conversations_searchwords WHERE private_to_id IS NOT NULL;
DELETE FROM conversations_message WHERE private_to_id IS NOT NULL;
DELETE FROM conversations_searchwords WHERE private_to_id IS NOT NULL;
DELETE FROM conversations_conversation WHERE kind = 'assistant';
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0028_together'),
    ]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='deleted_at',
            field=models.DateTimeField(editable=False, help_text='When its person deleted a chat.', null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='pinned_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='private_to',
            field=conversations.models.base.PrivateTo(db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='conversation',
            name='sentiment_count',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='conversation',
            name='sentiment_sum',
            field=models.DecimalField(db_default=0, decimal_places=4, default=0, editable=False, max_digits=14),
        ),
        migrations.AddField(
            model_name='delivery',
            name='conversation_kind',
            field=conversations.models.base.OfKind(db_default='customer', default='customer', editable=False, max_length=20),
        ),
        migrations.AddField(
            model_name='message',
            name='private_to',
            field=conversations.models.base.PrivateTo(db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='message',
            name='sentiment',
            field=models.DecimalField(decimal_places=4, editable=False, help_text='From -1 to 1; null: not measured.', max_digits=5, null=True),
        ),
        migrations.AddField(
            model_name='message',
            name='sentiment_by',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=60),
        ),
        migrations.AddField(
            model_name='searchwords',
            name='private_to',
            field=conversations.models.base.PrivateTo(db_constraint=False, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='average_sentiment',
            field=models.FloatField(editable=False, null=True, validators=[django.core.validators.MinValueValidator(-1.0), django.core.validators.MaxValueValidator(1.0)]),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='number',
            field=models.PositiveIntegerField(editable=False, help_text='Counts within the account, for people. A private chat has none.', null=True),
        ),
        run_sql("conversations", "0029_private_chats"),
        migrations.RemoveConstraint(
            model_name='conversation',
            name='conversation_isolation',
        ),
        migrations.RemoveConstraint(
            model_name='message',
            name='message_isolation',
        ),
        migrations.RemoveConstraint(
            model_name='searchwords',
            name='searchwords_isolation',
        ),
        migrations.CreateModel(
            name='AssistantSession',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('context_type', models.CharField(choices=[('general', 'In general'), ('case', 'A conversation'), ('project', 'A channel'), ('infrastructure', 'The whole desk'), ('practice', 'Practice')], default='general', max_length=20)),
                ('project_kind', models.CharField(blank=True, default='', help_text='What kind of thing it is about.', max_length=20)),
                ('project_id', models.UUIDField(help_text='No key: what it is about may stand above this app.', null=True)),
                ('scenario_id', models.UUIDField(null=True)),
                ('status', models.CharField(choices=[('active', 'Open'), ('awaiting_confirmation', 'Waits for a decision'), ('completed', 'Ended'), ('expired', 'Ended, nobody wrote')], default='active', max_length=30)),
                ('context', models.JSONField(blank=True, default=dict, validators=[conversations.metadata.validate_with(conversations.metadata.SessionContext)])),
                ('closed_at', models.DateTimeField(null=True)),
                ('reason', models.CharField(blank=True, default='', help_text='Why it ended, where that is not plain.', max_length=60)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='MessageVector',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('embedder', models.CharField(max_length=200)),
                ('values', models.BinaryField()),
                ('made_at', models.DateTimeField(default=conversations.database.database_time.now)),
            ],
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='conversation_isolation', private_to='private_to_id'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='message_isolation', private_to='private_to_id'),
        ),
        migrations.AddConstraint(
            model_name='searchwords',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT',), name='searchwords_isolation', private_to='private_to_id'),
        ),
        migrations.AddField(
            model_name='assistantsession',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='assistantsession',
            name='case',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='assistantsession',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='sessions', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='assistantsession',
            name='private_to',
            field=conversations.models.base.PrivateTo(db_constraint=False, db_index=False, editable=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='messagevector',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='messagevector',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='messagevector',
            name='message',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='messagevector',
            name='private_to',
            field=conversations.models.base.PrivateTo(db_constraint=False, db_index=False, editable=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='assistantsession',
            index=models.Index(fields=['account', 'private_to', 'status'], name='idx_session_person_status'),
        ),
        migrations.AddIndex(
            model_name='assistantsession',
            index=models.Index(condition=models.Q(('case__isnull', False)), fields=['account', 'case'], name='idx_session_case'),
        ),
        migrations.AddIndex(
            model_name='assistantsession',
            index=models.Index(condition=models.Q(('project_id__isnull', False)), fields=['account', 'private_to', 'project_kind', 'project_id'], name='idx_session_project'),
        ),
        migrations.AddIndex(
            model_name='assistantsession',
            index=models.Index(fields=['account', '-updated_at'], name='idx_session_updated'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='assistantsession_isolation', private_to='private_to_id'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='assistantsession_account_id'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.CheckConstraint(condition=models.Q(('context_type__in', ['general', 'case', 'project', 'infrastructure', 'practice'])), name='assistantsession_context_type_known'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['active', 'awaiting_confirmation', 'completed', 'expired'])), name='assistantsession_status_known'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('project_kind', ''), _negated=True), ('context_type', 'project'), ('project_id__isnull', False)), models.Q(models.Q(('context_type', 'project'), _negated=True), ('project_id__isnull', True), ('project_kind', '')), _connector='OR'), name='assistantsession_project_iff_project'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('context_type', 'practice'), ('scenario_id__isnull', False)), models.Q(models.Q(('context_type', 'practice'), _negated=True), ('scenario_id__isnull', True)), _connector='OR'), name='assistantsession_scenario_iff_practice'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.CheckConstraint(condition=models.Q(('case__isnull', True), ('context_type', 'case'), _connector='OR'), name='assistantsession_case_of_a_case'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status__in', ('active', 'awaiting_confirmation'))), models.Q(models.Q(('status__in', ('active', 'awaiting_confirmation')), _negated=True), ('closed_at__isnull', False)), _connector='OR'), name='assistantsession_ended_has_its_time'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.UniqueConstraint(condition=models.Q(('context_type__in', ('case', 'project', 'infrastructure')), ('status__in', ('active', 'awaiting_confirmation'))), fields=('account', 'private_to', 'context_type', 'case', 'project_kind', 'project_id'), name='assistantsession_one_open', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.UniqueConstraint(fields=('account', 'conversation'), name='assistantsession_conversation'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('context', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='assistantsession_context_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=conversations.database.guards.Transitions(field='status', moves={'active': ('awaiting_confirmation', 'completed', 'expired'), 'awaiting_confirmation': ('active', 'completed', 'expired')}, name='assistantsession_moves'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=conversations.database.guards.Trigger(deferred=False, function='session_begins', name='session_begins', when='BEFORE INSERT'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='assistantsession_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='assistantsession',
            constraint=conversations.database.guards.SameAccount(field='case', name='assistantsession_case_same_account'),
        ),
        migrations.AddIndex(
            model_name='messagevector',
            index=models.Index(fields=['account', 'private_to', 'embedder'], name='idx_messagevector_own'),
        ),
        migrations.AddConstraint(
            model_name='messagevector',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='messagevector_isolation', private_to='private_to_id'),
        ),
        migrations.AddConstraint(
            model_name='messagevector',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='messagevector_account_id'),
        ),
        migrations.AddConstraint(
            model_name='messagevector',
            constraint=models.UniqueConstraint(fields=('account', 'message', 'embedder'), name='messagevector_once'),
        ),
        migrations.AddConstraint(
            model_name='messagevector',
            constraint=conversations.database.guards.SameAccount(field='message', name='messagevector_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='messagevector',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='messagevector_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='messagevector',
            constraint=conversations.database.guards.Trigger(deferred=False, function='vector_is_its_persons', name='vector_is_its_persons', when='BEFORE INSERT'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=conversations.database.guards.Trigger(deferred=False, function='message_sentiment', name='message_sentiment', when='AFTER UPDATE OF sentiment'),
        ),
        AddConstraintNotValid(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'customer'), ('number__isnull', False), ('private_to__isnull', True)), models.Q(('kind', 'assistant'), ('number__isnull', True), ('private_to__isnull', False)), _connector='OR'), name='conversation_private_iff_assistant'),
        ),
        AddConstraintNotValid(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('is_pinned', True), ('pinned_at__isnull', False)), models.Q(('is_pinned', False), ('pinned_at__isnull', True)), _connector='OR'), name='conversation_pinned_has_its_time'),
        ),
        AddConstraintNotValid(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('sentiment__isnull', True), ('sentiment__range', (-1, 1)), _connector='OR'), name='message_sentiment_range'),
        ),
        AddConstraintNotValid(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('conversation_kind__in', ['customer'])), name='delivery_conversation_kind_known'),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, CHATS_GO),
    ]
