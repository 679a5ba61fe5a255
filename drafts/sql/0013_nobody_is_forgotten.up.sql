-- Promise 10, the second line behind the verbs: a draft waits only in a conversation where something is owed, and sleeps as
-- long as it does. Looked at when the transaction ends, from both sides; what owed means is a CHECK of the conversation.
CREATE FUNCTION nobody_is_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  conversation uuid;
  wrong text;
BEGIN
  IF TG_TABLE_NAME = 'drafts_draft' THEN
    IF NEW.status <> 'pending' THEN RETURN NULL; END IF;
    conversation := NEW.conversation_id;
  ELSE
    conversation := NEW.id;
  END IF;
  SELECT CASE WHEN c.status <> 'open' THEN 'nothing is owed in its conversation'
              WHEN c.snoozed_until IS DISTINCT FROM d.snoozed_until THEN 'it does not sleep as its conversation does' END
    INTO wrong
    FROM drafts_draft d JOIN conversations_conversation c ON c.account_id = d.account_id AND c.id = d.conversation_id
   WHERE d.account_id = NEW.account_id AND d.conversation_id = conversation AND d.status = 'pending';
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'a draft waits, but %', wrong USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER conversation_forgets_no_draft AFTER UPDATE OF status, snoozed_until ON conversations_conversation
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.status <> 'open' OR OLD.snoozed_until IS DISTINCT FROM NEW.snoozed_until)
  EXECUTE FUNCTION nobody_is_forgotten();
