-- The seal in three statements instead of five: what was inserted is known (nothing can have changed it since), and the
-- tenant's head is made only once in its life.

CREATE OR REPLACE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  link conversations_auditevent := NEW;
BEGIN
  LOOP
    SELECT h.seq + 1, h.hash INTO link.seq, link.prev_hash
      FROM public.conversations_audithead h WHERE h.account_id = NEW.account_id FOR UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO public.conversations_audithead (account_id, seq, hash)
      VALUES (NEW.account_id, 0, encode(sha256(convert_to(NEW.account_id::text, 'UTF8')), 'hex'))
      ON CONFLICT (account_id) DO NOTHING;
  END LOOP;
  link.hash := public.audit_hash(link);
  UPDATE public.conversations_auditevent SET seq = link.seq, prev_hash = link.prev_hash, hash = link.hash
    WHERE id = NEW.id;
  UPDATE public.conversations_audithead SET seq = link.seq, hash = link.hash WHERE account_id = NEW.account_id;
  RETURN NULL;
END $$;
