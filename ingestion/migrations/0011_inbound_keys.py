import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0048_by_provider_id'),
        ('ingestion', '0010_mailboxes'),
    ]

    operations = [
        migrations.CreateModel(
            name='InboundKey',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('kind', models.CharField(choices=[('event', 'Event'), ('message', 'Message')], max_length=10)),
                ('digest', models.CharField(max_length=64)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('channel', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel')),
                ('message', conversations.models.base.TenantForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.message')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('kind', 'event')), fields=['account', 'created_at'], name='idx_inboundkey_events')],
                'constraints': [conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='inboundkey_isolation', private_to=''), models.UniqueConstraint(fields=('account', 'id'), name='inboundkey_account_id'), models.UniqueConstraint(fields=('account', 'channel', 'kind', 'digest'), name='inboundkey_once'), models.CheckConstraint(condition=models.Q(('kind__in', ['event', 'message'])), name='inboundkey_kind_known'), conversations.database.guards.SameAccount(field='channel', name='inboundkey_channel_same_account'), conversations.database.guards.SameAccount(field='message', name='inboundkey_message_same_account')],
            },
        ),
    ]
