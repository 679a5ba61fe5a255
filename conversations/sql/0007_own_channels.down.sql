DROP FUNCTION membership_in_v2(uuid, uuid);
