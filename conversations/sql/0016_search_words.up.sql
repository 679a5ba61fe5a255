-- What people look for is found: one table of words for conversations, messages and file names, folded the same way when
-- they are kept and when they are asked for (docs/decisions/0038). The runtime role may only read it.

-- Text as it is compared: no case, no accents, ß as ss, NFC and NFD alike. Han, kana, Hangul and scripts without
-- spaces become overlapping pairs of signs, and a run of digits is a word of its own: HR-10231, HR10231 and #hr 10231
-- are the same two words. Signs that are neither letters nor digits part words and mean nothing else.
CREATE FUNCTION search_folded(raw text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  dense CONSTANT text := '[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3005-\u3007\u3041-\u30FA\u30FC-\u30FF\u31F0-\u31FF'
    '\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7A3\uF900-\uFAFF\U00020000-\U0003FFFF]';
  marks CONSTANT text := '[\u00AD\u0300-\u036F\u0483-\u0487\u0591-\u05C7\u0610-\u061A\u064B-\u065F\u0670\u1AB0-\u1AFF'
    '\u1DC0-\u1DFF\u200B-\u200F\u202A-\u202E\u2060-\u206F\u20D0-\u20FF\uFE00-\uFE0F\uFE20-\uFE2F\uFEFF]';
  folded text := lower(left(raw, 100000));
BEGIN
  IF octet_length(folded) <> length(folded) THEN  -- not plain ASCII
    folded := left(regexp_replace(normalize(folded, NFKD), marks, '', 'g'), 100000);
    -- Composed again: what makes one kana or Hangul syllable another one is no accent.
    folded := lower(normalize(folded, NFKC));
    folded := replace(replace(replace(replace(folded, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
    folded := translate(folded, 'øłđðħıŧς', 'olddhitσ');
    IF folded ~ dense THEN
      SELECT string_agg(CASE WHEN NOT is_dense THEN sign WHEN next_is_dense THEN sign || next || ' ' ELSE sign || ' ' END
                        || CASE WHEN next_is_dense AND NOT is_dense THEN ' ' ELSE '' END, '' ORDER BY at)
        INTO folded
        FROM (SELECT sign, at, is_dense, lead(sign) OVER in_order AS next,
                     coalesce(lead(is_dense) OVER in_order, false) AS next_is_dense
                FROM (SELECT sign, at, sign ~ dense AS is_dense
                        -- A tsvector holds at most 1 MB, and here every sign begins a word.
                        FROM string_to_table(left(folded, 50000), NULL) WITH ORDINALITY AS split (sign, at)) signs
              WINDOW in_order AS (ORDER BY at)) pairs;
    END IF;
  END IF;
  -- ASCII signs are parted here, because the parser would see addresses, paths, fractions and negative numbers in them.
  folded := regexp_replace(folded, '[!-/:-@\[-`{-~\u2010-\u2027\u2039\u203A\u00AB\u00BB\u30FB]', ' ', 'g');
  RETURN regexp_replace(folded, '[0-9]+', ' \& ', 'g');
END $$;

-- The words of a text in their order, and beside them, marked by =, the English stems that differ from their word.
CREATE FUNCTION search_words(raw text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  words tsvector := to_tsvector('pg_catalog.simple', public.search_folded(raw));
BEGIN
  RETURN words || array_to_tsvector(ARRAY(
    SELECT DISTINCT '=' || stem
      FROM (SELECT word, (ts_lexize('pg_catalog.english_stem', word))[1] AS stem
              FROM unnest(tsvector_to_array(words)) AS word WHERE length(word) > 2 OFFSET 0) stems
     WHERE stem <> word));
END $$;

-- What a person asks for in one word or, in quotes, as it is written. A word finds other English forms, and words that begin
-- with it; a number is also found with its thousands apart, and the other way round.
CREATE FUNCTION search_asked(term text, as_written boolean, may_begin boolean) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  words text[] := ARRAY(
    SELECT word.lexeme
      FROM unnest(to_tsvector('pg_catalog.simple', public.search_folded(term))) AS word, unnest(word.positions) AS at
     ORDER BY at);
  last text := words[cardinality(words)];
  -- One sign of a dense script stands for all pairs that begin with it.
  begins boolean := (octet_length(last) > length(last) AND length(last) = 1)
                    OR may_begin AND NOT as_written AND length(array_to_string(words, '')) > 1;
  asked tsquery := public.search_phrase(words, begins);
  stem text;
BEGIN
  IF as_written OR cardinality(words) = 0 THEN
    RETURN asked;
  ELSIF array_to_string(words, ' ') ~ '^\d{1,3}( \d{3})+$' THEN
    RETURN asked || public.search_phrase(ARRAY[array_to_string(words, '')], begins)
           || replace(public.search_phrase(words, false)::text, '<->', '&')::tsquery;
  ELSIF cardinality(words) = 1 AND last ~ '^\d{4,}$' THEN
    RETURN asked || public.search_phrase(string_to_array(regexp_replace(last, '(\d)(?=(?:\d{3})+$)', '\1 ', 'g'), ' '), begins);
  ELSIF cardinality(words) = 1 THEN
    stem := (ts_lexize('pg_catalog.english_stem', last))[1];
    IF NOT begins OR stem NOT LIKE last || '%' THEN
      asked := asked || public.search_phrase(ARRAY[stem], false);
    END IF;
    IF stem IS NOT NULL THEN
      asked := asked || public.search_phrase(ARRAY['=' || stem], false);
    END IF;
  END IF;
  RETURN asked;
END $$;

CREATE FUNCTION search_phrase(words text[], begins boolean) RETURNS tsquery LANGUAGE sql IMMUTABLE AS $$
  SELECT (coalesce(string_agg('''' || replace(replace(word, '\', '\\'), '''', '''''') || '''', ' <-> ' ORDER BY at), '')
          || CASE WHEN begins AND count(*) > 0 THEN ':*' ELSE '' END)::tsquery
    FROM unnest(words) WITH ORDINALITY AS asked (word, at)
$$;

-- Words follow what they are the words of: the row's id is the conversation's, the message's or the file's.
CREATE FUNCTION search_words_of_conversation() RETURNS trigger
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

CREATE TRIGGER search_words_made AFTER INSERT ON conversations_conversation
  FOR EACH ROW EXECUTE FUNCTION search_words_of_conversation();
CREATE TRIGGER search_words_changed AFTER UPDATE OF customer_name, customer_email, subject, title ON conversations_conversation
  FOR EACH ROW WHEN ((OLD.customer_name, OLD.customer_email, OLD.subject, OLD.title)
                     IS DISTINCT FROM (NEW.customer_name, NEW.customer_email, NEW.subject, NEW.title))
  EXECUTE FUNCTION search_words_of_conversation();

-- A message is found by its text and by who else stands in it: sender, Reply-To, copies, and recipients beside the desk itself.
CREATE FUNCTION search_text_of_message(subject text, body text, metadata jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN metadata = '{}' THEN subject || ' ' || body ELSE concat_ws(' ', subject,
    metadata ->> 'sender_name', metadata ->> 'sender', metadata ->> 'reply_to',
    (SELECT string_agg(party #>> '{}', ' ') FROM jsonb_path_query(metadata, '$.answer_to[*].*') AS party),
    (SELECT string_agg(party #>> '{}', ' ') FROM jsonb_path_query(metadata, '$.cc[*]') AS party),
    (SELECT string_agg(party #>> '{}', ' ') FROM jsonb_path_query(metadata, '$.to[*]') AS party
      WHERE party IS DISTINCT FROM metadata -> 'recipient'),
    body) END
$$;

CREATE FUNCTION search_words_of_message() RETURNS trigger
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

CREATE TRIGGER search_words_made AFTER INSERT OR DELETE ON conversations_message
  FOR EACH ROW EXECUTE FUNCTION search_words_of_message();
CREATE TRIGGER search_words_changed AFTER UPDATE OF subject, body_text, metadata, erased_at, withdrawn_at ON conversations_message
  FOR EACH ROW WHEN ((OLD.subject, OLD.body_text, OLD.metadata, OLD.erased_at, OLD.withdrawn_at)
                     IS DISTINCT FROM (NEW.subject, NEW.body_text, NEW.metadata, NEW.erased_at, NEW.withdrawn_at))
  EXECUTE FUNCTION search_words_of_message();

-- Names of files that a person sees; a picture within the text has none of its own.
CREATE FUNCTION search_words_of_file() RETURNS trigger
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

CREATE TRIGGER search_words_made AFTER INSERT OR DELETE ON conversations_attachment
  FOR EACH ROW EXECUTE FUNCTION search_words_of_file();
CREATE TRIGGER search_words_changed AFTER UPDATE OF message_id, file_name, is_inline ON conversations_attachment
  FOR EACH ROW EXECUTE FUNCTION search_words_of_file();

-- Of what is there already. The triggers come first: from here on nobody writes until this has been committed.
INSERT INTO conversations_searchwords (id, account_id, conversation_id, words)
SELECT c.id, c.account_id, c.id, words
  FROM conversations_conversation c,
       search_words(concat_ws(' ', c.customer_name, c.customer_email, c.subject, nullif(c.title, c.subject))) AS words
 WHERE words <> '';
INSERT INTO conversations_searchwords (id, account_id, conversation_id, words)
SELECT m.id, m.account_id, m.conversation_id, search_words(search_text_of_message(m.subject, m.body_text, m.metadata))
  FROM conversations_message m WHERE m.erased_at IS NULL AND m.withdrawn_at IS NULL;
INSERT INTO conversations_searchwords (id, account_id, conversation_id, words)
SELECT a.id, a.account_id, m.conversation_id, search_words(a.file_name)
  FROM conversations_attachment a JOIN conversations_message m ON m.account_id = a.account_id AND m.id = a.message_id
 WHERE NOT a.is_inline AND m.erased_at IS NULL AND m.withdrawn_at IS NULL;

-- Under row-level security no full-text condition can use an index (@@ is not leakproof), so the functions below pin the
-- tenant themselves: they run as the owner, read the caller's tenant setting, and nothing else decides what they see.

-- Whether one conversation holds every wanted word, each wherever it likes, and no unwanted one.
CREATE FUNCTION conversation_holds(conversation uuid, wanted tsquery[], unwanted tsquery[]) RETURNS boolean
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

-- The newest conversations that hold what is asked for, `most` of them or fewer. All newer than `since` are among them; older
-- ones, if there may be any, are asked one by one (conversation_holds). NULL: there are no others.
-- A common word is looked for in the newest conversations, a rare one in the index; both read little.
CREATE FUNCTION search_conversations(
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

-- All conversations in which one row holds `question`, by the index.
CREATE FUNCTION search_index(question tsquery) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public SET enable_seqscan = off SET enable_indexscan = off AS $$
BEGIN
  RETURN ARRAY(SELECT DISTINCT w.conversation_id FROM public.conversations_searchwords w
                WHERE w.account_id = nullif(current_setting('app.account_id', true), '')::uuid AND w.words @@ question);
END $$;

REVOKE EXECUTE ON FUNCTION search_folded(text), search_words(text), search_asked(text, boolean, boolean), search_phrase(text[], boolean),
  search_text_of_message(text, text, jsonb), search_words_of_conversation(), search_words_of_message(), search_words_of_file(),
  search_index(tsquery), conversation_holds(uuid, tsquery[], tsquery[]),
  search_conversations(text[], boolean[], boolean[], timestamptz, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION conversation_holds(uuid, tsquery[], tsquery[]),
  search_conversations(text[], boolean[], boolean[], timestamptz, int, int) TO app_rw;
