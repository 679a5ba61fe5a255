-- Promise 3: a draft can be approved only while it answers the conversation's latest inbound message. The verb checks it
-- under the conversation's lock; this is the second line, for whoever writes past the verb.
CREATE FUNCTION draft_answers_latest() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  latest uuid;
BEGIN
  IF NEW.status = 'approved' AND OLD.status IS DISTINCT FROM 'approved' THEN
    SELECT last_inbound_message_id INTO latest FROM conversations_conversation
     WHERE id = NEW.conversation_id AND account_id = NEW.account_id FOR SHARE;
    IF latest IS DISTINCT FROM NEW.base_message_id THEN
      RAISE EXCEPTION 'the draft does not answer the latest inbound message'
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
  END IF;
  RETURN NEW;
END $$;

-- A prompt version's text is append-only: a change is a new version.
CREATE FUNCTION promptversion_text_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.text, OLD.key, OLD.version) IS DISTINCT FROM (NEW.text, NEW.key, NEW.version) THEN
    RAISE EXCEPTION 'a prompt version cannot be changed: add a new version'
      USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;
