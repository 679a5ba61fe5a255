-- As 0029 made it.
CREATE OR REPLACE FUNCTION empty_chats(account uuid, chats uuid[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  emptied int;
BEGIN
  DELETE FROM conversations_messagevector WHERE account_id = account AND conversation_id = ANY (chats);
  UPDATE conversations_message
     SET body_text = '', body_new = '', body_html = '', subject = '', metadata = '{}', intent = '', sentiment = NULL,
         sentiment_by = '', erased_at = clock_timestamp()
   WHERE account_id = account AND conversation_id = ANY (chats) AND private_to_id IS NOT NULL AND erased_at IS NULL;
  GET DIAGNOSTICS emptied = ROW_COUNT;
  UPDATE conversations_assistantsession
     SET context = '{}', updated_at = clock_timestamp(), closed_at = coalesce(closed_at, clock_timestamp()),
         reason = CASE WHEN closed_at IS NULL THEN 'emptied' ELSE reason END,
         status = CASE WHEN closed_at IS NULL THEN 'completed' ELSE status END
   WHERE account_id = account AND conversation_id = ANY (chats);
  UPDATE conversations_conversation
     SET title = '', subject = '', summary = '', key_topics = '[]', tags = '[]', is_pinned = false, pinned_at = NULL,
         is_favorited = false, is_archived = true, archived_at = clock_timestamp(), forgotten_at = clock_timestamp(),
         updated_at = clock_timestamp()
   WHERE account_id = account AND id = ANY (chats) AND kind = 'assistant';
  RETURN emptied;
END $$;
DROP FUNCTION lost_turns(timestamptz, timestamptz);
DROP FUNCTION assistant_used(timestamptz, timestamptz);
DROP FUNCTION turn_begins();
