"""What is owed in a conversation, to whom it belongs, until when it sleeps."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0020_lighter_writes'),
    ]

    operations = [
        migrations.AddField(
            model_name='conversation',
            name='answered_seq',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Messages up to this one were answered or closed.'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='outcome',
            field=models.CharField(blank=True, choices=[('answered_elsewhere', 'Answered elsewhere'), ('not_needed', 'The customer no longer needs it'), ('goes_on', 'Goes on in another conversation'), ('other', 'Something else'), ('quiet', 'Nobody wrote for days')], default='', editable=False, max_length=20),
        ),
        migrations.AddField(
            model_name='conversation',
            name='owed',
            field=models.CharField(blank=True, choices=[('message', 'No reply and no draft yet'), ('draft', 'A draft waits'), ('rejected', 'Draft rejected, no reply yet'), ('promised', 'Promised a colleague'), ('note', 'To do'), ('reopened', 'Reopened'), ('writing', 'A reply was begun'), ('leaving', 'Reply on its way'), ('unsent', 'Approved, waits for Send'), ('failed', 'Delivery failed'), ('uncertain', 'Delivery uncertain'), ('bounced', 'Reply came back')], default='', editable=False, max_length=20),
        ),
        migrations.AddField(
            model_name='conversation',
            name='owed_note',
            field=models.CharField(blank=True, default='', help_text='What is to be done, in the words of who said so.', max_length=200),
        ),
        migrations.AddField(
            model_name='conversation',
            name='owner',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Who sees to it; nobody: whoever comes first.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='conversation',
            name='snoozed_until',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='due_at',
            field=models.DateTimeField(help_text='When what we owe is due; nothing owed, no time.', null=True),
        ),
        migrations.AlterField(
            model_name='conversation',
            name='status',
            field=models.CharField(choices=[('open', 'To answer'), ('pending', 'Waiting'), ('closed', 'Closed')], default='pending', max_length=20),
        ),
        migrations.AddField(
            model_name='delivery',
            name='owed_before',
            field=models.JSONField(blank=True, db_default={}, default=dict, help_text='What was owed when it was approved: owed again if it is taken back.'),
        ),
    ]
