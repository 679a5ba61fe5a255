import conversations.database.encryption
import conversations.database.guards
import conversations.metadata
import conversations.models.base
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
import django.utils.timezone
from django.conf import settings
from conversations.database.sqlfiles import run_sql
from django.contrib.postgres.operations import BtreeGinExtension
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        run_sql("conversations", "0001_guards"),
        BtreeGinExtension(),
        migrations.CreateModel(
            name='Account',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('name', models.CharField(max_length=200)),
                ('slug', models.SlugField(max_length=60)),
                ('timezone', models.CharField(default='UTC', max_length=64)),
                ('is_active', models.BooleanField(default=True)),
                ('settings', models.JSONField(blank=True, default=dict, validators=[conversations.metadata.validate_with(conversations.metadata.AccountSettings)])),
                ('archive_bodies_after_days', models.PositiveIntegerField(default=0, help_text='Closed conversations lose their texts after this many days. 0 keeps them.')),
                ('purge_after_days', models.PositiveIntegerField(default=0, help_text='Closed conversations are removed, all but the audit skeleton, after this many days.')),
                ('expire_sessions_after_days', models.PositiveIntegerField(default=30)),
                ('legal_hold', models.BooleanField(default=False, help_text='While set, retention removes nothing.')),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='Attachment',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('draft_id', models.UUIDField(editable=False, null=True)),
                ('file_name', models.CharField(max_length=255)),
                ('mime_type', models.CharField(max_length=127)),
                ('size_bytes', models.PositiveBigIntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('storage_key', models.CharField(max_length=255)),
                ('content_id', models.CharField(blank=True, default='', max_length=255)),
                ('is_inline', models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name='AuditCheckpoint',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('seq', models.PositiveBigIntegerField()),
                ('hash', models.CharField(max_length=64)),
                ('signature', models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('seq', models.PositiveBigIntegerField(editable=False, null=True)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('kind', models.CharField(max_length=60)),
                ('actor_type', models.CharField(choices=[('user', 'User'), ('service', 'Service'), ('model', 'Model'), ('system', 'System')], max_length=20)),
                ('actor_id', models.CharField(blank=True, default='', max_length=64)),
                ('actor_name', models.CharField(max_length=120)),
                ('object_type', models.CharField(max_length=40)),
                ('object_id', models.CharField(max_length=64)),
                ('conversation_id', models.UUIDField(null=True)),
                ('act_id', models.UUIDField(help_text='Events of one act share it: the act itself and what followed from it.')),
                ('data', models.JSONField(default=dict)),
                ('commitments', models.JSONField(default=dict)),
                ('prev_hash', models.CharField(blank=True, default='', editable=False, max_length=64)),
                ('hash', models.CharField(blank=True, default='', editable=False, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='AuditSalt',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('conversation_id', models.UUIDField(db_index=True, null=True)),
                ('value', models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='Channel',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('type', models.CharField(choices=[('email', 'Email'), ('chat', 'Chat'), ('shopify', 'Shopify'), ('slack', 'Slack')], max_length=20)),
                ('provider', models.CharField(blank=True, help_text='zoho, intercom, shopify, slack, smtp ...', max_length=40)),
                ('external_id', models.CharField(help_text='The address or id that the provider knows it by.', max_length=255)),
                ('name', models.CharField(max_length=120)),
                ('metadata', models.JSONField(blank=True, default=dict, validators=[conversations.metadata.validate_with(conversations.metadata.ChannelSettings)])),
                ('credentials', conversations.database.encryption.EncryptedTextField(blank=True, default='', help_text='Secret; stored encrypted, never shown back.')),
                ('is_active', models.BooleanField(default=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='Conversation',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('number', models.PositiveIntegerField(editable=False, help_text='Counts within the account, for people.')),
                ('kind', models.CharField(choices=[('customer', 'Customer'), ('assistant', 'Assistant')], default='customer', max_length=20)),
                ('external_id', models.CharField(blank=True, default='', max_length=255)),
                ('subject', models.CharField(blank=True, default='', max_length=200)),
                ('title', models.CharField(blank=True, default='', max_length=200)),
                ('summary', models.TextField(blank=True, default='')),
                ('status', models.CharField(choices=[('open', 'Open'), ('pending', 'Pending'), ('closed', 'Closed')], default='open', max_length=20)),
                ('customer_email', models.CharField(blank=True, default='', max_length=320)),
                ('customer_name', models.CharField(blank=True, default='', max_length=200)),
                ('key_topics', models.JSONField(blank=True, default=list)),
                ('tags', models.JSONField(blank=True, default=list)),
                ('last_seq', models.PositiveIntegerField(default=0, editable=False)),
                ('message_count', models.PositiveIntegerField(default=0, editable=False)),
                ('user_message_count', models.PositiveIntegerField(default=0, editable=False)),
                ('ai_message_count', models.PositiveIntegerField(default=0, editable=False)),
                ('average_sentiment', models.FloatField(null=True, validators=[django.core.validators.MinValueValidator(-1.0), django.core.validators.MaxValueValidator(1.0)])),
                ('is_archived', models.BooleanField(default=False)),
                ('is_pinned', models.BooleanField(default=False)),
                ('is_favorited', models.BooleanField(default=False)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now)),
                ('completed_at', models.DateTimeField(null=True)),
                ('last_message_at', models.DateTimeField(editable=False, null=True)),
                ('due_at', models.DateTimeField(help_text='When the customer should have an answer.', null=True)),
                ('archived_at', models.DateTimeField(help_text='When retention removed the texts.', null=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('draft_id', models.UUIDField(editable=False, null=True)),
                ('approved_by_name', models.CharField(blank=True, default='', max_length=120)),
                ('idempotency_key', models.CharField(max_length=255)),
                ('envelope', models.JSONField(help_text='sender, to, cc, subject, in_reply_to, references, files with digests')),
                ('body_text', models.TextField(blank=True)),
                ('body_html', models.TextField(blank=True, default='')),
                ('content_sha256', models.CharField(max_length=64)),
                ('status', models.CharField(choices=[('held', 'Held'), ('queued', 'Queued'), ('sending', 'Sending'), ('sent', 'Sent'), ('failed', 'Failed'), ('uncertain', 'Uncertain'), ('cancelled', 'Cancelled'), ('delivered', 'Delivered'), ('bounced', 'Bounced')], default='held', max_length=20)),
                ('hold_until', models.DateTimeField(default=django.utils.timezone.now)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('attempt_count', models.PositiveIntegerField(default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('handover_at', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('receipt', models.CharField(blank=True, default='', max_length=500)),
                ('error', models.CharField(blank=True, default='', max_length=500)),
                ('erased_at', models.DateTimeField(null=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name_plural': 'deliveries',
            },
        ),
        migrations.CreateModel(
            name='DeliveryAttempt',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('number', models.PositiveIntegerField()),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('finished_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, choices=[('sent', 'Sent'), ('permanent', 'Permanent'), ('transient', 'Transient'), ('uncertain', 'Uncertain'), ('crashed', 'Crashed')], default='', max_length=20)),
                ('response', models.CharField(blank=True, default='', max_length=500)),
            ],
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('role', models.CharField(choices=[('agent', 'Agent'), ('reviewer', 'Reviewer'), ('admin', 'Admin'), ('auditor', 'Auditor')], default='agent', max_length=20)),
                ('is_active', models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('seq', conversations.models.base.DatabaseNumber(default=0, editable=False)),
                ('external_id', models.CharField(blank=True, default='', max_length=998)),
                ('direction', models.CharField(choices=[('inbound', 'Inbound'), ('outbound', 'Outbound'), ('system', 'System')], max_length=20)),
                ('role', models.CharField(choices=[('user', 'User'), ('assistant', 'Assistant'), ('operator', 'Operator'), ('system', 'System')], max_length=20)),
                ('subject', models.CharField(blank=True, default='', max_length=998)),
                ('body_text', models.TextField()),
                ('body_new', models.TextField(blank=True, default='', help_text='What is new in it: quoted history and signature cut.')),
                ('body_html', models.TextField(blank=True, default='', help_text='Sanitised.')),
                ('content_sha256', models.CharField(blank=True, default='', editable=False, max_length=64)),
                ('sent_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now)),
                ('metadata', models.JSONField(blank=True, default=dict, validators=[conversations.metadata.validate_with(conversations.metadata.MessageMetadata)])),
                ('intent', models.CharField(blank=True, default='', max_length=100)),
                ('confidence', models.FloatField(null=True, validators=[django.core.validators.MinValueValidator(0.0), django.core.validators.MaxValueValidator(1.0)])),
                ('tokens_used', models.PositiveIntegerField(null=True)),
                ('model_used', models.CharField(blank=True, default='', max_length=100)),
                ('latency_ms', models.PositiveIntegerField(null=True)),
                ('is_automatic', models.BooleanField(default=False, help_text='An automatic reply or a bounce: nobody is answered.')),
                ('erased_at', models.DateTimeField(null=True)),
                ('withdrawn_at', models.DateTimeField(help_text='Outbound only: taken back before it left.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='MessageWords',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('sent_at', models.DateTimeField()),
                ('words', django.contrib.postgres.search.SearchVectorField()),
            ],
        ),
        migrations.CreateModel(
            name='Notification',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('type', models.CharField(choices=[('draft_ready', 'Draft Ready'), ('draft_failed', 'Draft Failed'), ('came_back', 'Came Back'), ('send_failed', 'Send Failed'), ('send_uncertain', 'Send Uncertain'), ('bounced', 'Bounced'), ('job_failed', 'Job Failed'), ('handed_over', 'Handed Over'), ('taken_over', 'Taken Over'), ('asked_for', 'Asked For'), ('source_changed', 'Source Changed'), ('lane_shut', 'Lane Shut')], max_length=40)),
                ('payload', models.JSONField(default=dict)),
                ('read_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='PolicyRule',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('role', models.CharField(choices=[('agent', 'Agent'), ('reviewer', 'Reviewer'), ('admin', 'Admin'), ('auditor', 'Auditor')], max_length=20)),
                ('verb', models.CharField(max_length=40)),
                ('kind', models.CharField(choices=[('any', 'Any'), ('sourced', 'Sourced'), ('unsourced', 'Unsourced'), ('money', 'Money')], default='any', max_length=20)),
                ('allowed', models.BooleanField(default=False)),
                ('four_eyes', models.BooleanField(default=False, help_text='The one who wrote or edited the text may not approve it.')),
            ],
        ),
        migrations.CreateModel(
            name='ServiceToken',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('name', models.CharField(max_length=120)),
                ('key', models.CharField(editable=False, max_length=16, validators=[django.core.validators.RegexValidator('^[a-z0-9]{12}$')])),
                ('secret_hash', models.CharField(editable=False, max_length=64)),
                ('scopes', models.JSONField(default=list)),
                ('last_used_at', models.DateTimeField(editable=False, null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('email', models.EmailField(max_length=254, unique=True)),
                ('display_name', models.CharField(blank=True, max_length=120)),
                ('auth_provider', models.CharField(default='password', help_text='password, or the OIDC provider', max_length=60)),
                ('auth_subject', models.CharField(blank=True, help_text="the provider's subject for this person", max_length=255)),
                ('preferences', models.JSONField(blank=True, default=dict, validators=[conversations.metadata.validate_with(conversations.metadata.Preferences)])),
                ('is_active', models.BooleanField(default=True)),
                ('is_staff', models.BooleanField(default=False)),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
        ),
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('account', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to='conversations.account')),
                ('seq', models.PositiveBigIntegerField()),
                ('hash', models.CharField(max_length=64)),
            ],
        ),
        migrations.AddField(
            model_name='attachment',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='auditcheckpoint',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='auditevent',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='auditsalt',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='auditsalt',
            name='event',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='salts', to='conversations.auditevent'),
        ),
        migrations.AddField(
            model_name='channel',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='channel',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='conversations', to='conversations.channel'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='approved_by',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='delivery',
            name='channel',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='deliveryattempt',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='deliveryattempt',
            name='delivery',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='attempts', to='conversations.delivery'),
        ),
        migrations.AddField(
            model_name='membership',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='membership',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='message',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='message',
            name='channel',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel'),
        ),
        migrations.AddField(
            model_name='message',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='delivery',
            name='message',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='last_inbound_message',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='attachment',
            name='message',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='attachments', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='messagewords',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='messagewords',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='messagewords',
            name='message',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='conversations.message'),
        ),
        migrations.AddField(
            model_name='notification',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='notification',
            name='user',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='policyrule',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='servicetoken',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['account', 'conversation_id', 'id'], name='idx_audit_conversation'),
        ),
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['account', '-id'], name='idx_audit_recent'),
        ),
        migrations.AddIndex(
            model_name='channel',
            index=models.Index(fields=['account', 'type'], name='idx_channel_account_type'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['conversation', 'sent_at'], name='idx_message_conversation_sent'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(condition=models.Q(('erased_at__isnull', True)), fields=['account', 'received_at'], name='idx_message_unerased'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status__in', ['held', 'queued', 'sending'])), fields=['account', 'next_attempt_at', 'id'], name='idx_delivery_waiting'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['account', 'approved_by', '-created_at'], name='idx_delivery_by_person'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['account', 'status', '-created_at'], name='idx_delivery_status'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['account', 'status'], name='idx_conversation_acct_status'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['channel', 'created_at'], name='idx_conversation_chan_created'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['account', '-last_message_at', '-id'], name='idx_conversation_recent'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(fields=['account', 'customer_email'], name='idx_conversation_customer'),
        ),
        migrations.AddIndex(
            model_name='attachment',
            index=models.Index(fields=['account', 'sha256'], name='idx_attachment_digest'),
        ),
        migrations.AddIndex(
            model_name='attachment',
            index=models.Index(fields=['draft_id'], name='idx_attachment_draft'),
        ),
        migrations.AddIndex(
            model_name='messagewords',
            index=django.contrib.postgres.indexes.GinIndex(fields=['account', 'words'], name='idx_messagewords_words'),
        ),
        migrations.AddIndex(
            model_name='messagewords',
            index=models.Index(fields=['account', '-sent_at', '-id'], name='idx_messagewords_recent'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['account', 'created_at'], name='idx_notification_account'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(fields=['user', 'created_at'], name='idx_notification_user'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('read_at__isnull', True)), fields=['account', 'user'], name='idx_notification_unread'),
        ),
        migrations.AddIndex(
            model_name='servicetoken',
            index=models.Index(fields=['key'], name='servicetoken_by_key'),
        ),
        migrations.AddConstraint(
            model_name='auditcheckpoint',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='auditcheckpoint_account_id'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='auditevent_account_id'),
        ),
        migrations.AddConstraint(
            model_name='auditsalt',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='auditsalt_account_id'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='channel_account_id'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='deliveryattempt_account_id'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='membership_account_id'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='message_account_id'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='delivery_account_id'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='conversation_account_id'),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='attachment_account_id'),
        ),
        migrations.AddConstraint(
            model_name='messagewords',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='messagewords_account_id'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='notification_account_id'),
        ),
        migrations.AddConstraint(
            model_name='policyrule',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='policyrule_account_id'),
        ),
        migrations.AddConstraint(
            model_name='servicetoken',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='servicetoken_account_id'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=conversations.database.guards.TenantIsolation(column='id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='account_isolation'),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('settings', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='account_settings_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='user_email_unique'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(condition=models.Q(('auth_subject', ''), _negated=True), fields=('auth_provider', 'auth_subject'), name='user_subject_unique'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('preferences', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='user_preferences_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='audithead',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT',), name='audithead_isolation'),
        ),
        migrations.AddConstraint(
            model_name='auditcheckpoint',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT'), name='auditcheckpoint_isolation'),
        ),
        migrations.AddConstraint(
            model_name='auditcheckpoint',
            constraint=models.UniqueConstraint(fields=('account', 'seq'), name='auditcheckpoint_seq'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT'), name='auditevent_isolation'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.UniqueConstraint(fields=('account', 'seq'), name='auditevent_seq'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.CheckConstraint(condition=models.Q(('actor_type__in', ['user', 'service', 'model', 'system'])), name='auditevent_actor_type_known'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.CheckConstraint(condition=models.Q(('actor_name', ''), _negated=True), name='auditevent_has_actor'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('data', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='auditevent_data_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='auditevent',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('commitments', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='auditevent_commitments_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='auditsalt',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'DELETE'), name='auditsalt_isolation'),
        ),
        migrations.AddConstraint(
            model_name='auditsalt',
            constraint=models.UniqueConstraint(fields=('account', 'event'), name='auditsalt_event'),
        ),
        migrations.AddConstraint(
            model_name='auditsalt',
            constraint=conversations.database.guards.SameAccount(field='event', name='auditsalt_event_same_account'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='channel_isolation'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.UniqueConstraint(fields=('account', 'type', 'external_id'), name='channel_external'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['email', 'chat', 'shopify', 'slack'])), name='channel_type_known'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('metadata', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='channel_metadata_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE'), name='deliveryattempt_isolation'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=models.UniqueConstraint(fields=('account', 'delivery', 'number'), name='deliveryattempt_number'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'sent', 'permanent', 'transient', 'uncertain', 'crashed'])), name='deliveryattempt_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=conversations.database.guards.Transitions(field='outcome', moves={'': ('sent', 'permanent', 'transient', 'uncertain', 'crashed')}, name='deliveryattempt_moves'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=conversations.database.guards.SameAccount(field='delivery', name='deliveryattempt_delivery_same_account'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='membership_isolation'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('account', 'user'), name='membership_once'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['agent', 'reviewer', 'admin', 'auditor'])), name='membership_role_known'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='message_isolation'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(fields=('account', 'conversation', 'seq'), name='message_seq'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('account', 'channel', 'external_id'), name='message_external'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('body_text', ''), _negated=True), ('erased_at__isnull', False), _connector='OR'), name='message_has_text'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('withdrawn_at__isnull', True), ('direction', 'outbound'), _connector='OR'), name='message_withdrawn_outbound'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('confidence__isnull', True), ('confidence__range', (0, 1)), _connector='OR'), name='message_confidence_range'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('direction__in', ['inbound', 'outbound', 'system'])), name='message_direction_known'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['user', 'assistant', 'operator', 'system'])), name='message_role_known'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('metadata', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='message_metadata_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='message_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=conversations.database.guards.SameAccount(field='channel', name='message_channel_same_account'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=conversations.database.guards.Trigger(deferred=False, function='message_arrives', name='message_arrives', when='BEFORE INSERT'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=conversations.database.guards.Trigger(deferred=False, function='message_withdrawn', name='message_withdrawn', when='AFTER UPDATE OF withdrawn_at'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='delivery_isolation'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('account', 'idempotency_key'), name='delivery_idempotency'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('draft_id__isnull', False), models.Q(('status', 'cancelled'), _negated=True)), fields=('account', 'draft_id'), name='delivery_one_per_draft'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'cancelled'), _negated=True), fields=('account', 'message'), name='delivery_one_per_message'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['held', 'queued', 'sending', 'sent', 'failed', 'uncertain', 'cancelled', 'delivered', 'bounced'])), name='delivery_status_known'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'sending'), _negated=True), ('lease_until__isnull', False), _connector='OR'), name='delivery_sending_has_lease'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['sent', 'delivered', 'bounced']), _negated=True), ('sent_at__isnull', False), _connector='OR'), name='delivery_sent_has_time'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('body_text', ''), _negated=True), ('erased_at__isnull', False), _connector='OR'), name='delivery_has_text'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('envelope', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='delivery_envelope_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.Transitions(field='status', moves={'delivered': ('bounced',), 'failed': ('queued', 'cancelled'), 'held': ('queued', 'cancelled'), 'queued': ('sending', 'cancelled'), 'sending': ('queued', 'sent', 'failed', 'uncertain'), 'sent': ('delivered', 'bounced'), 'uncertain': ('queued', 'sent', 'cancelled')}, name='delivery_moves'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='delivery_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.SameAccount(field='message', name='delivery_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.SameAccount(field='channel', name='delivery_channel_same_account'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='conversation_isolation'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.UniqueConstraint(fields=('account', 'number'), name='conversation_number'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id', ''), _negated=True), fields=('account', 'channel', 'external_id'), name='conversation_external'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('channel__isnull', False), ('kind', 'customer')), models.Q(('channel__isnull', True), ('kind', 'assistant')), _connector='OR'), name='conversation_channel_iff_customer'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('average_sentiment__isnull', True), ('average_sentiment__range', (-1, 1)), _connector='OR'), name='conversation_sentiment_range'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['customer', 'assistant'])), name='conversation_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['open', 'pending', 'closed'])), name='conversation_status_known'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('key_topics', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='conversation_key_topics_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('tags', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='conversation_tags_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=conversations.database.guards.SameAccount(field='channel', name='conversation_channel_same_account'),
        ),
        migrations.AddConstraint(
            model_name='conversation',
            constraint=conversations.database.guards.SameAccount(field='last_inbound_message', name='conversation_last_inbound_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='attachment_isolation'),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=conversations.database.guards.SameAccount(field='message', name='attachment_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('draft_id__isnull', True), ('message__isnull', False)), models.Q(('draft_id__isnull', False), ('message__isnull', True)), _connector='OR'), name='attachment_of_one'),
        ),
        migrations.AddConstraint(
            model_name='messagewords',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT',), name='messagewords_isolation'),
        ),
        migrations.AddConstraint(
            model_name='messagewords',
            constraint=models.UniqueConstraint(fields=('account', 'message'), name='messagewords_once'),
        ),
        migrations.AddConstraint(
            model_name='messagewords',
            constraint=conversations.database.guards.SameAccount(field='message', name='messagewords_message_same_account'),
        ),
        migrations.AddConstraint(
            model_name='messagewords',
            constraint=conversations.database.guards.SameAccount(field='conversation', name='messagewords_conversation_same_account'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='notification_isolation'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['draft_ready', 'draft_failed', 'came_back', 'send_failed', 'send_uncertain', 'bounced', 'job_failed', 'handed_over', 'taken_over', 'asked_for', 'source_changed', 'lane_shut'])), name='notification_type_known'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('payload', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='notification_payload_under_64k'),
        ),
        migrations.AddConstraint(
            model_name='policyrule',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='policyrule_isolation'),
        ),
        migrations.AddConstraint(
            model_name='policyrule',
            constraint=models.UniqueConstraint(fields=('account', 'role', 'verb', 'kind'), name='policyrule_once'),
        ),
        migrations.AddConstraint(
            model_name='policyrule',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['agent', 'reviewer', 'admin', 'auditor'])), name='policyrule_role_known'),
        ),
        migrations.AddConstraint(
            model_name='policyrule',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['any', 'sourced', 'unsourced', 'money'])), name='policyrule_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='servicetoken',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='servicetoken_isolation'),
        ),
        migrations.AddConstraint(
            model_name='servicetoken',
            constraint=models.UniqueConstraint(fields=('account', 'key'), name='servicetoken_key'),
        ),
        migrations.AddConstraint(
            model_name='servicetoken',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThan(models.Func(django.db.models.functions.comparison.Cast('scopes', models.TextField()), function='octet_length', output_field=models.IntegerField()), 65536), name='servicetoken_scopes_under_64k'),
        ),
    ]
