-- As 0005 made them, with the words of what is there.
CREATE FUNCTION message_words() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM public.conversations_messagewords WHERE account_id = OLD.account_id AND message_id = OLD.id;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  IF NEW.erased_at IS NULL AND NEW.withdrawn_at IS NULL THEN
    INSERT INTO public.conversations_messagewords (id, account_id, message_id, conversation_id, sent_at, words)
    VALUES (
      NEW.id, NEW.account_id, NEW.id, NEW.conversation_id, NEW.received_at,
      -- Names and codes as they are, words by their stems. A tsvector holds at most 1 MB.
      to_tsvector('simple', left(NEW.subject || ' ' || NEW.body_text, 100000))
        || to_tsvector('english', left(NEW.subject || ' ' || NEW.body_text, 100000))
    );
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER message_words AFTER INSERT OR DELETE ON conversations_message
  FOR EACH ROW EXECUTE FUNCTION message_words();
CREATE TRIGGER message_words_changed AFTER UPDATE OF subject, body_text, erased_at, withdrawn_at ON conversations_message
  FOR EACH ROW EXECUTE FUNCTION message_words();

-- Under row-level security no full-text condition can use an index (@@ is not leakproof), so the search pins the tenant
-- itself: the function runs as the owner, reads the caller's tenant setting and nothing else decides what it sees.
CREATE FUNCTION search_messages(question tsquery, before timestamptz, most int)
RETURNS TABLE (message_id uuid, conversation_id uuid, sent_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT w.message_id, w.conversation_id, w.sent_at
    FROM public.conversations_messagewords w
   WHERE w.account_id = nullif(current_setting('app.account_id', true), '')::uuid
     AND w.words @@ question AND (before IS NULL OR w.sent_at < before)
   ORDER BY w.sent_at DESC, w.id DESC LIMIT most
$$;

REVOKE EXECUTE ON FUNCTION message_words(), search_messages(tsquery, timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_messages(tsquery, timestamptz, int) TO app_rw;

INSERT INTO conversations_messagewords (id, account_id, message_id, conversation_id, sent_at, words)
SELECT m.id, m.account_id, m.id, m.conversation_id, m.received_at,
       to_tsvector('simple', left(m.subject || ' ' || m.body_text, 100000))
         || to_tsvector('english', left(m.subject || ' ' || m.body_text, 100000))
  FROM conversations_message m WHERE m.erased_at IS NULL AND m.withdrawn_at IS NULL;
