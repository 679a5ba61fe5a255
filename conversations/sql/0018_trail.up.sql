-- The trail binds more of an event, and what was sealed before keeps the form it was sealed in.
-- Form 2 also hashes the event's id and both of its times; until now two events could swap their ids unnoticed.

CREATE OR REPLACE FUNCTION audit_hash(e conversations_auditevent) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT encode(sha256(convert_to(CASE e.hash_form
    WHEN 1 THEN jsonb_build_array(
      e.account_id, e.seq, extract(epoch from e.at)::numeric(20, 6), e.kind, e.actor_type, e.actor_id, e.actor_name,
      e.object_type, e.object_id, e.conversation_id, e.act_id, e.data, e.commitments, e.prev_hash)
    ELSE jsonb_build_array(
      e.hash_form, e.id, e.account_id, e.seq, extract(epoch from e.at)::numeric(20, 6),
      extract(epoch from e.created_at)::numeric(20, 6), e.kind, e.actor_type, e.actor_id, e.actor_name, e.object_type,
      e.object_id, e.conversation_id, e.act_id, e.data, e.commitments, e.prev_hash)
    END::text, 'UTF8')), 'hex')
$$;

-- A row arrives unsealed whatever the caller wrote, and its times are the database's.
CREATE OR REPLACE FUNCTION audit_unseal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.seq := NULL; NEW.prev_hash := ''; NEW.hash := ''; NEW.at := clock_timestamp();
  NEW.created_at := NEW.at; NEW.hash_form := 2; NEW.forgotten_at := NULL;
  RETURN NEW;
END $$;

-- Beside the seal, one change is permitted: events of form 1 hold customers' names, which an erasure takes out of them.
-- What is left cannot be hashed again; its place in the chain still holds (verify_audit says how many there are).
CREATE OR REPLACE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND current_user = 'app_owner' AND OLD.hash = '' AND NEW.hash <> ''
     AND to_jsonb(OLD) - '{seq,prev_hash,hash}'::text[] = to_jsonb(NEW) - '{seq,prev_hash,hash}'::text[] THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' AND current_user = 'app_owner' AND OLD.hash_form = 1 AND NEW.forgotten_at IS NOT NULL
     AND to_jsonb(OLD) - '{actor_name,data,forgotten_at}'::text[] = to_jsonb(NEW) - '{actor_name,data,forgotten_at}'::text[]
  THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' AND current_user = 'app_owner' AND current_setting('app.purge', true) = OLD.account_id::text THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'check_violation';
END $$;

CREATE FUNCTION audit_forget(conversations uuid[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  WITH gone AS (
    UPDATE public.conversations_auditevent SET
      actor_name = CASE WHEN actor_id = 'customer' THEN 'Customer' ELSE actor_name END,
      data = data - '{error,response,detail}'::text[],
      forgotten_at = clock_timestamp()
    WHERE account_id = nullif(current_setting('app.account_id', true), '')::uuid AND hash_form = 1
      AND forgotten_at IS NULL AND conversation_id = ANY (conversations)
      AND (actor_id = 'customer' OR data ?| '{error,response,detail}'::text[])
    RETURNING 1)
  SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION audit_forget(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_forget(uuid[]) TO app_rw;

-- Checkpoints are counted; those that are there already come first. They keep the signature that they have.
UPDATE conversations_auditcheckpoint c SET number = n.number
  FROM (SELECT id, row_number() OVER (PARTITION BY account_id ORDER BY seq) AS number
          FROM conversations_auditcheckpoint) n
 WHERE n.id = c.id;
