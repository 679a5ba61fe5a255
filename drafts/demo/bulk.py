"""Many conversations with one inbound and one draft each, written by the database in bulk: for load, not for looks.

One statement after the other, because the trigger that numbers messages updates the conversations that are there.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import connection

from conversations.tenancy import tenant_context

CUSTOMERS = """
INSERT INTO conversations_customer (id, account_id, name)
SELECT md5(%(account)s::text || 'p' || n)::uuid, %(account)s, 'Customer ' || n FROM generate_series(1, %(size)s) n
ON CONFLICT DO NOTHING
"""
#: The next batch is of the same people.
ADDRESSES = """
INSERT INTO conversations_customeraddress (id, account_id, customer_id, address, name)
SELECT md5(%(account)s::text || 'a' || n)::uuid, %(account)s, md5(%(account)s::text || 'p' || n)::uuid, 'customer' || n || '@example.com',
    'Customer ' || n
FROM generate_series(1, %(size)s) n ON CONFLICT DO NOTHING
"""
CONVERSATIONS = """
INSERT INTO conversations_conversation (id, account_id, number, kind, channel_id, external_id, subject, title, summary,
    status, customer_email, customer_name, key_topics, tags, last_seq, message_count, user_message_count,
    ai_message_count, is_archived, is_pinned, is_favorited, started_at, created_at, updated_at, due_at,
    completed_at, owed, owed_note, outcome, customer_address_id)
SELECT md5(%(batch)s || 'c' || n)::uuid, %(account)s, %(base)s + n, 'customer', %(channel)s, 'bulk-' || %(batch)s || n,
    'Question ' || n, 'Question ' || n, '', CASE WHEN n %% %(pending)s = 0 THEN 'open' ELSE 'closed' END,
    'customer' || n || '@example.com', 'Customer ' || n, '[]', '[]', 0, 0, 0, 0, false, false, false,
    at, at, at, CASE WHEN n %% %(pending)s = 0 THEN at + interval '4 hours' END,
    CASE WHEN n %% %(pending)s <> 0 THEN at END, CASE WHEN n %% %(pending)s = 0 THEN 'draft' ELSE '' END, '', '',
    md5(%(account)s::text || 'a' || n)::uuid
FROM (SELECT n, now() - (%(size)s - n) * interval '20 seconds' AS at FROM generate_series(1, %(size)s) n) x
"""
MESSAGES = """
INSERT INTO conversations_message (id, account_id, conversation_id, channel_id, seq, external_id, direction, role,
    subject, body_text, body_new, body_html, content_sha256, sent_at, received_at, metadata, intent, model_used,
    is_automatic, created_at, writer_id)
SELECT md5(%(batch)s || 'm' || n)::uuid, %(account)s, md5(%(batch)s || 'c' || n)::uuid, %(channel)s, 0,
    'bulk-' || %(batch)s || n, 'inbound', 'user', 'Question ' || n, body, body, '', md5(body), at, at, '{}', '', '',
    false, at, md5(%(account)s::text || 'a' || n)::uuid
FROM (SELECT n, now() - (%(size)s - n) * interval '20 seconds' AS at, 'Does the -' || (n %% 20) || ' hose number ' || n ||
    ' work with E85, and which ends do I need for it? I am on a deadline for a race weekend.' AS body
    FROM generate_series(1, %(size)s) n) x
"""
DRAFTS = """
INSERT INTO drafts_draft (id, account_id, conversation_id, base_message_id, trigger_message_id, model_key, prompt_label,
    status, version, suggested_text, suggested_html, top_sources, statements, checks, unsourced_count, is_about_money,
    confidence, confidence_reasons, intent, needs_human, error, is_canary, canary_defect, language, due_at, created_at, updated_at)
SELECT md5(%(batch)s || 'd' || n)::uuid, %(account)s, md5(%(batch)s || 'c' || n)::uuid, md5(%(batch)s || 'm' || n)::uuid,
    md5(%(batch)s || 'm' || n)::uuid, 'bulk', 'reply-v1', CASE WHEN n %% %(pending)s = 0 THEN 'pending' ELSE 'expired' END,
    0, 'Hi Customer ' || n || ', PTFE hose is safe with E85. Best regards', '', '[]', '[]', '[]', 0, false, 0.8, '[]',
    'compatibility', '[]', '', false, '', 'en', at + interval '4 hours', at, at
FROM (SELECT n, now() - (%(size)s - n) * interval '20 seconds' AS at FROM generate_series(1, %(size)s) n) x
"""


def add_conversations(*, account_id: uuid.UUID, channel_id: uuid.UUID, size: int, pending_every: int = 10) -> int:
    """Add `size` conversations; one in `pending_every` has a pending draft. Returns how many were added."""
    with tenant_context(account_id), connection.cursor() as cursor:
        # A foreign key's check keeps the plan of its first rows, and on an empty table that plan reads the whole table.
        cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [str(account_id)])
        cursor.execute(
            "SELECT coalesce(max(number), 0) FROM conversations_conversation WHERE account_id = %s", [account_id]
        )
        values: dict[str, Any] = {
            "account": account_id,
            "channel": channel_id,
            "batch": uuid.uuid4().hex,
            "base": cursor.fetchone()[0],
            "size": size,
            "pending": pending_every,
        }
        cursor.execute("SET LOCAL statement_timeout = 0")
        for statement in (CUSTOMERS, ADDRESSES, CONVERSATIONS, MESSAGES, DRAFTS):
            cursor.execute(statement, values)
    return size
