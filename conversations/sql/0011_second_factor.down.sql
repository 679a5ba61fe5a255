DROP FUNCTION second_factor_missing(uuid, uuid);
