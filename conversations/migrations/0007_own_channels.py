import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from conversations.database.sqlfiles import run_sql
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0006_live'),
    ]

    operations = [
        migrations.CreateModel(
            name='MembershipChannel',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('channel', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel')),
                ('membership', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='own_channels', to='conversations.membership')),
            ],
            options={
                'constraints': [conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='membershipchannel_isolation'), models.UniqueConstraint(fields=('account', 'id'), name='membershipchannel_account_id'), models.UniqueConstraint(fields=('account', 'membership', 'channel'), name='membershipchannel_once'), conversations.database.guards.SameAccount(field='membership', name='membershipchannel_membership_same_account'), conversations.database.guards.SameAccount(field='channel', name='membershipchannel_channel_same_account')],
            },
        ),
        run_sql("conversations", "0007_own_channels"),
    ]
