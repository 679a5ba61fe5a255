"""Echoes are looked up by the provider's own id of a reply; built while everybody works."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("conversations", "0047_hooks")]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('provider_id', ''), _negated=True), fields=['account', 'provider_id'], name='idx_delivery_provider_id'),
        ),
    ]
