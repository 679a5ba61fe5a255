"""The texts of an account's configuration file, one after the other."""

import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0040_turns'),
        ('drafts', '0021_acts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ConfigDocument',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('number', models.PositiveIntegerField()),
                ('text', models.TextField()),
                ('sha256', models.CharField(max_length=64)),
                ('origin', models.CharField(choices=[('uploaded', 'Uploaded'), ('exported', 'Written from the desk'), ('adopted', 'Taken from the desk in one place'), ('imported', 'Imported by command')], max_length=20)),
                ('path', models.CharField(blank=True, default='', help_text='The place, where one was taken.', max_length=1200)),
                ('by_name', models.CharField(max_length=120)),
                ('account', models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account')),
            ],
            options={
                'constraints': [conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT'), name='configdocument_isolation', private_to=''), models.UniqueConstraint(fields=('account', 'id'), name='configdocument_account_id'), models.UniqueConstraint(fields=('account', 'number'), name='configdocument_number'), models.CheckConstraint(condition=models.Q(('number__gt', 0)), name='configdocument_counts_from_one'), models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='configdocument_has_text'), models.CheckConstraint(condition=models.Q(('origin__in', ['uploaded', 'exported', 'adopted', 'imported'])), name='configdocument_origin_known'), conversations.database.guards.AppendOnly(erasable=(), name='configdocument_append_only')],
            },
        ),
    ]
