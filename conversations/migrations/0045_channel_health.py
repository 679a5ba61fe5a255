import conversations.database.database_time
import conversations.database.guards
import conversations.models.base
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0040_turns'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChannelHealth',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=conversations.database.database_time.now, editable=False)),
                ('sent_at', models.DateTimeField(null=True)),
                ('faults', models.PositiveIntegerField(default=0)),
                ('failing_since', models.DateTimeField(null=True)),
                ('paused_until', models.DateTimeField(null=True)),
                ('problem', models.CharField(blank=True, default='', max_length=500)),
                ('told_at', models.DateTimeField(null=True)),
                ('fetched_at', models.DateTimeField(null=True)),
                ('fetch_problem', models.CharField(blank=True, default='', max_length=500)),
                ('fetch_told_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'channel health',
            },
        ),
        migrations.RemoveConstraint(
            model_name='deliveryattempt',
            name='deliveryattempt_outcome_known',
        ),
        migrations.RemoveConstraint(
            model_name='deliveryattempt',
            name='deliveryattempt_moves',
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='notification_type_known',
        ),
        migrations.AlterField(
            model_name='deliveryattempt',
            name='outcome',
            field=models.CharField(blank=True, choices=[('sent', 'Sent'), ('permanent', 'Permanent'), ('transient', 'Transient'), ('uncertain', 'Uncertain'), ('crashed', 'Crashed'), ('channel', 'Channel')], default='', max_length=20),
        ),
        migrations.AlterField(
            model_name='notification',
            name='type',
            field=models.CharField(choices=[('draft_ready', 'Draft Ready'), ('draft_failed', 'Draft Failed'), ('came_back', 'Came Back'), ('send_failed', 'Send Failed'), ('send_uncertain', 'Send Uncertain'), ('bounced', 'Bounced'), ('job_failed', 'Job Failed'), ('handed_over', 'Handed Over'), ('taken_over', 'Taken Over'), ('asked_for', 'Asked For'), ('source_changed', 'Source Changed'), ('lane_shut', 'Lane Shut'), ('factor_lost', 'Factor Lost'), ('inbound_held', 'Inbound Held'), ('mentioned', 'Mentioned'), ('watched', 'Watched'), ('countersign', 'Countersign'), ('channel_away', 'Channel Away')], max_length=40),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['', 'sent', 'permanent', 'transient', 'uncertain', 'crashed', 'channel'])), name='deliveryattempt_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='deliveryattempt',
            constraint=conversations.database.guards.Transitions(field='outcome', moves={'': ('sent', 'permanent', 'transient', 'uncertain', 'crashed', 'channel')}, name='deliveryattempt_moves'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['draft_ready', 'draft_failed', 'came_back', 'send_failed', 'send_uncertain', 'bounced', 'job_failed', 'handed_over', 'taken_over', 'asked_for', 'source_changed', 'lane_shut', 'factor_lost', 'inbound_held', 'mentioned', 'watched', 'countersign', 'channel_away'])), name='notification_type_known'),
        ),
        migrations.AddField(
            model_name='channelhealth',
            name='account',
            field=models.ForeignKey(db_index=False, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.account'),
        ),
        migrations.AddField(
            model_name='channelhealth',
            name='channel',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='conversations.channel'),
        ),
        migrations.AddConstraint(
            model_name='channelhealth',
            constraint=conversations.database.guards.TenantIsolation(column='account_id', grants=('SELECT', 'INSERT', 'UPDATE', 'DELETE'), name='channelhealth_isolation', private_to=''),
        ),
        migrations.AddConstraint(
            model_name='channelhealth',
            constraint=models.UniqueConstraint(fields=('account', 'id'), name='channelhealth_account_id'),
        ),
        migrations.AddConstraint(
            model_name='channelhealth',
            constraint=models.UniqueConstraint(fields=('account', 'channel'), name='channelhealth_one_per_channel'),
        ),
        migrations.AddConstraint(
            model_name='channelhealth',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('failing_since__isnull', True), ('faults', 0), ('paused_until__isnull', True)), models.Q(('failing_since__isnull', False), ('faults__gt', 0), ('paused_until__isnull', False)), _connector='OR'), name='channelhealth_fails_since_and_until'),
        ),
        migrations.AddConstraint(
            model_name='channelhealth',
            constraint=conversations.database.guards.SameAccount(field='channel', name='channelhealth_channel_same_account'),
        ),
    ]
