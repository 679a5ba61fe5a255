-- A person's own chats (docs/decisions/0053): whose a message is says its conversation, averages follow the messages, and
-- words of chats are found by their person alone.

-- As 0001 made it, and: a message is private to whoever its conversation is private to, whatever the caller says.
CREATE OR REPLACE FUNCTION message_arrives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversations_conversation SET
    last_seq = last_seq + 1,
    message_count = message_count + 1,
    user_message_count = user_message_count + (NEW.role = 'user')::int,
    ai_message_count = ai_message_count + (NEW.role = 'assistant')::int,
    sentiment_sum = sentiment_sum + coalesce(NEW.sentiment, 0),
    sentiment_count = sentiment_count + (NEW.sentiment IS NOT NULL)::int,
    average_sentiment = CASE WHEN NEW.sentiment IS NULL THEN average_sentiment
                             ELSE (sentiment_sum + NEW.sentiment) / (sentiment_count + 1) END,
    last_message_at = greatest(last_message_at, NEW.received_at),
    last_inbound_message_id = CASE WHEN NEW.direction = 'inbound' AND NOT NEW.is_automatic THEN NEW.id
                                    ELSE last_inbound_message_id END
  WHERE id = NEW.conversation_id AND account_id = NEW.account_id
  RETURNING last_seq, private_to_id INTO NEW.seq, NEW.private_to_id;
  IF NEW.seq IS NULL THEN
    RAISE EXCEPTION 'message without a conversation of its account' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

-- As 0001 made it, and its sentiment no longer counts either.
CREATE OR REPLACE FUNCTION message_withdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.withdrawn_at IS NULL AND NEW.withdrawn_at IS NOT NULL THEN
    UPDATE conversations_conversation c SET
      message_count = message_count - 1,
      user_message_count = user_message_count - (NEW.role = 'user')::int,
      ai_message_count = ai_message_count - (NEW.role = 'assistant')::int,
      sentiment_sum = sentiment_sum - coalesce(OLD.sentiment, 0),
      sentiment_count = sentiment_count - (OLD.sentiment IS NOT NULL)::int,
      average_sentiment = (sentiment_sum - coalesce(OLD.sentiment, 0))
                          / nullif(sentiment_count - (OLD.sentiment IS NOT NULL)::int, 0),
      last_message_at = (SELECT max(m.received_at) FROM conversations_message m
                          WHERE m.conversation_id = c.id AND m.withdrawn_at IS NULL)
    WHERE c.id = NEW.conversation_id AND c.account_id = NEW.account_id;
  END IF;
  RETURN NULL;
END $$;

-- A sentiment that is measured later, measured again, or erased. Numbers are exact: however often they move, the sum is
-- that of the messages.
CREATE FUNCTION message_sentiment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  more numeric := coalesce(NEW.sentiment, 0) - coalesce(OLD.sentiment, 0);
  others int := (NEW.sentiment IS NOT NULL)::int - (OLD.sentiment IS NOT NULL)::int;
BEGIN
  IF OLD.withdrawn_at IS NULL AND NEW.sentiment IS DISTINCT FROM OLD.sentiment THEN
    UPDATE conversations_conversation SET
      sentiment_sum = sentiment_sum + more,
      sentiment_count = sentiment_count + others,
      average_sentiment = (sentiment_sum + more) / nullif(sentiment_count + others, 0)
    WHERE id = NEW.conversation_id AND account_id = NEW.account_id;
  END IF;
  RETURN NULL;
END $$;

-- A session is of a chat and its person's; what it calls its case is a customer's conversation.
CREATE FUNCTION session_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT private_to_id INTO NEW.private_to_id FROM conversations_conversation
   WHERE account_id = NEW.account_id AND id = NEW.conversation_id AND kind = 'assistant';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a session without a chat' USING ERRCODE = 'foreign_key_violation';
  END IF;
  IF NEW.case_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM conversations_conversation
        WHERE account_id = NEW.account_id AND id = NEW.case_id AND kind = 'customer') THEN
    RAISE EXCEPTION 'a case is a conversation with a customer' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

-- Only messages of chats have vectors, and they are the same person's.
CREATE FUNCTION vector_is_its_persons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT private_to_id, conversation_id INTO NEW.private_to_id, NEW.conversation_id FROM conversations_message
   WHERE account_id = NEW.account_id AND id = NEW.message_id AND private_to_id IS NOT NULL AND erased_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a vector without a message of a chat' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NEW;
END $$;

-- Words are private to whom their conversation or message is.
CREATE OR REPLACE FUNCTION search_words_of_conversation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM public.conversations_searchwords WHERE account_id = OLD.account_id AND id = OLD.id;
  END IF;
  INSERT INTO public.conversations_searchwords (id, account_id, conversation_id, words, private_to_id)
  SELECT NEW.id, NEW.account_id, NEW.id, words, NEW.private_to_id
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
    INSERT INTO public.conversations_searchwords (id, account_id, conversation_id, words, private_to_id)
    VALUES (NEW.id, NEW.account_id, NEW.conversation_id,
            public.search_words(public.search_text_of_message(NEW.subject, NEW.body_text, NEW.metadata)), NEW.private_to_id);
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
    INSERT INTO public.conversations_searchwords (id, account_id, conversation_id, words, private_to_id)
    SELECT NEW.id, NEW.account_id, m.conversation_id, public.search_words(NEW.file_name), m.private_to_id
      FROM public.conversations_message m
     WHERE m.account_id = NEW.account_id AND m.id = NEW.message_id AND m.erased_at IS NULL AND m.withdrawn_at IS NULL;
  END IF;
  RETURN NULL;
END $$;

-- The search of conversations is of those with customers. search_own_messages is of one person's chats.
CREATE OR REPLACE FUNCTION conversation_holds(conversation uuid, wanted tsquery[], unwanted tsquery[]) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = pg_catalog, public AS $$
DECLARE
  tenant uuid := nullif(current_setting('app.account_id', true), '')::uuid;
  question tsquery;
BEGIN
  FOREACH question IN ARRAY wanted LOOP
    IF NOT EXISTS (SELECT FROM public.conversations_searchwords w
                    WHERE w.account_id = tenant AND w.conversation_id = conversation AND w.private_to_id IS NULL AND w.words @@ question) THEN
      RETURN false;
    END IF;
  END LOOP;
  RETURN cardinality(unwanted) = 0
         OR NOT EXISTS (SELECT FROM public.conversations_searchwords w
                         WHERE w.account_id = tenant AND w.conversation_id = conversation AND w.private_to_id IS NULL AND w.words @@ ANY (unwanted));
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
       WHERE c.account_id = tenant AND c.kind = 'customer' AND c.last_message_at < until
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
                WHERE w.account_id = nullif(current_setting('app.account_id', true), '')::uuid AND w.private_to_id IS NULL AND w.words @@ question);
END $$;

-- The newest of a person's own messages and titles that hold every wanted word and none of the unwanted: the id of the
-- message, or of the conversation where it is the title that holds them. Tenant and person are those of the transaction.
CREATE FUNCTION search_own_messages(terms text[], as_written boolean[], is_unwanted boolean[], most int)
RETURNS TABLE (id uuid, conversation_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public SET enable_seqscan = off SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  tenant uuid := nullif(current_setting('app.account_id', true), '')::uuid;
  person uuid := nullif(current_setting('app.user_id', true), '')::uuid;
  -- What is deleted and not yet emptied: a few, where a look for each message that holds the words is many.
  gone uuid[] := ARRAY(SELECT c.id FROM public.conversations_conversation c
                        WHERE c.account_id = tenant AND c.private_to_id = person AND c.kind = 'assistant'
                          AND c.deleted_at IS NOT NULL AND c.forgotten_at IS NULL);
  question tsquery;
  asked record;
BEGIN
  FOR asked IN SELECT public.search_asked(term, exact, NOT refused) AS one, refused
                 FROM unnest(terms, as_written, is_unwanted) AS given (term, exact, refused) LOOP
    IF asked.refused THEN
      asked.one := !!asked.one;
    END IF;
    question := coalesce(question && asked.one, asked.one);
  END LOOP;
  RETURN QUERY SELECT w.id, w.conversation_id FROM public.conversations_searchwords w
                WHERE w.account_id = tenant AND w.private_to_id = person AND w.words @@ question
                  AND w.conversation_id <> ALL (gone)
                ORDER BY w.id DESC LIMIT most;
END $$;

-- That chats exist, for whoever answers for the account: whose, about what, how much; never a title or a word.
CREATE FUNCTION sessions_overview()
RETURNS TABLE (person_id uuid, context_type text, status text, message_count int, user_message_count int, ai_message_count int,
               created_at timestamptz, last_message_at timestamptz, is_deleted boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  RETURN QUERY SELECT s.private_to_id, s.context_type::text, s.status::text, c.message_count, c.user_message_count, c.ai_message_count,
         c.created_at, c.last_message_at, c.deleted_at IS NOT NULL
    FROM public.conversations_assistantsession s
    JOIN public.conversations_conversation c ON c.account_id = s.account_id AND c.id = s.conversation_id
   WHERE s.account_id = nullif(current_setting('app.account_id', true), '')::uuid
   ORDER BY s.id;
END $$;

-- Whose chats there are: what retention loops over, as each of these persons.
CREATE FUNCTION session_owners() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  RETURN QUERY SELECT DISTINCT s.private_to_id FROM public.conversations_assistantsession s
   WHERE s.account_id = nullif(current_setting('app.account_id', true), '')::uuid ORDER BY 1;
END $$;

-- Chats lose their words, titles and vectors; rows, counts and the trail stay. It runs as its caller: row-level security
-- decides which of them there are.
CREATE FUNCTION empty_chats(account uuid, chats uuid[]) RETURNS int LANGUAGE plpgsql AS $$
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

-- Who goes for good leaves no word of their chats behind, however they are removed; a legal hold keeps the person.
CREATE FUNCTION person_leaves_no_chat() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  place record;
BEGIN
  FOR place IN SELECT a.id, a.legal_hold, chats.ids FROM public.conversations_account a
                 CROSS JOIN LATERAL (SELECT array_agg(c.id) AS ids FROM public.conversations_conversation c
                                      WHERE c.account_id = a.id AND c.kind = 'assistant' AND c.private_to_id = OLD.id) chats
                WHERE chats.ids IS NOT NULL LOOP
    IF place.legal_hold THEN
      RAISE EXCEPTION 'a legal hold keeps this person''s chats' USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM public.empty_chats(place.id, place.ids);
  END LOOP;
  RETURN OLD;
END $$;
CREATE TRIGGER person_leaves_no_chat BEFORE DELETE ON conversations_user
  FOR EACH ROW EXECUTE FUNCTION person_leaves_no_chat();

REVOKE EXECUTE ON FUNCTION search_own_messages(text[], boolean[], boolean[], int), sessions_overview(), session_owners(),
  empty_chats(uuid, uuid[]), person_leaves_no_chat() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_own_messages(text[], boolean[], boolean[], int), sessions_overview(), session_owners(),
  empty_chats(uuid, uuid[]) TO app_rw;
