-- Whether this account wants a second factor that this person does not have. Asked with every membership, so that the
-- rule is in one place; recovery codes alone are none (they go with the last factor).
CREATE FUNCTION second_factor_missing(person uuid, account uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT coalesce((SELECT (a.settings ->> 'second_factor')::boolean FROM public.conversations_account a WHERE a.id = account), false)
     AND NOT EXISTS (SELECT FROM public.mfa_authenticator f WHERE f.user_id = person AND f.type IN ('totp', 'webauthn'))
$$;
REVOKE EXECUTE ON FUNCTION second_factor_missing(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION second_factor_missing(uuid, uuid) TO app_rw;
