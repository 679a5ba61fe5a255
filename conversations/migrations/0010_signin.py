import conversations.models.base
import datetime
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0009_proven_addresses'),
    ]

    operations = [
        migrations.CreateModel(
            name='FactorReset',
            fields=[
                ('id', models.UUIDField(default=conversations.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False)),
                ('proved_at', models.DateTimeField(null=True)),
                ('ready_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(choices=[('open', 'Open'), ('cancelled', 'Cancelled'), ('done', 'Done'), ('lapsed', 'Lapsed')], default='open', max_length=20)),
            ],
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('key', models.CharField(help_text='A keyed hash: no address stands here readable.', max_length=64, primary_key=True, serialize=False)),
                ('count', models.PositiveIntegerField()),
                ('until', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='notification_type_known',
        ),
        migrations.AlterField(
            model_name='notification',
            name='type',
            field=models.CharField(choices=[('draft_ready', 'Draft Ready'), ('draft_failed', 'Draft Failed'), ('came_back', 'Came Back'), ('send_failed', 'Send Failed'), ('send_uncertain', 'Send Uncertain'), ('bounced', 'Bounced'), ('job_failed', 'Job Failed'), ('handed_over', 'Handed Over'), ('taken_over', 'Taken Over'), ('asked_for', 'Asked For'), ('source_changed', 'Source Changed'), ('lane_shut', 'Lane Shut'), ('factor_lost', 'Factor Lost')], max_length=40),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['draft_ready', 'draft_failed', 'came_back', 'send_failed', 'send_uncertain', 'bounced', 'job_failed', 'handed_over', 'taken_over', 'asked_for', 'source_changed', 'lane_shut', 'factor_lost'])), name='notification_type_known'),
        ),
        migrations.AddField(
            model_name='factorreset',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='factorreset',
            constraint=models.UniqueConstraint(condition=models.Q(('outcome', 'open')), fields=('user',), name='factorreset_one_open'),
        ),
        migrations.AddConstraint(
            model_name='factorreset',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['open', 'cancelled', 'done', 'lapsed'])), name='factorreset_outcome_known'),
        ),
        migrations.AddConstraint(
            model_name='factorreset',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('outcome', 'open')), models.Q(models.Q(('outcome', 'open'), _negated=True), ('ended_at__isnull', False)), _connector='OR'), name='factorreset_ended_when_not_open'),
        ),
        migrations.AddConstraint(
            model_name='factorreset',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('proved_at__isnull', True), ('ready_at__isnull', True)), models.Q(('proved_at__isnull', False), ('ready_at__gte', django.db.models.expressions.CombinedExpression(models.F('proved_at'), '+', models.Value(datetime.timedelta(days=1)))), ('ready_at__isnull', False)), _connector='OR'), name='factorreset_waits_after_proof'),
        ),
        migrations.AddConstraint(
            model_name='factorreset',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'done'), _negated=True), models.Q(('ended_at__gte', models.F('ready_at')), ('ready_at__isnull', False)), _connector='OR'), name='factorreset_done_after_the_wait'),
        ),
    ]
