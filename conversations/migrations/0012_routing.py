from django.db import migrations, models

from conversations.database.guards import Trigger
from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):
    dependencies = [("conversations", "0011_second_factor")]
    operations = [
        run_sql("conversations", "0012_routing"),
        migrations.AddConstraint(
            model_name="channel",
            constraint=Trigger(
                name="channel_claims",
                when="BEFORE INSERT OR UPDATE OF external_id, metadata, is_active, type",
                function="channel_claims",
            ),
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='notification_type_known',
        ),
        migrations.AlterField(
            model_name='notification',
            name='type',
            field=models.CharField(choices=[('draft_ready', 'Draft Ready'), ('draft_failed', 'Draft Failed'), ('came_back', 'Came Back'), ('send_failed', 'Send Failed'), ('send_uncertain', 'Send Uncertain'), ('bounced', 'Bounced'), ('job_failed', 'Job Failed'), ('handed_over', 'Handed Over'), ('taken_over', 'Taken Over'), ('asked_for', 'Asked For'), ('source_changed', 'Source Changed'), ('lane_shut', 'Lane Shut'), ('inbound_held', 'Inbound Held')], max_length=40),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['draft_ready', 'draft_failed', 'came_back', 'send_failed', 'send_uncertain', 'bounced', 'job_failed', 'handed_over', 'taken_over', 'asked_for', 'source_changed', 'lane_shut', 'inbound_held'])), name='notification_type_known'),
        ),
    
    ]
