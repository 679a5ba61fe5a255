-- The words of messages alone, and their search: conversations_searchwords (0016) is in their place.
DROP TRIGGER message_words ON conversations_message;
DROP TRIGGER message_words_changed ON conversations_message;
DROP FUNCTION search_messages(tsquery, timestamptz, int);
DROP FUNCTION message_words();
