import conversations.database.guards
import conversations.models.base
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.lookups
import django.utils.timezone
from django.conf import settings
from conversations.database.sqlfiles import run_sql
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('conversations', '0001_initial'),
        ('conversations', '__first__'),
    ]

    operations = [
        run_sql("drafts", "0001_drafts"),
        migrations.CreateModel(
            name='Draft',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('model_key', models.CharField(max_length=100)),
                ('prompt_label', models.CharField(blank=True, default='', help_text='e.g. reply-v14', max_length=80)),
                ('status', models.CharField(choices=[('pending', 'Pending'), ('approved', 'Approved'), ('sent', 'Sent'), ('rejected', 'Rejected'), ('superseded', 'Superseded'), ('stale', 'Stale'), ('answered_elsewhere', 'Answered Elsewhere'), ('expired', 'Expired'), ('archived', 'Archived')], default='pending', max_length=20)),
                ('version', models.PositiveIntegerField(default=0)),
                ('suggested_text', models.TextField(blank=True)),
                ('suggested_html', models.TextField(blank=True, default='')),
                ('top_sources', models.JSONField(default=list)),
                ('claims', models.JSONField(default=list, help_text='[{start, end, sources}] spans in code points')),
                ('checks', models.JSONField(default=list)),
                ('unsourced_count', models.PositiveIntegerField(default=0)),
                ('is_about_money', models.BooleanField(default=False)),
                ('confidence', models.FloatField(null=True, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('confidence_reasons', models.JSONField(default=list)),
                ('intent', models.CharField(blank=True, default='', max_length=100)),
                ('needs_human', models.JSONField(default=list)),
                ('tokens_used', models.PositiveIntegerField(null=True)),
                ('latency_ms', models.PositiveIntegerField(null=True)),
                ('error', models.CharField(blank=True, default='', help_text='Why there is no text to sign.', max_length=500)),
                ('is_canary', models.BooleanField(default=False)),
                ('canary_defect', models.CharField(blank=True, default='', help_text='What was planted in a check draft, in words.', max_length=300)),
                ('language', models.CharField(blank=True, default='', help_text="Of the customer's message, e.g. de", max_length=20)),
                ('cost_micros', models.PositiveBigIntegerField(help_text="Millionths of the price list's currency.", null=True)),
                ('sources_changed_at', models.DateTimeField(help_text='When a source that the text cites changed or went.', null=True)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now, help_text="Copied from the conversation: the queue's order.")),
                ('snoozed_until', models.DateTimeField(null=True)),
                ('erased_at', models.DateTimeField(null=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('author_user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='drafts_created', to=settings.AUTH_USER_MODEL)),
                ('base_message', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='drafts_based_on', to='conversations.message')),
                ('conversation', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='drafts', to='conversations.conversation')),
                ('trigger_message', conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='drafts_triggered', to='conversations.message')),
            ],
        ),
        migrations.CreateModel(
            name='EvalRun',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('model_key', models.CharField(blank=True, default='', max_length=100)),
                ('status', models.CharField(choices=[('running', 'Running'), ('passed', 'Passed'), ('regressed', 'Regressed'), ('failed', 'Failed')], default='running', max_length=20)),
                ('metrics', models.JSONField(default=dict)),
                ('error', models.CharField(blank=True, default='', max_length=500)),
                ('finished_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('baseline', conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='drafts.evalrun')),
                ('started_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Golden',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('question', models.TextField()),
                ('answer', models.TextField()),
                ('intent', models.CharField(blank=True, default='', max_length=100)),
                ('status', models.CharField(choices=[('proposed', 'Proposed'), ('accepted', 'Accepted'), ('refused', 'Refused'), ('retired', 'Retired')], default='proposed', max_length=20)),
                ('origin', models.CharField(choices=[('file', 'File'), ('corrections', 'Corrections'), ('person', 'Person')], default='person', max_length=20)),
                ('external_key', models.CharField(blank=True, default='', help_text='Its key in the file, or the digest of the corrections.', max_length=200)),
                ('valid_from', models.DateTimeField(blank=True, null=True)),
                ('valid_until', models.DateTimeField(blank=True, null=True)),
                ('samples', models.JSONField(default=list, help_text='Ids of the corrections that it was proposed from.')),
                ('decided_name', models.CharField(blank=True, default='', max_length=120)),
                ('decided_at', models.DateTimeField(null=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='EvalCase',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('answer', models.TextField(blank=True)),
                ('similarity', models.FloatField(validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('unsourced', models.PositiveIntegerField(default=0)),
                ('declined', models.BooleanField(default=False)),
                ('passed', models.BooleanField(default=False)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('run', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='cases', to='drafts.evalrun')),
                ('golden', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='drafts.golden')),
            ],
        ),
        migrations.CreateModel(
            name='Lane',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('intent', models.CharField(max_length=100)),
                ('prompt_label', models.CharField(max_length=80)),
                ('model_key', models.CharField(max_length=100)),
                ('state', models.CharField(choices=[('shut', 'Shut'), ('open', 'Open'), ('suspended', 'Suspended')], default='shut', max_length=20)),
                ('sampling_rate', models.FloatField(default=0.1, help_text='Share that people still review.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('evidence', models.JSONField(default=dict)),
                ('reason', models.CharField(blank=True, default='', help_text='Why it is in its state.', max_length=300)),
                ('opened_at', models.DateTimeField(null=True)),
                ('opened_by_name', models.CharField(blank=True, default='', max_length=120)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('channel', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='lanes', to='conversations.channel')),
            ],
        ),
        migrations.CreateModel(
            name='DraftAction',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('user_name', models.CharField(max_length=120)),
                ('type', models.CharField(choices=[('approve', 'Approve'), ('edit', 'Edit'), ('reject', 'Reject'), ('regenerate', 'Regenerate'), ('claim', 'Claim'), ('release', 'Release'), ('undo', 'Undo'), ('escalate', 'Escalate'), ('answer_elsewhere', 'Answer Elsewhere')], max_length=20)),
                ('version', models.PositiveIntegerField(help_text='The draft version that was decided on.')),
                ('final_text', models.TextField(blank=True, null=True)),
                ('final_html', models.TextField(blank=True, default='')),
                ('reasons', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, size=None)),
                ('notes', models.TextField(blank=True, default='')),
                ('diff', models.JSONField(null=True)),
                ('seen', models.JSONField(default=dict, help_text='What was on the screen: version, last inbound, envelope hash.')),
                ('viewed_ms', models.PositiveIntegerField(null=True)),
                ('sources_opened', models.PositiveSmallIntegerField(default=0)),
                ('pressed_twice', models.BooleanField(default=False)),
                ('request_id', models.CharField(blank=True, default='', max_length=64)),
                ('evidence', models.JSONField(default=dict, help_text='Of an automatic approval: the figures that opened its lane.')),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('conversation', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='draft_actions', to='conversations.conversation')),
                ('draft', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='actions', to='drafts.draft')),
                ('message', conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='draft_actions', to='conversations.message')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='draft_actions', to=settings.AUTH_USER_MODEL)),
                ('lane', conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='actions', to='drafts.lane')),
            ],
        ),
        migrations.CreateModel(
            name='LearningSample',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('question', models.TextField(blank=True)),
                ('original', models.TextField(blank=True)),
                ('final', models.TextField(blank=True)),
                ('operations', models.JSONField()),
                ('reasons', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), blank=True, default=list, size=None)),
                ('similarity', models.FloatField(validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('model_key', models.CharField(max_length=100)),
                ('prompt_label', models.CharField(blank=True, default='', max_length=80)),
                ('split', models.CharField(choices=[('train', 'Train'), ('validation', 'Validation')], default='train', max_length=20)),
                ('redaction_report', models.JSONField(default=dict)),
                ('embedding_ref', models.CharField(blank=True, default='', max_length=255)),
                ('erased_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('action', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='learning_samples', to='drafts.draftaction')),
                ('conversation', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.conversation')),
                ('draft', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='learning_samples', to='drafts.draft')),
            ],
        ),
        migrations.CreateModel(
            name='Presence',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('seen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('conversation', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.conversation')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='PromptVersion',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('key', models.CharField(default='reply', max_length=60)),
                ('version', models.PositiveIntegerField()),
                ('text', models.TextField()),
                ('status', models.CharField(choices=[('draft', 'Draft'), ('active', 'Active'), ('retired', 'Retired')], default='draft', max_length=20)),
                ('note', models.CharField(blank=True, default='', help_text='What changed, for people.', max_length=300)),
                ('trial_share', models.FloatField(default=0.0, help_text='Share of conversations that try this version before it is active.', validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.AddField(
            model_name='evalrun',
            name='prompt_version',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='eval_runs', to='drafts.promptversion'),
        ),
        migrations.AddField(
            model_name='draft',
            name='prompt_version',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='drafts', to='drafts.promptversion'),
        ),
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('page', models.CharField(choices=[('queue', 'Queue'), ('history', 'History')], default='queue', max_length=20)),
                ('name', models.CharField(max_length=60)),
                ('query', models.CharField(blank=True, default='', max_length=500)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Claim',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('draft_id', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField()),
                ('token', models.PositiveIntegerField(default=1)),
                ('asked_at', models.DateTimeField(null=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('asked_by', models.ForeignKey(help_text='Who asked to take over.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('conversation', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='claims', to='conversations.conversation')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='DraftRevision',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('number', models.PositiveIntegerField()),
                ('text', models.TextField(blank=True)),
                ('html', models.TextField(blank=True, default='')),
                ('claims', models.JSONField(default=list)),
                ('author_name', models.CharField(max_length=120)),
                ('sha256', models.CharField(max_length=64)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('author', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('draft', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='revisions', to='drafts.draft')),
            ],
        ),
        migrations.AddIndex(
            model_name='golden',
            index=models.Index(fields=['account', 'status', 'created_at'], name='idx_golden_status'),
        ),
        migrations.AddIndex(
            model_name='draftaction',
            index=models.Index(fields=['draft'], name='idx_action_draft'),
        ),
        migrations.AddIndex(
            model_name='draftaction',
            index=models.Index(fields=['user', 'created_at'], name='idx_action_user_created'),
        ),
        migrations.AddIndex(
            model_name='draftaction',
            index=models.Index(fields=['account', '-created_at'], name='idx_action_recent'),
        ),
        migrations.AddIndex(
            model_name='learningsample',
            index=models.Index(fields=['account', 'created_at'], name='idx_learningsample_created'),
        ),
        migrations.AddIndex(
            model_name='evalrun',
            index=models.Index(fields=['account', '-created_at'], name='idx_evalrun_recent'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['account', 'due_at', 'id'], name='idx_draft_queue'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['account', 'id'], name='idx_draft_oldest'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['account', 'unsourced_count', 'due_at', 'id'], name='idx_draft_sourced'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(condition=models.Q(('status', 'pending'), models.Q(('unsourced_count__gt', 0), ('is_about_money', True), models.Q(('needs_human', []), _negated=True), _connector='OR')), fields=['account', 'due_at', 'id'], name='idx_draft_care'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(condition=models.Q(('snoozed_until__isnull', False), ('status', 'pending')), fields=['account', 'snoozed_until'], name='idx_draft_snoozed'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(fields=['account', 'status', 'due_at', 'id'], name='idx_draft_status_due'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(fields=['conversation', 'status'], name='idx_draft_conversation_status'),
        ),
        migrations.AddIndex(
            model_name='draft',
            index=models.Index(fields=['status', 'created_at'], name='idx_draft_status_created'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='golden_account_id'),
        ),
        migrations.AddConstraint(
            model_name='evalcase',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='evalcase_account_id'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='lane_account_id'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='draftaction_account_id'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='learningsample_account_id'),
        ),
        migrations.AddConstraint(
            model_name='presence',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='presence_account_id'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='promptversion_account_id'),
        ),
        migrations.AddConstraint(
            model_name='evalrun',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='evalrun_account_id'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='draft_account_id'),
        ),
        migrations.AddConstraint(
            model_name='savedview',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='savedview_account_id'),
        ),
        migrations.AddConstraint(
            model_name='Claim',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='claim_account_id'),
        ),
        migrations.AddConstraint(
            model_name='DraftRevision',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='draftrevision_account_id'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='golden_isolation'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=models.UniqueConstraint(condition=models.Q(('external_key', ''), _negated=True), fields=('account', 'external_key'), name='golden_external_key'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('question', ''), _negated=True), models.Q(('answer', ''), _negated=True)), name='golden_has_both'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=models.CheckConstraint(condition=models.Q(('valid_from__isnull', True), ('valid_until__isnull', True), ('valid_until__gt', models.F('valid_from')), _connector='OR'), name='golden_valid_range'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['proposed', 'accepted', 'refused', 'retired'])), name='golden_status_known'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=models.CheckConstraint(condition=models.Q(('origin__in', ['file', 'corrections', 'person'])), name='golden_origin_known'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=conversations.database.guards.Transitions(field='status', moves={'accepted': ('retired',), 'proposed': ('accepted', 'refused'), 'refused': ('accepted',), 'retired': ('accepted',)}, name='golden_moves'),
        ),
        migrations.AddConstraint(
            model_name='golden',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('samples', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='golden_samples_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='evalcase',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='evalcase_isolation'),
        ),
        migrations.AddConstraint(
            model_name='evalcase',
            constraint=models.UniqueConstraint(fields=('account', 'run', 'golden'), name='evalcase_once'),
        ),
        migrations.AddConstraint(
            model_name='evalcase',
            constraint=models.CheckConstraint(condition=models.Q(('similarity__range', (0, 1))), name='evalcase_similarity_range'),
        ),
        migrations.AddConstraint(
            model_name='evalcase',
            constraint=conversations.database.guards.SameAccount(field='run', name='evalcase_run_same_account'),
        ),
        migrations.AddConstraint(
            model_name='evalcase',
            constraint=conversations.database.guards.SameAccount(field='golden', name='evalcase_golden_same_account'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='lane_isolation'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.UniqueConstraint(fields=('account', 'intent', 'channel', 'prompt_label', 'model_key'), name='lane_once'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.CheckConstraint(condition=models.Q(('sampling_rate__range', (0, 1))), name='lane_sampling_range'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'open'), _negated=True), models.Q(('evidence', {}), _negated=True), _connector='OR'), name='lane_opens_on_evidence'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['shut', 'open', 'suspended'])), name='lane_state_known'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=conversations.database.guards.Transitions(field='state', moves={'open': ('suspended', 'shut'), 'shut': ('open',), 'suspended': ('shut',)}, name='lane_moves'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('evidence', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='lane_evidence_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='lane',
            constraint=conversations.database.guards.SameAccount(field='channel', name='lane_channel_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='draftaction_isolation'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['approve', 'edit', 'reject', 'regenerate', 'claim', 'release', 'undo', 'escalate', 'answer_elsewhere'])), name='draftaction_type_known'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=models.UniqueConstraint(condition=models.Q(('request_id', ''), _negated=True), fields=('account', 'user', 'request_id'), name='draftaction_request'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=conversations.database.guards.AppendOnly(erasable=('final_text', 'final_html', 'notes', 'diff', 'user_id'), name='draftaction_append_only'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('seen', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draftaction_seen_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('evidence', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draftaction_evidence_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=conversations.database.guards.SameAccount(field='draft', name='draftaction_draft_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='draftaction_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=conversations.database.guards.SameAccount(field='message', name='draftaction_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draftaction',
            constraint=conversations.database.guards.SameAccount(field='lane', name='draftaction_lane_same_account'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='learningsample_isolation'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=models.UniqueConstraint(fields=('account', 'action'), name='learningsample_action'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=models.CheckConstraint(condition=models.Q(('split__in', ['train', 'validation'])), name='learningsample_split_known'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=conversations.database.guards.SameAccount(field='draft', name='learningsample_draft_same_account'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=conversations.database.guards.SameAccount(field='action', name='learningsample_action_same_account'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='learningsample_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='presence',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='presence_isolation'),
        ),
        migrations.AddConstraint(
            model_name='presence',
            constraint=models.UniqueConstraint(fields=('account', 'conversation', 'user'), name='presence_once'),
        ),
        migrations.AddConstraint(
            model_name='presence',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='presence_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='promptversion_isolation'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=models.UniqueConstraint(fields=('account', 'key', 'version'), name='promptversion_number'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'active')), fields=('account', 'key'), name='promptversion_one_active'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='promptversion_has_text'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=models.CheckConstraint(condition=models.Q(('trial_share', 0), models.Q(('status', 'draft'), ('trial_share__range', (0, 1))), _connector='OR'), name='promptversion_trial'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['draft', 'active', 'retired'])), name='promptversion_status_known'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=conversations.database.guards.Transitions(field='status', moves={'active': ('retired',), 'draft': ('active', 'retired'), 'retired': ('active',)}, name='promptversion_moves'),
        ),
        migrations.AddConstraint(
            model_name='promptversion',
            constraint=conversations.database.guards.Trigger(deferred=False, function='promptversion_text_fixed', name='promptversion_text_fixed', when='BEFORE UPDATE OF text, key, version'),
        ),
        migrations.AddConstraint(
            model_name='evalrun',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='evalrun_isolation'),
        ),
        migrations.AddConstraint(
            model_name='evalrun',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['running', 'passed', 'regressed', 'failed'])), name='evalrun_status_known'),
        ),
        migrations.AddConstraint(
            model_name='evalrun',
            constraint=conversations.database.guards.Transitions(field='status', moves={'running': ('passed', 'regressed', 'failed')}, name='evalrun_moves'),
        ),
        migrations.AddConstraint(
            model_name='evalrun',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('metrics', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='evalrun_metrics_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='evalrun',
            constraint=conversations.database.guards.SameAccount(field='prompt_version', name='evalrun_prompt_version_same_account'),
        ),
        migrations.AddConstraint(
            model_name='evalrun',
            constraint=conversations.database.guards.SameAccount(field='baseline', name='evalrun_baseline_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='draft_isolation'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'pending')), fields=('account', 'conversation'), name='draft_one_live'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'approved', 'sent', 'rejected', 'superseded', 'stale', 'answered_elsewhere', 'expired', 'archived'])), name='draft_status_known'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('suggested_text', ''), _negated=True), ('erased_at__isnull', False), models.Q(('error', ''), _negated=True), _connector='OR'), name='draft_has_text'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(('confidence__isnull', True), ('confidence__range', (0, 1)), _connector='OR'), name='draft_confidence_range'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(('is_canary', False), models.Q(('status__in', ['approved', 'sent']), _negated=True), _connector='OR'), name='draft_canary_never_leaves'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('top_sources', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draft_top_sources_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('claims', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draft_claims_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('checks', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draft_checks_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('confidence_reasons', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draft_confidence_reasons_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('needs_human', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draft_needs_human_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.Transitions(field='status', moves={'answered_elsewhere': ('archived',), 'approved': ('sent', 'pending', 'stale'), 'expired': ('archived',), 'pending': ('approved', 'rejected', 'superseded', 'stale', 'answered_elsewhere', 'expired'), 'rejected': ('pending', 'archived'), 'sent': ('archived',), 'stale': ('archived',), 'superseded': ('archived',)}, name='draft_moves'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.Trigger(deferred=False, function='draft_answers_latest', name='draft_answers_latest', when='BEFORE UPDATE OF status'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='draft_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.SameAccount(field='base_message', name='draft_base_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.SameAccount(field='trigger_message', name='draft_trigger_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.SameAccount(field='prompt_version', name='draft_prompt_version_same_account'),
        ),
        migrations.AddConstraint(
            model_name='savedview',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='savedview_isolation'),
        ),
        migrations.AddConstraint(
            model_name='savedview',
            constraint=models.UniqueConstraint(fields=('account', 'user', 'page', 'name'), name='savedview_name'),
        ),
        migrations.AddConstraint(
            model_name='savedview',
            constraint=models.CheckConstraint(condition=models.Q(('page__in', ['queue', 'history'])), name='savedview_page_known'),
        ),
        migrations.AddConstraint(
            model_name='Claim',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='claim_isolation'),
        ),
        migrations.AddConstraint(
            model_name='Claim',
            constraint=models.UniqueConstraint(fields=('account', 'conversation'), name='claim_one_per_conversation'),
        ),
        migrations.AddConstraint(
            model_name='Claim',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='claim_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='DraftRevision',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='draftrevision_isolation'),
        ),
        migrations.AddConstraint(
            model_name='DraftRevision',
            constraint=models.UniqueConstraint(fields=('account', 'draft', 'number'), name='draftrevision_number'),
        ),
        migrations.AddConstraint(
            model_name='DraftRevision',
            constraint=models.CheckConstraint(condition=models.Q(('number__gte', 1)), name='draftrevision_from_one'),
        ),
        migrations.AddConstraint(
            model_name='DraftRevision',
            constraint=conversations.database.guards.AppendOnly(erasable=('text', 'html', 'claims', 'author_id'), name='draftrevision_append_only'),
        ),
        migrations.AddConstraint(
            model_name='DraftRevision',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('claims', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='draftrevision_claims_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='DraftRevision',
            constraint=conversations.database.guards.SameAccount(field='draft', name='draftrevision_draft_same_account'),
        ),
    ]
