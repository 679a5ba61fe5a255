"""What 0029 declared is looked through; deliveries belong to customers' conversations, by a key."""

import conversations.database.guards
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

#: A new column has no statistics: until somebody collects them, the planner takes "is empty" for rare.
MEASURED = "ANALYZE conversations_conversation (private_to_id), conversations_message (private_to_id), conversations_searchwords (private_to_id)"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("conversations", "0030_chat_indexes")]

    operations = [
        ValidateConstraint(model_name="conversation", name="conversation_private_iff_assistant"),
        ValidateConstraint(model_name="conversation", name="conversation_pinned_has_its_time"),
        ValidateConstraint(model_name="message", name="message_sentiment_range"),
        ValidateConstraint(model_name="delivery", name="delivery_conversation_kind_known"),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=conversations.database.guards.OfCustomers(name='delivery_of_customers'),
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='delivery_conversation_same_account',
        ),
        migrations.RunSQL(MEASURED, migrations.RunSQL.noop),
    ]
