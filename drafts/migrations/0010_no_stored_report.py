"""What personal data a correction holds is found when it is exported, by the rules of that day."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('drafts', '0009_lanes_have_a_topic'),
    ]

    operations = [
        migrations.RemoveField(model_name='learningsample', name='redaction_report'),
    ]
