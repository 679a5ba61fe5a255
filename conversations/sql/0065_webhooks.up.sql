-- The number of an outgoing event, given at commit: numbers stand in the order in which events became visible, and the lock of
-- the account's one head is held for the last moment of a transaction only. The audit trail's seal takes the same row first, so
-- no two transactions wait for each other whichever of the two they come to first.
CREATE FUNCTION webhook_number() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  given bigint;
BEGIN
  LOOP
    UPDATE public.conversations_audithead SET webhook_seq = webhook_seq + 1
      WHERE account_id = NEW.account_id RETURNING webhook_seq INTO given;
    EXIT WHEN FOUND;
    INSERT INTO public.conversations_audithead (account_id, seq, hash)
      VALUES (NEW.account_id, 0, encode(sha256(convert_to(NEW.account_id::text, 'UTF8')), 'hex'))
      ON CONFLICT (account_id) DO NOTHING;
  END LOOP;
  UPDATE public.conversations_webhookevent SET seq = given WHERE id = NEW.id;
  RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION webhook_number() FROM PUBLIC;
