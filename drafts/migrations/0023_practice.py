"""Practice: scenarios, what trainees decided in them, and their scores."""

import conversations.database.database_time
import conversations.database.guards
import conversations.metadata
import conversations.models.base
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.lookups
import drafts.models.rubric
from django.conf import settings
from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0040_turns'),
        ('drafts', '0022_configuration'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        run_sql("drafts", "0014_practice"),
        migrations.CreateModel(
            name='Scenario',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('title', models.CharField(max_length=80)),
                ('language', models.CharField(choices=[('en', 'English'), ('de', 'German'), ('es', 'Spanish')], default='en', max_length=2)),
                ('persona_name', models.CharField(max_length=80)),
                ('persona', models.CharField(blank=True, default='', help_text='Who they are, for the trainee.', max_length=600)),
                ('subject', models.CharField(blank=True, default='', max_length=200)),
                ('opening', models.TextField(max_length=2000)),
                ('facts', models.JSONField(blank=True, default=list, validators=[conversations.metadata.validate_with(drafts.models.rubric.Facts)])),
                ('goal', models.CharField(help_text='What a reply has to say, separated by commas.', max_length=300)),
                ('patience', models.PositiveSmallIntegerField(default=3, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(6)])),
                ('rubric', models.JSONField(default=list, validators=[conversations.metadata.validate_with(drafts.models.rubric.Rubric)])),
                ('version', models.PositiveSmallIntegerField(default=1)),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('ready', 'Ready'), ('retired', 'Retired')], default='draft', max_length=20)),
                ('redacted', models.PositiveIntegerField(default=0, help_text='How many personal details were replaced.')),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('erased_at', models.DateTimeField(editable=False, null=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('mined_from', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.conversation')),
                ('replaces', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='drafts.scenario')),
                ('written_by', models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='ScoreCard',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('rubric_version', models.PositiveSmallIntegerField()),
                ('criteria', models.JSONField(default=list)),
                ('points_met', models.PositiveSmallIntegerField()),
                ('points_decided', models.PositiveSmallIntegerField()),
                ('total', models.PositiveSmallIntegerField(help_text='Of 100; null where nothing was decided.', null=True)),
                ('answers', models.PositiveSmallIntegerField()),
                ('outcome', models.CharField(max_length=20)),
                ('scored_by', models.CharField(max_length=40)),
                ('scored_at', models.DateTimeField(default=conversations.database.database_time.now)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('private_to', conversations.models.base.PrivateTo(db_constraint=False, db_index=False, editable=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('scenario', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='drafts.scenario')),
                ('session', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.assistantsession')),
            ],
        ),
        migrations.CreateModel(
            name='PracticeTurn',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('number', models.PositiveSmallIntegerField()),
                ('status', models.CharField(choices=[('writing', 'The draft is being written'), ('waiting', 'Waits for the trainee'), ('answered', 'Answered')], default='writing', max_length=20)),
                ('suggested_text', models.TextField(blank=True, default='')),
                ('statements', models.JSONField(default=list)),
                ('sources', models.JSONField(default=list)),
                ('planted', models.CharField(blank=True, default='', help_text='The error that was put into the draft.', max_length=300)),
                ('error', models.CharField(blank=True, default='', help_text='Why there is no draft.', max_length=500)),
                ('model_key', models.CharField(blank=True, default='', max_length=100)),
                ('latency_ms', models.PositiveIntegerField(null=True)),
                ('decision', models.CharField(blank=True, choices=[('approved', 'As drafted'), ('edited', 'Edited'), ('replaced', 'Written anew')], default='', max_length=20)),
                ('final_text', models.TextField(blank=True, default='')),
                ('operations', models.JSONField(null=True)),
                ('told', models.JSONField(default=list, help_text='Keys of the facts that the persona has told by then.')),
                ('patience', models.PositiveSmallIntegerField(help_text='What is left of it.')),
                ('viewed_ms', models.PositiveIntegerField(null=True)),
                ('drafted_at', models.DateTimeField(null=True)),
                ('answered_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('answer', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.message')),
                ('persona_message', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.message')),
                ('private_to', conversations.models.base.PrivateTo(db_constraint=False, db_index=False, editable=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('session', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.assistantsession')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'writing')), fields=['account', 'created_at'], name='idx_practiceturn_writing')],
                'constraints': [conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='practiceturn_isolation', private_to='private_to_id'), models.UniqueConstraint(fields=('account', 'id'), name='practiceturn_account_id'), models.CheckConstraint(condition=models.Q(('status__in', ['writing', 'waiting', 'answered'])), name='practiceturn_status_known'), models.CheckConstraint(condition=models.Q(('decision__in', ['', 'approved', 'edited', 'replaced'])), name='practiceturn_decision_known'), models.UniqueConstraint(fields=('account', 'session', 'number'), name='practiceturn_number'), models.UniqueConstraint(fields=('account', 'persona_message'), name='practiceturn_message'), models.CheckConstraint(condition=models.Q(models.Q(('answer__isnull', False), ('answered_at__isnull', False), ('status', 'answered')), models.Q(models.Q(('status', 'answered'), _negated=True), ('answer__isnull', True), ('decision', '')), _connector='OR'), name='practiceturn_answered_once'), models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('statements', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='practiceturn_statements_under_64k'), models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('sources', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='practiceturn_sources_under_64k'), models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('told', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='practiceturn_told_under_64k'), conversations.database.guards.SameAccount(field='session', name='practiceturn_session_same_account'), conversations.database.guards.SameAccount(field='persona_message', name='practiceturn_persona_message_same_account'), conversations.database.guards.SameAccount(field='answer', name='practiceturn_answer_same_account'), conversations.database.guards.Transitions(field='status', moves={'waiting': ('answered',), 'writing': ('waiting',)}, name='practiceturn_moves'), conversations.database.guards.Trigger(deferred=False, function='practice_turn_begins', name='practice_turn_begins', when='BEFORE INSERT'), conversations.database.guards.Trigger(deferred=False, function='practice_turn_stays', name='practice_turn_stays', when='BEFORE UPDATE')],
            },
        ),
        migrations.AddIndex(
            model_name='scenario',
            index=models.Index(fields=['account', 'status'], name='idx_scenario_status'),
        ),
        migrations.AddIndex(
            model_name='scenario',
            index=models.Index(condition=models.Q(('mined_from__isnull', False)), fields=['mined_from'], name='idx_scenario_mined'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='scenario_isolation', private_to=''),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='scenario_account_id'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['draft', 'ready', 'retired'])), name='scenario_status_known'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.CheckConstraint(condition=models.Q(('language__in', ['en', 'de', 'es'])), name='scenario_language_known'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.CheckConstraint(condition=models.Q(('patience__range', (1, 6))), name='scenario_patience_range'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.CheckConstraint(condition=models.Q(('erased_at__isnull', False), models.Q(models.Q(('title', ''), _negated=True), models.Q(('opening', ''), _negated=True)), _connector='OR'), name='scenario_has_text'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.UniqueConstraint(condition=models.Q(('version', 1)), fields=('account', 'mined_from'), name='scenario_mined_once'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('facts', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='scenario_facts_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('rubric', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='scenario_rubric_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=conversations.database.guards.SameAccount(field='replaces', name='scenario_replaces_same_account'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=conversations.database.guards.SameAccount(field='mined_from', name='scenario_mined_from_same_account'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=conversations.database.guards.Transitions(field='status', moves={'draft': ('ready', 'retired'), 'ready': ('retired',)}, name='scenario_moves'),
        ),
        migrations.AddConstraint(
            model_name='scenario',
            constraint=conversations.database.guards.Trigger(deferred=False, function='scenario_stays_as_set', name='scenario_stays_as_set', when='BEFORE UPDATE'),
        ),
        migrations.AddIndex(
            model_name='scorecard',
            index=models.Index(fields=['account', 'private_to', '-id'], name='idx_scorecard_own'),
        ),
        migrations.AddIndex(
            model_name='scorecard',
            index=models.Index(fields=['account', 'scenario'], name='idx_scorecard_scenario'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT'), name='scorecard_isolation', private_to='private_to_id'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='scorecard_account_id'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['resolved', 'impatient', 'ended'])), name='scorecard_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=models.CheckConstraint(condition=models.Q(('points_met__lte', models.F('points_decided')), models.Q(('total__isnull', True), ('total__range', (0, 100)), _connector='OR')), name='scorecard_adds_up'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=models.UniqueConstraint(fields=('account', 'session'), name='scorecard_session'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('criteria', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='scorecard_criteria_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=conversations.database.guards.SameAccount(field='session', name='scorecard_session_same_account'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=conversations.database.guards.SameAccount(field='scenario', name='scorecard_scenario_same_account'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=conversations.database.guards.Trigger(deferred=False, function='practice_is_its_persons', name='scorecard_begins', when='BEFORE INSERT'),
        ),
        migrations.AddConstraint(
            model_name='scorecard',
            constraint=conversations.database.guards.AppendOnly(erasable=(), name='scorecard_append_only'),
        ),
    ]
