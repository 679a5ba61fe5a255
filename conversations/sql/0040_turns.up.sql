-- A question in a chat is worked on by one worker at a time, and is its person's (docs/decisions/0058).

CREATE FUNCTION turn_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT private_to_id, conversation_id INTO NEW.private_to_id, NEW.conversation_id FROM conversations_assistantsession
   WHERE account_id = NEW.account_id AND id = NEW.session_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a turn without a session' USING ERRCODE = 'foreign_key_violation';
  END IF;
  IF NOT EXISTS (SELECT FROM conversations_message
                  WHERE account_id = NEW.account_id AND id = NEW.question_id AND conversation_id = NEW.conversation_id) THEN
    RAISE EXCEPTION 'a turn answers a message of its chat' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

-- What is set aside and used since a moment, by this person and by everybody, and how often this person asked since another
-- one. Numbers only: nobody can count what is private to others by looking.
CREATE FUNCTION assistant_used(since timestamptz, lately timestamptz, OUT own_tokens bigint, OUT all_tokens bigint, OUT own_turns int)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  tenant uuid := nullif(current_setting('app.account_id', true), '')::uuid;
  person uuid := nullif(current_setting('app.user_id', true), '')::uuid;
BEGIN
  SELECT coalesce(sum(t.tokens) FILTER (WHERE t.private_to_id = person AND t.created_at >= since), 0),
         coalesce(sum(t.tokens) FILTER (WHERE t.created_at >= since), 0),
         count(*) FILTER (WHERE t.private_to_id = person AND t.created_at >= lately)
    INTO own_tokens, all_tokens, own_turns
    FROM public.conversations_assistantturn t
   WHERE t.account_id = tenant AND t.created_at >= least(since, lately);
END $$;

-- Turns that lost their worker or their job: which, and whose, so that they can be looked at as their person.
CREATE FUNCTION lost_turns(queued_before timestamptz, leased_before timestamptz) RETURNS TABLE (id uuid, person_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  RETURN QUERY SELECT t.id, t.private_to_id FROM public.conversations_assistantturn t
   WHERE t.account_id = nullif(current_setting('app.account_id', true), '')::uuid
     AND (t.status = 'running' AND t.lease_until < leased_before
          OR t.status = 'queued' AND t.created_at < queued_before)
   ORDER BY t.id;
END $$;

-- As 0029 made it, and: what was written so far goes too, and nobody goes on writing.
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
  UPDATE conversations_assistantturn
     SET text = '', steps = '[]', error = '', lease_until = NULL, ended_at = coalesce(ended_at, clock_timestamp()),
         status = CASE WHEN ended_at IS NULL THEN 'stopped' ELSE status END
   WHERE account_id = account AND conversation_id = ANY (chats);
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

REVOKE EXECUTE ON FUNCTION turn_begins(), assistant_used(timestamptz, timestamptz), lost_turns(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION assistant_used(timestamptz, timestamptz), lost_turns(timestamptz, timestamptz) TO app_rw;
