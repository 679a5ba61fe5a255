-- What an assistant proposes: whose it may be, that what was shown stays, that what was done has its receipt.

-- An action belongs to an open chat of whoever this transaction names: row-level security shows no other.
CREATE FUNCTION action_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> 'proposed' THEN
    RAISE EXCEPTION 'an action begins as proposed' USING ERRCODE = 'check_violation';
  END IF;
  SELECT s.private_to_id INTO NEW.owner_id FROM conversations_assistantsession s
    JOIN conversations_message m ON m.account_id = s.account_id AND m.conversation_id = s.conversation_id
   WHERE s.account_id = NEW.account_id AND s.id = NEW.session_id AND m.id = NEW.message_id
     AND s.status IN ('active', 'awaiting_confirmation');
  IF NOT FOUND THEN
    RAISE EXCEPTION 'an action without an open chat and a message of it' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

-- What was on the screen is what was decided. An erasure may empty it: all but the skeleton.
CREATE FUNCTION action_stays_as_shown() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moving text[] := '{status,fence,seen_ms,confirmed_at,confirmed_by_id,confirmed_name,confirm_request,second_at,second_by_id,second_name,'
    || 'second_request,ended_at,rejected_by_id,rejected_name,reason,said,found}';
  erasable text[] := '{arguments,precondition,effect,arguments_sha256,precondition_sha256,effect_sha256}';
  col text;
BEGIN
  -- A person who goes leaves their name; whose it was is not given to another.
  IF NEW.owner_id IS NULL THEN
    moving := moving || 'owner_id'::text;
  END IF;
  IF to_jsonb(OLD) - moving - erasable <> to_jsonb(NEW) - moving - erasable THEN
    RAISE EXCEPTION 'an action stays as it was shown' USING ERRCODE = 'check_violation';
  END IF;
  FOREACH col IN ARRAY erasable LOOP
    IF to_jsonb(NEW) -> col NOT IN ('""'::jsonb, '{}'::jsonb, '[]'::jsonb)
       AND to_jsonb(NEW) -> col IS DISTINCT FROM to_jsonb(OLD) -> col THEN
      RAISE EXCEPTION 'an action stays as it was shown: % can only be erased', col USING ERRCODE = 'check_violation';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;

-- A chat waits while one of its actions does. A second person does not see the chat that they move.
CREATE FUNCTION action_moves_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  wanted text;
BEGIN
  SELECT CASE WHEN EXISTS (SELECT FROM public.conversations_proposedaction a
                            WHERE a.account_id = NEW.account_id AND a.session_id = NEW.session_id
                              AND a.status IN ('proposed', 'confirmed'))
              THEN 'awaiting_confirmation' ELSE 'active' END INTO wanted;
  UPDATE public.conversations_assistantsession
     SET status = wanted, updated_at = clock_timestamp()
   WHERE account_id = NEW.account_id AND id = NEW.session_id AND status IN ('active', 'awaiting_confirmation')
     AND status <> wanted;
  RETURN NULL;
END $$;

-- Whatever ends a chat ends what waits in it. The verbs do so first, with an event for each.
CREATE FUNCTION session_ends_its_actions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversations_proposedaction
     SET status = 'expired', reason = 'session_ended', ended_at = clock_timestamp()
   WHERE account_id = NEW.account_id AND session_id = NEW.id AND status IN ('proposed', 'confirmed')
     AND NEW.status IN ('completed', 'expired');
  RETURN NULL;
END $$;

CREATE FUNCTION action_has_its_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status = 'executed' AND NOT EXISTS (
       SELECT FROM conversations_actionreceipt r WHERE r.account_id = NEW.account_id AND r.action_id = NEW.id) THEN
    RAISE EXCEPTION 'an action that was carried out has a receipt' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION action_moves_session() FROM PUBLIC;
