"""A draft and what is learned from it belong to a customer's conversation, by a key: never to a private chat."""

import conversations.database.guards
import conversations.models.base
from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("conversations", "0031_of_customers"), ("drafts", "0015_shared_views")]

    operations = [
        migrations.AddField(
            model_name='draft',
            name='conversation_kind',
            field=conversations.models.base.OfKind(db_default='customer', default='customer', editable=False, max_length=20),
        ),
        migrations.AddField(
            model_name='learningsample',
            name='conversation_kind',
            field=conversations.models.base.OfKind(db_default='customer', default='customer', editable=False, max_length=20),
        ),
        AddConstraintNotValid(
            model_name='draft',
            constraint=models.CheckConstraint(condition=models.Q(('conversation_kind__in', ['customer'])), name='draft_conversation_kind_known'),
        ),
        AddConstraintNotValid(
            model_name='learningsample',
            constraint=models.CheckConstraint(condition=models.Q(('conversation_kind__in', ['customer'])), name='learningsample_conversation_kind_known'),
        ),
        ValidateConstraint(model_name="draft", name="draft_conversation_kind_known"),
        ValidateConstraint(model_name="learningsample", name="learningsample_conversation_kind_known"),
        migrations.AddConstraint(
            model_name='draft',
            constraint=conversations.database.guards.OfCustomers(name='draft_of_customers'),
        ),
        migrations.AddConstraint(
            model_name='learningsample',
            constraint=conversations.database.guards.OfCustomers(name='learningsample_of_customers'),
        ),
        migrations.RemoveConstraint(
            model_name='draft',
            name='draft_conversation_same_account',
        ),
        migrations.RemoveConstraint(
            model_name='learningsample',
            name='learningsample_conversation_same_account',
        ),
    ]
