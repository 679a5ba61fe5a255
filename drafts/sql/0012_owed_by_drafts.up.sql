-- What drafts know of it: one that was rejected is owed under that name, one that waits is owed, and sleeps with its conversation.
UPDATE conversations_conversation c SET owed = 'rejected'
  FROM (SELECT DISTINCT ON (conversation_id) conversation_id, status FROM drafts_draft ORDER BY conversation_id, id DESC) d
 WHERE d.conversation_id = c.id AND c.owed = 'message' AND d.status = 'rejected';
UPDATE conversations_conversation c SET status = 'open', due_at = coalesce(c.due_at, d.due_at), completed_at = NULL, outcome = '',
    owed = CASE WHEN c.owed IN ('', 'message') THEN 'draft' ELSE c.owed END
  FROM drafts_draft d WHERE d.conversation_id = c.id AND d.status = 'pending';
UPDATE conversations_conversation c SET snoozed_until = d.snoozed_until
  FROM drafts_draft d WHERE d.conversation_id = c.id AND d.status = 'pending' AND d.snoozed_until IS NOT NULL;
