-- The audit chain. An event is inserted unsealed; at commit this deferred trigger gives it the tenant's next number and
-- binds it to the one before. Sealing at commit keeps the tenant's chain lock out of the verb: it is held for the last
-- microseconds of the transaction, never while a page renders, and can take part in no deadlock.

CREATE FUNCTION audit_hash(e conversations_auditevent) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT encode(sha256(convert_to(jsonb_build_array(
    e.account_id, e.seq, extract(epoch from e.at)::numeric(20, 6), e.kind, e.actor_type, e.actor_id, e.actor_name,
    e.object_type, e.object_id, e.conversation_id, e.act_id, e.data, e.commitments, e.prev_hash)::text, 'UTF8')), 'hex')
$$;

CREATE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  link conversations_auditevent;
BEGIN
  INSERT INTO public.conversations_audithead (account_id, seq, hash)
    VALUES (NEW.account_id, 0, encode(sha256(convert_to(NEW.account_id::text, 'UTF8')), 'hex'))
    ON CONFLICT (account_id) DO NOTHING;
  SELECT * INTO link FROM public.conversations_auditevent WHERE id = NEW.id;
  SELECT h.seq + 1, h.hash INTO link.seq, link.prev_hash
    FROM public.conversations_audithead h WHERE h.account_id = NEW.account_id FOR UPDATE;
  link.hash := public.audit_hash(link);
  UPDATE public.conversations_auditevent SET seq = link.seq, prev_hash = link.prev_hash, hash = link.hash
    WHERE id = NEW.id;
  UPDATE public.conversations_audithead SET seq = link.seq, hash = link.hash WHERE account_id = NEW.account_id;
  RETURN NULL;
END $$;

-- Once sealed nothing changes; the one permitted update is the seal itself, by the owner's function.
CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND current_user = 'app_owner' AND OLD.hash = '' AND NEW.hash <> ''
     AND to_jsonb(OLD) - '{seq,prev_hash,hash}'::text[] = to_jsonb(NEW) - '{seq,prev_hash,hash}'::text[] THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' AND current_user = 'app_owner' AND current_setting('app.purge', true) = OLD.account_id::text THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'check_violation';
END $$;

-- A row arrives unsealed whatever the caller wrote.
CREATE FUNCTION audit_unseal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.seq := NULL; NEW.prev_hash := ''; NEW.hash := ''; NEW.at := clock_timestamp();
  RETURN NEW;
END $$;

CREATE TRIGGER audit_unseal BEFORE INSERT ON conversations_auditevent FOR EACH ROW EXECUTE FUNCTION audit_unseal();
CREATE CONSTRAINT TRIGGER audit_seal AFTER INSERT ON conversations_auditevent DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION audit_seal();
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE ON conversations_auditevent FOR EACH ROW EXECUTE FUNCTION audit_guard();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON conversations_auditevent FOR EACH STATEMENT EXECUTE FUNCTION guard_truncate();

REVOKE EXECUTE ON FUNCTION audit_seal() FROM PUBLIC;
