-- Functions behind the guards that models declare (conversations/database/guards.py). A released file is never edited: the next
-- number replaces a function.

-- A state machine's arrows: arguments are the column, then every allowed 'from>to'.
CREATE FUNCTION guard_transition() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before text := to_jsonb(OLD) ->> TG_ARGV[0];
  after text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
  IF NOT (before || '>' || after) = ANY (TG_ARGV[1:TG_NARGS]) THEN
    RAISE EXCEPTION '%: % cannot become %', TG_TABLE_NAME, before, after
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;

-- History is added to, never changed. Arguments are the columns that an erasure may empty. Only the owner, purging a
-- whole account, may delete.
CREATE FUNCTION guard_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  erasable text[] := coalesce(TG_ARGV[0:TG_NARGS], '{}');
  col text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF current_user = 'app_owner' THEN RETURN OLD; END IF;
    RAISE EXCEPTION '% is append-only: rows cannot be deleted', TG_TABLE_NAME USING ERRCODE = 'check_violation';
  END IF;
  IF to_jsonb(OLD) - erasable <> to_jsonb(NEW) - erasable THEN
    RAISE EXCEPTION '% is append-only: rows cannot be changed', TG_TABLE_NAME USING ERRCODE = 'check_violation';
  END IF;
  FOREACH col IN ARRAY erasable LOOP
    IF to_jsonb(NEW) -> col NOT IN ('null'::jsonb, '""'::jsonb, '{}'::jsonb, '[]'::jsonb)
       AND to_jsonb(NEW) -> col IS DISTINCT FROM to_jsonb(OLD) -> col THEN
      RAISE EXCEPTION '% is append-only: % can only be erased', TG_TABLE_NAME, col USING ERRCODE = 'check_violation';
    END IF;
  END LOOP;
  RETURN NEW;
END $$;

CREATE FUNCTION guard_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: it cannot be truncated', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;

-- Message order and the conversation's counters change here and nowhere else: arrival decides the order, under the
-- conversation's row lock that the UPDATE takes. An automatic reply or a bounce asks for no answer, so it is not the
-- "last inbound" that a draft has to answer.
CREATE FUNCTION message_arrives() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- An outbound message that was taken back before it left no longer counts.
CREATE FUNCTION message_withdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
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
