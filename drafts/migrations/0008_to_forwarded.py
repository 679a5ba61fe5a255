"""Whom a reply to a mail that was passed on goes to is a person's choice, kept with the draft."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('drafts', '0006_holds_and_statements'),
    ]

    operations = [
        migrations.AddField(
            model_name='draft',
            name='to_forwarded',
            field=models.BooleanField(db_default=False, default=False, help_text='A person chose to answer who wrote the mail that was passed on.'),
        ),
    ]
