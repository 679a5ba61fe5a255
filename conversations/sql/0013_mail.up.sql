-- What no person approved leaves at most three times an hour in one thread, whatever asks for it: two desks that answer
-- each other stop here. By the database's clock, and under the lock on the conversation that every queueing holds.
CREATE FUNCTION delivery_without_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT NEW.is_automatic THEN RETURN NEW; END IF;
  NEW.created_at := clock_timestamp();
  IF (SELECT count(*) FROM conversations_delivery d
       WHERE d.account_id = NEW.account_id AND d.conversation_id = NEW.conversation_id AND d.is_automatic
         AND d.status <> 'cancelled' AND d.created_at > clock_timestamp() - interval '1 hour') >= 3 THEN
    RAISE EXCEPTION 'three replies that no person approved left this thread within an hour'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'delivery_without_person', TABLE = 'conversations_delivery';
  END IF;
  RETURN NEW;
END $$;
