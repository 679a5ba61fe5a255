import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0046_fetching'),
        ('ingestion', '0009_in_time'),
    ]

    operations = [
        migrations.AddField(
            model_name='inboundevent',
            name='is_history',
            field=models.BooleanField(db_default=False, default=False, help_text='It lay in the mailbox before that was connected: nobody is to answer.'),
        ),
        migrations.CreateModel(
            name='Mailbox',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('folder', models.CharField(max_length=200)),
                ('uidvalidity', models.BigIntegerField(null=True)),
                ('last_uid', models.BigIntegerField(default=0)),
                ('historical_until', models.DateTimeField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('checked_at', models.DateTimeField(null=True)),
                ('fetched_at', models.DateTimeField(help_text='When it was last read to its end without a fault.', null=True)),
                ('problem', models.CharField(blank=True, default='', max_length=500)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('channel', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel')),
            ],
            options={
                'verbose_name_plural': 'mailboxes',
                'constraints': [conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='mailbox_isolation', private_to=''), models.UniqueConstraint(fields=('account', 'id'), name='mailbox_account_id'), models.UniqueConstraint(fields=('account', 'channel', 'folder'), name='mailbox_one_per_folder'), conversations.database.guards.SameAccount(field='channel', name='mailbox_channel_same_account')],
            },
        ),
    ]
