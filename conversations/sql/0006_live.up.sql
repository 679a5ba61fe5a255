-- Tells web processes that something happened in an account: whose, and who did it; no text and no ids of rows.
-- PostgreSQL delivers it at commit, and once for equal payloads of one transaction.
CREATE FUNCTION tell_pages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('countersign', NEW.account_id || ' ' || NEW.actor_id);
  RETURN NULL;
END $$;
CREATE TRIGGER tell_pages AFTER INSERT ON conversations_auditevent FOR EACH ROW EXECUTE FUNCTION tell_pages();
