from conversations.database.sqlfiles import run_sql
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0010_signin'),
        ('mfa', '0003_authenticator_type_uniq'),
    ]

    operations = [run_sql("conversations", "0011_second_factor")]
