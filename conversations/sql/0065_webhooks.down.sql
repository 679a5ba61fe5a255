DROP FUNCTION webhook_number();
