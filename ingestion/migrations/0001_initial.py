import conversations.database.guards
import conversations.models.base
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.lookups
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('conversations', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Site',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('url', models.CharField(help_text='Start page or sitemap; only its host is read.', max_length=1000)),
                ('name', models.CharField(blank=True, default='', max_length=120)),
                ('max_pages', models.PositiveIntegerField(default=500)),
                ('every_hours', models.PositiveIntegerField(default=24, help_text='0: only when somebody starts it.')),
                ('allow_private', models.BooleanField(default=False, help_text='Also read hosts inside your own network.')),
                ('is_active', models.BooleanField(default=True)),
                ('crawled_at', models.DateTimeField(editable=False, null=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
            ],
        ),
        migrations.CreateModel(
            name='SourceDocument',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('source_url', models.CharField(max_length=2000)),
                ('kind', models.CharField(choices=[('text', 'Text'), ('page', 'Page'), ('file', 'File'), ('golden', 'Golden')], default='text', max_length=20)),
                ('etag', models.CharField(blank=True, default='', max_length=300)),
                ('last_modified', models.CharField(blank=True, default='', help_text='As the server wrote it.', max_length=100)),
                ('fetched_at', models.DateTimeField(null=True)),
                ('error', models.CharField(blank=True, default='', max_length=500)),
                ('title', models.CharField(blank=True, default='', max_length=500)),
                ('hash', models.CharField(blank=True, default='', max_length=64)),
                ('indexed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('next_refresh_at', models.DateTimeField(null=True)),
                ('metadata', models.JSONField(default=dict)),
                ('status', models.CharField(choices=[('indexed', 'Indexed'), ('failed', 'Failed'), ('gone', 'Gone')], default='indexed', max_length=20)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('site', conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='documents', to='ingestion.site')),
            ],
        ),
        migrations.CreateModel(
            name='Passage',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('ordinal', models.PositiveIntegerField()),
                ('heading', models.CharField(blank=True, default='', max_length=500)),
                ('text', models.TextField()),
                ('hash', models.CharField(max_length=64)),
                ('search', models.GeneratedField(db_persist=True, expression=django.contrib.postgres.search.CombinedSearchVector(django.contrib.postgres.search.SearchVector('heading', config='english', weight='A'), '||', django.contrib.postgres.search.SearchVector('text', config='english', weight='B'), django.contrib.postgres.search.SearchConfig('english')), output_field=django.contrib.postgres.search.SearchVectorField())),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('document', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='passages', to='ingestion.sourcedocument')),
            ],
        ),
        migrations.CreateModel(
            name='InboundEvent',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('external_id', models.CharField(help_text="The provider's event id, or the digest of the bytes.", max_length=998)),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('signature', models.CharField(default='none', max_length=20)),
                ('payload', models.BinaryField(null=True)),
                ('payload_sha256', models.CharField(max_length=64)),
                ('size_bytes', models.PositiveBigIntegerField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('status', models.CharField(choices=[('received', 'Received'), ('processed', 'Processed'), ('ignored', 'Ignored'), ('failed', 'Failed')], default='received', max_length=20)),
                ('detail', models.CharField(blank=True, default='', max_length=500)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('channel', conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel')),
                ('message', conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='conversations.message')),
            ],
            options={
                'indexes': [models.Index(fields=['account', '-received_at'], name='idx_inboundevent_recent'), models.Index(condition=models.Q(('payload__isnull', False)), fields=['expires_at'], name='idx_inboundevent_expiry')],
            },
        ),
        migrations.CreateModel(
            name='JobRun',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('type', models.CharField(choices=[('crawl', 'Crawl'), ('ingest_goldens', 'Ingest Goldens'), ('ingest_files', 'Ingest Files'), ('corrections_sync', 'Corrections Sync'), ('mail_fetch', 'Mail Fetch'), ('retention', 'Retention'), ('eval', 'Eval'), ('export', 'Export')], max_length=40)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=20)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('heartbeat_at', models.DateTimeField(null=True)),
                ('done', models.PositiveIntegerField(default=0)),
                ('total', models.PositiveIntegerField(null=True)),
                ('unit', models.CharField(blank=True, default='', max_length=40)),
                ('error', models.TextField(blank=True, default='')),
                ('metrics', models.JSONField(default=dict)),
                ('params', models.JSONField(default=dict, help_text='What the job was asked for.')),
                ('resume', models.JSONField(default=dict, help_text='Where a job that was cut off goes on.')),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('started_by_name', models.CharField(blank=True, default='', max_length=120)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
            ],
            options={
                'indexes': [models.Index(fields=['account', 'type', 'created_at'], name='idx_jobrun_account_type')],
            },
        ),
        migrations.AddIndex(
            model_name='passage',
            index=django.contrib.postgres.indexes.GinIndex(fields=['account', 'search'], name='idx_passage_search'),
        ),
        migrations.AddConstraint(
            model_name='site',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='site_account_id'),
        ),
        migrations.AddConstraint(
            model_name='sourcedocument',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='sourcedocument_account_id'),
        ),
        migrations.AddConstraint(
            model_name='passage',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='passage_account_id'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='inboundevent_account_id'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='jobrun_account_id'),
        ),
        migrations.AddConstraint(
            model_name='site',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='site_isolation'),
        ),
        migrations.AddConstraint(
            model_name='site',
            constraint=models.UniqueConstraint(fields=('account', 'url'), name='site_url'),
        ),
        migrations.AddConstraint(
            model_name='site',
            constraint=models.CheckConstraint(condition=models.Q(('max_pages__range', (1, 100000))), name='site_max_pages_range'),
        ),
        migrations.AddConstraint(
            model_name='sourcedocument',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='sourcedocument_isolation'),
        ),
        migrations.AddConstraint(
            model_name='sourcedocument',
            constraint=models.UniqueConstraint(fields=('account', 'source_url'), name='sourcedocument_url'),
        ),
        migrations.AddConstraint(
            model_name='sourcedocument',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['indexed', 'failed', 'gone'])), name='sourcedocument_status_known'),
        ),
        migrations.AddConstraint(
            model_name='sourcedocument',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['text', 'page', 'file', 'golden'])), name='sourcedocument_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='sourcedocument',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('metadata', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='sourcedocument_metadata_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='sourcedocument',
            constraint=conversations.database.guards.SameAccount(field='site', name='sourcedocument_site_same_account'),
        ),
        migrations.AddConstraint(
            model_name='passage',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='passage_isolation'),
        ),
        migrations.AddConstraint(
            model_name='passage',
            constraint=models.UniqueConstraint(fields=('account', 'document', 'ordinal'), name='passage_ordinal'),
        ),
        migrations.AddConstraint(
            model_name='passage',
            constraint=conversations.database.guards.SameAccount(field='document', name='passage_document_same_account'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='inboundevent_isolation'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=models.UniqueConstraint(fields=('account', 'channel', 'external_id', 'payload_sha256'), name='inboundevent_once'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['received', 'processed', 'ignored', 'failed'])), name='inboundevent_status_known'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=models.CheckConstraint(condition=models.Q(('signature__in', ['none', 'valid', 'invalid'])), name='inboundevent_signature_known'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=conversations.database.guards.Transitions(field='status', moves={'failed': ('processed', 'ignored'), 'received': ('processed', 'ignored', 'failed')}, name='inboundevent_moves'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=conversations.database.guards.SameAccount(field='channel', name='inboundevent_channel_same_account'),
        ),
        migrations.AddConstraint(
            model_name='InboundEvent',
            constraint=conversations.database.guards.SameAccount(field='message', name='inboundevent_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='jobrun_isolation'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['crawl', 'ingest_goldens', 'ingest_files', 'corrections_sync', 'mail_fetch', 'retention', 'eval', 'export'])), name='jobrun_type_known'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['queued', 'running', 'succeeded', 'failed', 'cancelled'])), name='jobrun_status_known'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=conversations.database.guards.Transitions(field='status', moves={'cancelled': ('queued',), 'failed': ('queued',), 'queued': ('running', 'cancelled'), 'running': ('succeeded', 'failed', 'cancelled', 'queued')}, name='jobrun_moves'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('metrics', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='jobrun_metrics_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('params', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='jobrun_params_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='JobRun',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('resume', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='jobrun_resume_under_64k'),
        ),
    ]
