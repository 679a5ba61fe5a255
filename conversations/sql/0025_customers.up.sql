-- One customer for each address: that two of them are one person is for people to say.
CREATE TEMP TABLE identity ON COMMIT DROP AS
SELECT gen_random_uuid() AS id, gen_random_uuid() AS customer_id, account_id, channel_id, address, min(seen) AS seen,
       coalesce((array_agg(name ORDER BY seen) FILTER (WHERE name <> ''))[1], '') AS name
  FROM (SELECT h.account_id, CASE WHEN s.address = '' THEN h.channel_id END AS channel_id,
               CASE WHEN s.address = '' THEN left(btrim(h.written), 320) ELSE s.address END AS address, left(h.name, 200) AS name, h.seen
          FROM heard h JOIN spelling s USING (written)) AS each
 GROUP BY account_id, channel_id, address;
ANALYZE identity;

INSERT INTO conversations_customer (id, created_at, account_id, name)
SELECT customer_id, seen, account_id, name FROM identity;
INSERT INTO conversations_customeraddress (id, created_at, account_id, customer_id, channel_id, address, name)
SELECT id, seen, account_id, customer_id, channel_id, address, name FROM identity;

CREATE TEMP TABLE wrote ON COMMIT DROP AS
SELECT h.message_id, h.conversation_id, h.seq, h.is_automatic, i.id AS address_id
  FROM heard h JOIN spelling s USING (written)
  JOIN identity i ON i.account_id = h.account_id AND i.channel_id IS NOT DISTINCT FROM CASE WHEN s.address = '' THEN h.channel_id END
   AND i.address = CASE WHEN s.address = '' THEN left(btrim(h.written), 320) ELSE s.address END;
UPDATE conversations_message m SET writer_id = w.address_id FROM wrote w WHERE w.message_id = m.id;
-- A conversation is of who opened it: a person, where one wrote at all.
UPDATE conversations_conversation c SET customer_address_id = w.address_id
  FROM (SELECT DISTINCT ON (conversation_id) conversation_id, address_id FROM wrote ORDER BY conversation_id, is_automatic, seq) w
 WHERE w.conversation_id = c.id;
