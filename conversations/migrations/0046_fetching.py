import conversations.database.encryption
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0045_channel_health'),
    ]

    operations = [
        migrations.AddField(
            model_name='channel',
            name='incoming_credentials',
            field=conversations.database.encryption.EncryptedTextField(blank=True, db_default='', default='', help_text='Secret for fetching; empty: the same as for sending.'),
        ),
    ]
