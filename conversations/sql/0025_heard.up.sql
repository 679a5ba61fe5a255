-- Who wrote each message, as `conversations.customers.identity` says: whom Reply-To names (not ourselves), else the sender,
-- else the conversation's customer. These two tables live as long as the migration.
CREATE TEMP TABLE heard ON COMMIT DROP AS
SELECT m.id AS message_id, m.account_id, m.conversation_id, c.channel_id, m.seq, m.is_automatic, m.received_at AS seen,
       coalesce(asked.address, nullif(m.metadata ->> 'sender', ''), c.customer_email) AS written,
       CASE WHEN asked.address IS NULL AND coalesce(m.metadata ->> 'sender', '') = '' THEN c.customer_name
            WHEN asked.address IS NULL OR lower(asked.address) = lower(m.metadata ->> 'sender')
            THEN coalesce(nullif(asked.name, ''), m.metadata ->> 'sender_name', '')
            ELSE asked.name END AS name
  FROM conversations_message m
  JOIN conversations_conversation c ON c.id = m.conversation_id
  LEFT JOIN conversations_channel h ON h.id = c.channel_id
  LEFT JOIN LATERAL (
    SELECT p ->> 'address' AS address, coalesce(p ->> 'name', '') AS name
      FROM jsonb_array_elements(CASE WHEN m.metadata ? 'answer_to' THEN m.metadata -> 'answer_to'
                                     ELSE jsonb_build_array(jsonb_build_object('address', m.metadata -> 'reply_to')) END)
           WITH ORDINALITY AS each (p, n)
     WHERE p ->> 'address' <> ''
       AND lower(p ->> 'address') NOT IN (lower(coalesce(h.metadata ->> 'address', '')), lower(h.external_id))
     ORDER BY lower(p ->> 'address') = lower(coalesce(m.metadata ->> 'sender', '')) DESC, n LIMIT 1
  ) asked ON m.metadata ?| ARRAY['answer_to', 'reply_to']
 WHERE m.direction = 'inbound' AND c.kind = 'customer' AND coalesce(m.metadata ->> 'automatic', '') <> 'own';

INSERT INTO heard (account_id, conversation_id, channel_id, seq, is_automatic, seen, written, name)
SELECT c.account_id, c.id, c.channel_id, 0, true, c.started_at, c.customer_email, c.customer_name
  FROM conversations_conversation c
 WHERE c.kind = 'customer' AND NOT EXISTS (SELECT FROM conversations_message m WHERE m.conversation_id = c.id AND m.direction = 'inbound');

-- One normal form for each spelling: '' for what is no mail address, NULL for what is left to `normal_address`.
CREATE TEMP TABLE spelling ON COMMIT DROP AS
SELECT written, CASE
         WHEN written ~ '^[\w!#$%&''*+/=?^`{|}~-]+(\.[\w!#$%&''*+/=?^`{|}~-]+)*@[\w-]+(\.[\w-]+)*$' AND written ~ '^[\x21-\x7e]{3,200}$'
         THEN lower(written)
         WHEN written !~ '@' THEN '' END AS address
  FROM (SELECT DISTINCT written FROM heard) AS all_of_them WHERE btrim(written) <> '';
ANALYZE heard, spelling;
