import conversations.database.guards
from django.db import migrations

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
    ]
