DROP TRIGGER message_words ON conversations_message;
DROP TRIGGER message_words_changed ON conversations_message;
DROP FUNCTION search_messages(tsquery, timestamptz, int);
DROP FUNCTION message_words();
