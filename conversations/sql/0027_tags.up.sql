-- The tags that stood in conversations as words become the account's list and links to it: the same word, however it is
-- written, is one tag.
INSERT INTO conversations_tag (id, created_at, account_id, name, colour, is_retired)
SELECT gen_random_uuid(), now(), account_id, min(name), 'grey', false
  FROM (SELECT account_id, left(btrim(word), 40) AS name
          FROM conversations_conversation, jsonb_array_elements_text(CASE jsonb_typeof(tags) WHEN 'array' THEN tags ELSE '[]' END) word) words
 WHERE name <> '' GROUP BY account_id, lower(name);
INSERT INTO conversations_conversationtag (id, created_at, account_id, conversation_id, tag_id)
SELECT DISTINCT ON (c.id, t.id) gen_random_uuid(), now(), c.account_id, c.id, t.id
  FROM conversations_conversation c
 CROSS JOIN jsonb_array_elements_text(CASE jsonb_typeof(tags) WHEN 'array' THEN tags ELSE '[]' END) word
  JOIN conversations_tag t ON lower(t.name) = lower(left(btrim(word), 40))
 WHERE t.account_id = c.account_id;
UPDATE conversations_conversation SET tags = '[]' WHERE tags <> '[]';
