"""No index that a longer one begins with."""

import conversations.models.base
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0020_lighter_writes'),
        ('drafts', '0010_no_stored_report'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='draft',
            name='conversation',
            field=conversations.models.base.TenantForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='drafts', to='conversations.conversation'),
        ),
        migrations.AlterField(
            model_name='draftaction',
            name='user',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='draft_actions', to=settings.AUTH_USER_MODEL),
        ),
    ]
