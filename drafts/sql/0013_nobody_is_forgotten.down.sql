DROP TRIGGER conversation_forgets_no_draft ON conversations_conversation;
DROP FUNCTION nobody_is_forgotten();
