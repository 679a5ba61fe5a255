-- Promise 10, the second line behind the verbs: a draft waits only in a conversation where something is owed, and sleeps as
-- long as it does; and where it is said that one waits, one does. Looked at when the transaction ends, from both sides; what owed means is a CHECK of the conversation.
CREATE FUNCTION nobody_is_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  conversation uuid;
  wrong text;
BEGIN
  IF TG_TABLE_NAME = 'drafts_draft' THEN
    conversation := NEW.conversation_id;
  ELSE
    conversation := NEW.id;
  END IF;
  SELECT CASE WHEN d.id IS NULL AND c.owed = 'draft' THEN 'a draft is said to wait, and none does'
              WHEN d.id IS NOT NULL AND c.status <> 'open' THEN 'a draft waits, but nothing is owed in its conversation'
              WHEN d.id IS NOT NULL AND c.snoozed_until IS DISTINCT FROM d.snoozed_until
              THEN 'a draft waits, but does not sleep as its conversation does' END
    INTO wrong
    FROM conversations_conversation c
    LEFT JOIN drafts_draft d ON d.account_id = c.account_id AND d.conversation_id = c.id AND d.status = 'pending'
   WHERE c.account_id = NEW.account_id AND c.id = conversation;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION '%', wrong USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER conversation_forgets_no_draft AFTER UPDATE OF status, owed, snoozed_until ON conversations_conversation
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.status <> 'open' OR NEW.owed = 'draft' OR OLD.snoozed_until IS DISTINCT FROM NEW.snoozed_until)
  EXECUTE FUNCTION nobody_is_forgotten();
