"""A saved view can be shared with the account."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('drafts', '0013_nobody_is_forgotten'),
    ]

    operations = [
        migrations.AddField(
            model_name='savedview',
            name='is_shared',
            field=models.BooleanField(db_default=False, default=False, help_text='Everybody in the account finds it.'),
        ),
    ]
