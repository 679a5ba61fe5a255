-- Practice (docs/decisions/0065): whose it is says its session; what was decided stays; what is erased goes everywhere.

-- A scenario that is ready, or was, keeps its texts; an erasure may empty them.
CREATE FUNCTION scenario_stays_as_set() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  free text[] := ARRAY['status', 'updated_at', 'written_by_id'];
BEGIN
  IF NEW.erased_at IS NOT NULL AND OLD.erased_at IS NULL THEN
    IF NEW.title || NEW.persona_name || NEW.persona || NEW.subject || NEW.opening || NEW.goal <> ''
       OR NEW.facts <> '[]' OR NEW.rubric <> '[]' THEN
      RAISE EXCEPTION 'an erased scenario is empty' USING ERRCODE = 'check_violation';
    END IF;
  ELSIF OLD.status <> 'draft' AND to_jsonb(OLD) - free <> to_jsonb(NEW) - free THEN
    RAISE EXCEPTION 'a scenario that was set ready is not changed' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

-- A turn and a score are of a practice, and their trainee's, whatever the caller says.
CREATE FUNCTION practice_is_its_persons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT private_to_id INTO NEW.private_to_id FROM conversations_assistantsession
   WHERE account_id = NEW.account_id AND id = NEW.session_id AND context_type = 'practice';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such practice' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION practice_turn_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT s.private_to_id INTO NEW.private_to_id FROM conversations_assistantsession s
    JOIN conversations_message m ON m.account_id = s.account_id AND m.conversation_id = s.conversation_id
   WHERE s.account_id = NEW.account_id AND s.id = NEW.session_id AND s.context_type = 'practice'
     AND m.id = NEW.persona_message_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a practice turn answers a message of its practice' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

-- What was drafted stays from then on, what was decided too; an erasure may empty the texts.
CREATE FUNCTION practice_turn_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  texts text[] := ARRAY['suggested_text', 'statements', 'sources', 'planted', 'error', 'final_text', 'operations'];
  decided text[] := ARRAY['status', 'decision', 'answer_id', 'viewed_ms', 'answered_at'];
BEGIN
  IF to_jsonb(NEW) - texts = to_jsonb(OLD) - texts
     AND NEW.suggested_text || NEW.planted || NEW.error || NEW.final_text = '' AND NEW.operations IS NULL
     AND NEW.statements = '[]' AND NEW.sources = '[]' THEN
    RETURN NEW;
  ELSIF OLD.status = 'answered' OR (NEW.account_id, NEW.session_id, NEW.private_to_id, NEW.number, NEW.persona_message_id)
        IS DISTINCT FROM (OLD.account_id, OLD.session_id, OLD.private_to_id, OLD.number, OLD.persona_message_id) THEN
    RAISE EXCEPTION 'what was practised is not changed' USING ERRCODE = 'check_violation';
  ELSIF OLD.status = 'waiting' AND to_jsonb(NEW) - (decided || ARRAY['final_text', 'operations'])
        <> to_jsonb(OLD) - (decided || ARRAY['final_text', 'operations']) THEN
    RAISE EXCEPTION 'the draft that a trainee decides is not changed' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

-- The words of a message that goes are in two other places: in what was practised with it, and in a scenario that was mined
-- from its conversation, with all that was practised with that. Whoever erases sees neither, so it runs as the owner.
CREATE FUNCTION practice_goes_with_message() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  gone uuid[];
BEGIN
  IF NEW.private_to_id IS NOT NULL THEN
    UPDATE public.drafts_practiceturn
       SET suggested_text = '', statements = '[]', sources = '[]', planted = '', error = '', final_text = '', operations = NULL
     WHERE account_id = NEW.account_id AND persona_message_id = NEW.id;
    RETURN NULL;
  END IF;
  UPDATE public.drafts_scenario
     SET title = '', persona_name = '', persona = '', subject = '', opening = '', facts = '[]', goal = '', rubric = '[]',
         status = 'retired', erased_at = clock_timestamp(), updated_at = clock_timestamp()
   WHERE account_id = NEW.account_id AND mined_from_id = NEW.conversation_id AND erased_at IS NULL;
  IF FOUND THEN
    SELECT array_agg(s.conversation_id) INTO gone
      FROM public.conversations_assistantsession s
      JOIN public.drafts_scenario d ON d.account_id = s.account_id AND d.id = s.scenario_id
     WHERE d.account_id = NEW.account_id AND d.mined_from_id = NEW.conversation_id;
    IF gone IS NOT NULL THEN
      PERFORM public.empty_chats(NEW.account_id, gone);
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER practice_goes_with_message AFTER UPDATE OF erased_at ON conversations_message FOR EACH ROW
  WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL) EXECUTE FUNCTION practice_goes_with_message();

-- How the team does, by kind of criterion: points, never a person's. Under three people a total would be somebody's own.
CREATE FUNCTION practice_of_team() RETURNS TABLE (kind text, met bigint, decided bigint, people bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  RETURN QUERY SELECT c.value ->> 'kind', sum((c.value ->> 'weight')::int) FILTER (WHERE c.value ->> 'outcome' = 'met'),
         sum((c.value ->> 'weight')::int), count(DISTINCT s.private_to_id)
    FROM public.drafts_scorecard s CROSS JOIN LATERAL jsonb_array_elements(s.criteria) c
   WHERE s.account_id = nullif(current_setting('app.account_id', true), '')::uuid AND c.value ->> 'outcome' <> 'undecided'
   GROUP BY 1 HAVING count(DISTINCT s.private_to_id) >= 3;
END $$;

-- How often each scenario was played to its end, and by how many.
CREATE FUNCTION practice_runs() RETURNS TABLE (scenario_id uuid, runs bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  RETURN QUERY SELECT s.scenario_id, count(*) FROM public.drafts_scorecard s
   WHERE s.account_id = nullif(current_setting('app.account_id', true), '')::uuid GROUP BY 1;
END $$;

-- Turns whose job is lost: which, and whose.
CREATE FUNCTION lost_practice(before timestamptz) RETURNS TABLE (id uuid, person_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  RETURN QUERY SELECT t.id, t.private_to_id FROM public.drafts_practiceturn t
    JOIN public.conversations_assistantsession s ON s.account_id = t.account_id AND s.id = t.session_id
   WHERE t.account_id = nullif(current_setting('app.account_id', true), '')::uuid AND t.status = 'writing'
     AND t.created_at < before AND s.closed_at IS NULL
   ORDER BY t.id;
END $$;

REVOKE EXECUTE ON FUNCTION practice_goes_with_message(), practice_of_team(), practice_runs(), lost_practice(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION practice_of_team(), practice_runs(), lost_practice(timestamptz) TO app_rw;
