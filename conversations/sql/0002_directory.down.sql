DROP FUNCTION channels_named(text);
DROP FUNCTION service_token_by_key(text);
DROP FUNCTION account_directory();
DROP FUNCTION membership_in(uuid, uuid);
DROP FUNCTION memberships_of(uuid);
