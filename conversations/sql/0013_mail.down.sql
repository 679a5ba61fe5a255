DROP FUNCTION delivery_without_person();
