"""Who writes to an account: customers and their addresses, made from the messages that are there."""

import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from conversations.channels.addresses import normal_address
from conversations.database.sqlfiles import run_sql


def spell(apps, schema_editor):
    """Addresses that are more than letters, digits and dots (other scripts, quotes) get their normal form here."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT written FROM spelling WHERE address IS NULL")
        written = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "UPDATE spelling s SET address = n.address FROM unnest(%s::text[], %s::text[]) AS n (written, address)"
            " WHERE s.written = n.written",
            [written, [normal_address(one) for one in written]],
        )


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0024_setup'),
    ]

    operations = [
        migrations.CreateModel(
            name='Customer',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('name', models.CharField(blank=True, default='', max_length=200)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
            ],
        ),
        migrations.CreateModel(
            name='CustomerAddress',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('address', models.CharField(max_length=320)),
                ('name', models.CharField(blank=True, default='', help_text='As it first stood beside the address.', max_length=200)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('channel', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, help_text='The one whose name for them this is; none for a mail address.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel')),
                ('customer', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='addresses', to='conversations.customer')),
            ],
        ),
        migrations.CreateModel(
            name='AddressMove',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('act_id', models.UUIDField()),
                ('by_name', models.CharField(max_length=200)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
                ('came_from', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.customer')),
                ('went_to', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.customer')),
                ('address', conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='moves', to='conversations.customeraddress')),
            ],
        ),
        migrations.AddField(
            model_name='conversation',
            name='customer_address',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, editable=False, help_text='Who opened it, or whom we opened it to: where the answers go.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='conversations', to='conversations.customeraddress'),
        ),
        migrations.AddField(
            model_name='message',
            name='writer',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, editable=False, help_text='The customer who wrote it, by the address that is answered; none for what we wrote.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='messages', to='conversations.customeraddress'),
        ),
        migrations.AddConstraint(
            model_name='customer',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='customer_isolation'),
        ),
        migrations.AddConstraint(
            model_name='customer',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='customer_account_id'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(condition=models.Q(('name', ''), _negated=True), fields=['account', 'name'], name='idx_customer_name'),
        ),
        migrations.AddIndex(
            model_name='customeraddress',
            index=models.Index(fields=['customer'], name='idx_customeraddress_customer'),
        ),
        migrations.AddConstraint(
            model_name='customeraddress',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='customeraddress_isolation'),
        ),
        migrations.AddConstraint(
            model_name='customeraddress',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='customeraddress_account_id'),
        ),
        migrations.AddConstraint(
            model_name='customeraddress',
            constraint=models.UniqueConstraint(fields=('account', 'address', 'channel'), name='customeraddress_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='customeraddress',
            constraint=models.CheckConstraint(condition=models.Q(('address', ''), _negated=True), name='customeraddress_is_some'),
        ),
        migrations.AddConstraint(
            model_name='customeraddress',
            constraint=conversations.database.guards.SameAccount(field='customer', name='customeraddress_customer_same_account'),
        ),
        migrations.AddConstraint(
            model_name='customeraddress',
            constraint=conversations.database.guards.SameAccount(field='channel', name='customeraddress_channel_same_account'),
        ),
        migrations.AddIndex(
            model_name='addressmove',
            index=models.Index(fields=['address', '-id'], name='idx_addressmove_address'),
        ),
        migrations.AddIndex(
            model_name='addressmove',
            index=models.Index(fields=['came_from', '-id'], name='idx_addressmove_from'),
        ),
        migrations.AddIndex(
            model_name='addressmove',
            index=models.Index(fields=['went_to', '-id'], name='idx_addressmove_to'),
        ),
        migrations.AddConstraint(
            model_name='addressmove',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'DELETE'), name='addressmove_isolation'),
        ),
        migrations.AddConstraint(
            model_name='addressmove',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='addressmove_account_id'),
        ),
        migrations.AddConstraint(
            model_name='addressmove',
            constraint=models.CheckConstraint(condition=models.Q(('came_from', models.F('went_to')), _negated=True), name='addressmove_of_two'),
        ),
        migrations.AddConstraint(
            model_name='addressmove',
            constraint=conversations.database.guards.SameAccount(field='address', name='addressmove_address_same_account'),
        ),
        migrations.AddConstraint(
            model_name='addressmove',
            constraint=conversations.database.guards.SameAccount(field='came_from', name='addressmove_from_same_account'),
        ),
        migrations.AddConstraint(
            model_name='addressmove',
            constraint=conversations.database.guards.SameAccount(field='went_to', name='addressmove_to_same_account'),
        ),
        run_sql("conversations", "0025_heard"),
        migrations.RunPython(spell, migrations.RunPython.noop),
        run_sql("conversations", "0025_customers"),
    ]
