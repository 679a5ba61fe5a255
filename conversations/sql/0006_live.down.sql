DROP TRIGGER tell_pages ON conversations_auditevent;
DROP FUNCTION tell_pages();
