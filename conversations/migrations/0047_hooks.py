import conversations.database.database_time
import conversations.database.encryption
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0046_fetching'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChannelHook',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('expires_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='delivery_moves',
        ),
        migrations.AddField(
            model_name='channel',
            name='incoming_before_until',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='channel',
            name='incoming_credentials_before',
            field=conversations.database.encryption.EncryptedTextField(blank=True, db_default='', default='', editable=False, help_text='The one before it, which stands for a while.'),
        ),
        migrations.AddField(
            model_name='channelhealth',
            name='hook_refused_at',
            field=models.DateTimeField(help_text='When a post to its address was last refused, where none was right since.', null=True),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.Transitions(field='status', moves={'delivered': ('bounced',), 'failed': ('queued', 'sent', 'cancelled'), 'held': ('queued', 'cancelled'), 'queued': ('sending', 'sent', 'cancelled'), 'sending': ('queued', 'sent', 'failed', 'uncertain'), 'sent': ('delivered', 'bounced'), 'uncertain': ('queued', 'sent', 'cancelled')}, name='delivery_moves'),
        ),
        migrations.AddField(
            model_name='channelhook',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='channelhook',
            name='channel',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel'),
        ),
        migrations.AddIndex(
            model_name='channelhook',
            index=models.Index(fields=['digest'], name='idx_channelhook_digest'),
        ),
        migrations.AddConstraint(
            model_name='channelhook',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='channelhook_isolation', private_to=''),
        ),
        migrations.AddConstraint(
            model_name='channelhook',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='channelhook_account_id'),
        ),
        migrations.AddConstraint(
            model_name='channelhook',
            constraint=models.UniqueConstraint(fields=('account', 'digest'), name='channelhook_digest'),
        ),
        migrations.AddConstraint(
            model_name='channelhook',
            constraint=models.UniqueConstraint(condition=models.Q(('expires_at__isnull', True)), fields=('account', 'channel'), name='channelhook_one_current'),
        ),
        migrations.AddConstraint(
            model_name='channelhook',
            constraint=conversations.database.guards.SameAccount(field='channel', name='channelhook_channel_same_account'),
        ),
        run_sql("conversations", "0047_hooks"),
    ]
