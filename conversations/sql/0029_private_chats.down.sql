-- Chats are one person's alone: before row-level security knew that, there were none. Their rows go first.
DROP TRIGGER person_leaves_no_chat ON conversations_user;
DROP FUNCTION person_leaves_no_chat();
DROP FUNCTION empty_chats(uuid, uuid[]);
DROP FUNCTION session_owners();
DROP FUNCTION sessions_overview();
DROP FUNCTION search_own_messages(text[], boolean[], boolean[], int);
DROP FUNCTION vector_is_its_persons();
DROP FUNCTION session_begins();
DROP FUNCTION message_sentiment();

-- As 0001 and 0016 made them.
CREATE OR REPLACE FUNCTION message_arrives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversations_conversation SET
    last_seq = last_seq + 1,
    message_count = message_count + 1,
    user_message_count = user_message_count + (NEW.role = 'user')::int,
    ai_message_count = ai_message_count + (NEW.role = 'assistant')::int,
    last_message_at = greatest(last_message_at, NEW.received_at),
    last_inbound_message_id = CASE WHEN NEW.direction = 'inbound' AND NOT NEW.is_automatic THEN NEW.id
                                    ELSE last_inbound_message_id END
  WHERE id = NEW.conversation_id AND account_id = NEW.account_id
  RETURNING last_seq INTO NEW.seq;
  IF NEW.seq IS NULL THEN
    RAISE EXCEPTION 'message without a conversation of its account' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION message_withdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL THEN
    UPDATE conversations_conversation c SET
      message_count = message_count - 1,
      user_message_count = user_message_count - (NEW.role = 'user')::int,
      ai_message_count = ai_message_count - (NEW.role = 'assistant')::int,
      last_message_at = (SELECT max(m.received_at) FROM conversations_message m
                          WHERE m.conversation_id = c.id AND m.withdrawn_at IS NULL)
    WHERE c.id = NEW.conversation_id AND c.account_id = NEW.account_id;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION search_words_of_conversation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM public.conversations_searchwords WHERE account_id = OLD.account_id AND id = OLD.id;
  END IF;
  INSERT INTO public.conversations_searchwords (id, account_id, conversation_id, words)
  SELECT NEW.id, NEW.account_id, NEW.id, words
    FROM public.search_words(concat_ws(' ', NEW.customer_name, NEW.customer_email, NEW.subject, nullif(NEW.title, NEW.subject))) AS words
   WHERE words <> '';
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION search_words_of_message() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM public.conversations_searchwords WHERE account_id = OLD.account_id AND id = OLD.id;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  IF NEW.erased_at IS NULL AND NEW.withdrawn_at IS NULL THEN
    INSERT INTO public.conversations_searchwords (id, account_id, conversation_id, words)
    VALUES (NEW.id, NEW.account_id, NEW.conversation_id,
            public.search_words(public.search_text_of_message(NEW.subject, NEW.body_text, NEW.metadata)));
  ELSE
    DELETE FROM public.conversations_searchwords w USING public.conversations_attachment a
     WHERE a.account_id = NEW.account_id AND a.message_id = NEW.id AND w.account_id = a.account_id AND w.id = a.id;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION search_words_of_file() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM public.conversations_searchwords WHERE account_id = OLD.account_id AND id = OLD.id;
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.message_id IS NOT NULL AND NOT NEW.is_inline THEN
    INSERT INTO public.conversations_searchwords (id, account_id, conversation_id, words)
    SELECT NEW.id, NEW.account_id, m.conversation_id, public.search_words(NEW.file_name)
      FROM public.conversations_message m
     WHERE m.account_id = NEW.account_id AND m.id = NEW.message_id AND m.erased_at IS NULL AND m.withdrawn_at IS NULL;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION conversation_holds(conversation uuid, wanted tsquery[], unwanted tsquery[]) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = pg_catalog, public AS $$
DECLARE
  tenant uuid := nullif(current_setting('app.account_id', true), '')::uuid;
  question tsquery;
BEGIN
  FOREACH question IN ARRAY wanted LOOP
    IF NOT EXISTS (SELECT FROM public.conversations_searchwords w
                    WHERE w.account_id = tenant AND w.conversation_id = conversation AND w.words @@ question) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN cardinality(unwanted) = 0
         OR NOT EXISTS (SELECT FROM public.conversations_searchwords w
                         WHERE w.account_id = tenant AND w.conversation_id = conversation AND w.words @@ ANY (unwanted));
END $$;
CREATE OR REPLACE FUNCTION search_conversations(
  terms text[], as_written boolean[], is_unwanted boolean[], before timestamptz, probed int, most int,
  OUT wanted tsquery[], OUT unwanted tsquery[], OUT holding uuid[], OUT since timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  tenant uuid := nullif(current_setting('app.account_id', true), '')::uuid;
  until timestamptz := coalesce(before, 'infinity');
  reach int := probed;
  seen int;
  oldest timestamptz;
  rows_each numeric;
  every int;
  costs numeric[];  -- of the index, for each question
  times timestamptz[];
  asked record;
  ids uuid[];
  others tsquery[] := '{}';
BEGIN
  SELECT coalesce(array_agg(question ORDER BY at) FILTER (WHERE NOT refused), '{}'),
         coalesce(array_agg(question ORDER BY at) FILTER (WHERE refused), '{}')
    INTO wanted, unwanted
    FROM (SELECT public.search_asked(term, exact, NOT refused) AS question, refused, at
            FROM unnest(terms, as_written, is_unwanted) WITH ORDINALITY AS given (term, exact, refused, at)) questions;

  -- Nobody can tell the planner how common a word is (statistics are not for use under row-level security): the newest
  -- conversations tell. If going on fills a page for less than the index costs, that is done. The costs are microseconds,
  -- measured: 1.5 and 0.6 a row for each conversation asked, 1.5 a row of the index and 3 for its conversation.
  FOR attempt IN 1..2 LOOP
    WITH newest AS MATERIALIZED (
      SELECT c.id, c.last_message_at FROM public.conversations_conversation c
       WHERE c.account_id = tenant AND c.last_message_at < until
       ORDER BY c.last_message_at DESC, c.id DESC LIMIT reach),
    answers AS MATERIALIZED (
      SELECT n.id, n.last_message_at, q.at, count(w.id) AS rows, count(*) FILTER (WHERE w.words @@ q.question) AS hits
        FROM newest n CROSS JOIN unnest(wanted || unwanted) WITH ORDINALITY AS q (question, at)
        LEFT JOIN public.conversations_searchwords w ON w.account_id = tenant AND w.conversation_id = n.id
       GROUP BY n.id, n.last_message_at, q.at),
    held AS (
      SELECT id, last_message_at FROM answers GROUP BY id, last_message_at
      HAVING bool_and((hits > 0) = (at <= cardinality(wanted))) ORDER BY last_message_at DESC, id DESC LIMIT most)
    SELECT (SELECT count(*) FROM newest), (SELECT min(last_message_at) FROM newest),
           (SELECT sum(rows) FROM answers) / greatest((SELECT count(*) FROM newest), 1),
           ARRAY(SELECT 1.5 * sum(hits) + 3 * count(*) FILTER (WHERE hits > 0) FROM answers GROUP BY at ORDER BY at),
           ARRAY(SELECT id FROM held ORDER BY last_message_at DESC, id DESC),
           ARRAY(SELECT last_message_at FROM held ORDER BY last_message_at DESC, id DESC)
      INTO seen, oldest, rows_each, costs, holding, times;
    IF cardinality(holding) = most THEN
      since := times[most];
      RETURN;
    ELSIF seen < reach THEN
      RETURN;
    ELSIF cardinality(holding) >= 51 OR attempt = 2 OR cardinality(wanted) = 0 THEN
      since := oldest;
      RETURN;
    END IF;
    SELECT max(number) INTO every FROM public.conversations_conversation WHERE account_id = tenant;
    costs := ARRAY(SELECT cost * every / greatest(seen, 1) FROM unnest(costs[:cardinality(wanted)]) AS cost);
    EXIT WHEN cardinality(holding) = 0;
    reach := 60.0 * seen / cardinality(holding);
    EXIT WHEN reach * (1.5 + 0.6 * rows_each) > (SELECT min(cost) FROM unnest(costs) AS cost);
  END LOOP;

  FOR asked IN SELECT question, cost FROM unnest(wanted, costs) AS each (question, cost) ORDER BY cost LOOP
    IF ids IS NULL THEN
      ids := public.search_index(asked.question);
    ELSIF asked.cost < 12 * cardinality(ids) THEN  -- what asking them one by one costs
      ids := ARRAY(SELECT unnest(ids) INTERSECT SELECT unnest(public.search_index(asked.question)));
    ELSE
      others := others || asked.question;
    END IF;
  END LOOP;
  SELECT coalesce(array_agg(held.id), '{}'), array_agg(held.last_message_at) INTO holding, times
    FROM (SELECT in_order.id, in_order.last_message_at
            FROM (SELECT c.id, c.last_message_at FROM public.conversations_conversation c
                   WHERE c.account_id = tenant AND c.id = ANY (ids) AND c.last_message_at < until
                   ORDER BY c.last_message_at DESC, c.id DESC OFFSET 0) AS in_order
           WHERE cardinality(others) + cardinality(unwanted) = 0
              OR public.conversation_holds(in_order.id, others, unwanted)
           LIMIT most) AS held;
  IF cardinality(holding) = most THEN
    since := times[most];
  END IF;
END $$;
CREATE OR REPLACE FUNCTION search_index(question tsquery) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public SET enable_seqscan = off SET enable_indexscan = off AS $$
BEGIN
  RETURN ARRAY(SELECT DISTINCT w.conversation_id FROM public.conversations_searchwords w
                WHERE w.account_id = nullif(current_setting('app.account_id', true), '')::uuid AND w.words @@ question);
END $$;
