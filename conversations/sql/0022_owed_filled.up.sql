-- What is owed in the conversations that are there: as far as messages and deliveries tell. The customer's newest message
-- without a reply after it is owed an answer; a delivery that failed is owed again; a closed one closed when it last changed.
UPDATE conversations_conversation SET answered_seq = last_seq WHERE kind = 'customer' AND status <> 'open';
UPDATE conversations_conversation SET completed_at = CASE WHEN status = 'closed' THEN coalesce(completed_at, updated_at) END
 WHERE kind = 'customer';
UPDATE conversations_conversation c SET status = 'open', owed = d.status
  FROM (SELECT DISTINCT ON (conversation_id) conversation_id, status FROM conversations_delivery ORDER BY conversation_id, id DESC) d
 WHERE d.conversation_id = c.id AND c.kind = 'customer' AND c.status = 'pending' AND d.status IN ('failed', 'uncertain', 'bounced');
UPDATE conversations_conversation c SET owed = CASE
    WHEN d.status IN ('failed', 'uncertain', 'bounced') THEN d.status
    WHEN d.status = 'held' AND d.hold_until > now() + interval '1 hour' THEN 'unsent'
    WHEN d.status IN ('held', 'queued', 'sending') THEN 'leaving'
    ELSE 'message' END
  FROM conversations_conversation o
  LEFT JOIN LATERAL (SELECT v.status, v.hold_until FROM conversations_delivery v WHERE v.conversation_id = o.id
                      ORDER BY v.id DESC LIMIT 1) d ON true
 WHERE o.id = c.id AND c.kind = 'customer' AND c.status = 'open' AND c.owed = '' AND c.last_inbound_message_id IS NOT NULL;
UPDATE conversations_conversation SET status = 'pending' WHERE kind = 'customer' AND status = 'open' AND owed = '';
UPDATE conversations_conversation
   SET due_at = CASE WHEN status = 'open' THEN coalesce(due_at, now() + interval '4 hours') END WHERE kind = 'customer';
