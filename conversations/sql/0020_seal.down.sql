CREATE OR REPLACE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
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
