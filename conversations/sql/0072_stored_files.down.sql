DROP FUNCTION delivery_files();
DELETE FROM conversations_storedfile;
