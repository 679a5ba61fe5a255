"""No lane for drafts that have nothing in common; one that is open is shut, and people decide such drafts again."""

from django.db import migrations, models

# The owner is under the tenants' policy too; for this one statement it is not.
SHUT = """
ALTER TABLE drafts_lane NO FORCE ROW LEVEL SECURITY;
UPDATE drafts_lane SET state = 'shut', reason = 'drafts without a topic of their own are always decided by people'
 WHERE state = 'open' AND intent IN ('', 'other');
ALTER TABLE drafts_lane FORCE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('drafts', '0008_to_forwarded'),
    ]

    operations = [
        migrations.RunSQL(SHUT, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='lane',
            constraint=models.CheckConstraint(condition=models.Q(('intent__in', ['', 'other']), ('state', 'open'), _negated=True), name='lane_has_a_topic'),
        ),
    ]
