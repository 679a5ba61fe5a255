"""The indexes of chats, built while everybody works; nothing of a customer's stands in them but the key of its kind."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("conversations", "0029_private_chats")]

    operations = [
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('is_archived', False), ('kind', 'assistant')), fields=['account', 'private_to', '-last_message_at', '-id'], name='idx_chat_recent'),
        ),
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('is_archived', True), ('kind', 'assistant')), fields=['account', 'private_to', '-last_message_at', '-id'], name='idx_chat_archived'),
        ),
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('is_pinned', True), ('kind', 'assistant')), fields=['account', 'private_to', '-pinned_at'], name='idx_chat_pinned'),
        ),
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('is_favorited', True), ('kind', 'assistant')), fields=['account', 'private_to', '-last_message_at', '-id'], name='idx_chat_favourite'),
        ),
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(condition=models.Q(('kind', 'assistant')), fields=['account', 'private_to', '-created_at'], name='idx_chat_created'),
        ),
        AddIndexConcurrently(
            model_name='searchwords',
            index=django.contrib.postgres.indexes.GinIndex(condition=models.Q(('private_to__isnull', False)), fields=['account', 'private_to', 'words'], name='idx_searchwords_own'),
        ),
        AddIndexConcurrently(
            model_name='conversation',
            index=models.Index(condition=models.Q(('kind', 'customer')), fields=['account', '-last_message_at', '-id'], name='idx_conversation_newest'),
        ),
        RemoveIndexConcurrently(model_name='conversation', name='idx_conversation_recent'),
        migrations.RenameIndex(model_name='conversation', old_name='idx_conversation_newest', new_name='idx_conversation_recent'),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY conversation_account_id_kind ON conversations_conversation (account_id, id, kind)",
                    migrations.RunSQL.noop,
                ),
                migrations.RunSQL(
                    "ALTER TABLE conversations_conversation ADD CONSTRAINT conversation_account_id_kind UNIQUE USING INDEX conversation_account_id_kind",
                    "ALTER TABLE conversations_conversation DROP CONSTRAINT conversation_account_id_kind",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name='conversation',
                    constraint=models.UniqueConstraint(fields=('account', 'id', 'kind'), name='conversation_account_id_kind'),
                ),
            ],
        ),
    ]
