import conversations.database.guards
from django.db import migrations, models

from conversations.database.sqlfiles import run_sql


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0071_stored_files'),
    ]

    operations = [
        run_sql("conversations", "0072_stored_files"),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.Trigger(deferred=False, function='delivery_files', name='delivery_files', when='BEFORE INSERT'),
        ),
        run_sql("conversations", "0072_verdicts"),
        migrations.AddField(
            model_name='attachment',
            name='verdict',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text='That of its bytes (StoredFile).', max_length=10),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=models.CheckConstraint(condition=models.Q(('verdict__in', ['', 'clean', 'infected', 'unknown'])), name='attachment_verdict_known'),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=conversations.database.guards.Trigger(deferred=False, function='attachment_verdict', name='attachment_verdict', when='BEFORE INSERT'),
        ),
        migrations.AddConstraint(
            model_name='storedfile',
            constraint=conversations.database.guards.Trigger(deferred=False, function='storedfile_verdict', name='storedfile_verdict', when='AFTER UPDATE OF verdict'),
        ),
    ]
