-- Tokens of persons (docs/decisions/0070): whose it is and what they are there now, asked before a tenant is known.

-- As service_token_by_key, which processes of the release before still ask, and: the person, their role in the account (null
-- for whoever has none any more, or was switched off), and whether the account wants a second factor that they lack.
CREATE FUNCTION service_token_by_key_v2(public_key text)
RETURNS TABLE (id uuid, account_id uuid, name text, secret_hash text, scopes jsonb, expires_at timestamptz, revoked_at timestamptz,
               user_id uuid, role text, factor_missing boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT t.id, t.account_id, t.name::text, t.secret_hash::text, t.scopes, t.expires_at, t.revoked_at, t.user_id, m.role::text,
         t.user_id IS NOT NULL AND public.second_factor_missing(t.user_id, t.account_id)
    FROM public.conversations_servicetoken t
    JOIN public.conversations_account a ON a.id = t.account_id
    LEFT JOIN public.conversations_user u ON u.id = t.user_id AND u.is_active
    LEFT JOIN public.conversations_membership m ON m.account_id = t.account_id AND m.user_id = u.id AND m.is_active
   WHERE t.key = public_key AND a.is_active
$$;

-- A person's tokens end when they change their password, are switched off, get another role or leave, whoever does that and
-- wherever. For good: a role that is given back gives no token back. A password is changed where no tenant is known.
CREATE FUNCTION own_tokens_end() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_TABLE_NAME = 'conversations_user' THEN
    IF (OLD.password, OLD.is_active) IS DISTINCT FROM (NEW.password, NEW.is_active) THEN
      UPDATE public.conversations_servicetoken SET revoked_at = clock_timestamp() WHERE user_id = OLD.id AND revoked_at IS NULL;
    END IF;
  ELSIF TG_OP = 'DELETE' OR (OLD.role, OLD.is_active, OLD.user_id) IS DISTINCT FROM (NEW.role, NEW.is_active, NEW.user_id) THEN
    UPDATE public.conversations_servicetoken SET revoked_at = clock_timestamp()
     WHERE account_id = OLD.account_id AND user_id = OLD.user_id AND revoked_at IS NULL;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER own_tokens_end AFTER UPDATE OF password, is_active ON conversations_user
  FOR EACH ROW EXECUTE FUNCTION own_tokens_end();
CREATE TRIGGER own_tokens_end AFTER UPDATE OR DELETE ON conversations_membership
  FOR EACH ROW EXECUTE FUNCTION own_tokens_end();

REVOKE EXECUTE ON FUNCTION service_token_by_key_v2(text), own_tokens_end() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION service_token_by_key_v2(text) TO app_rw;
