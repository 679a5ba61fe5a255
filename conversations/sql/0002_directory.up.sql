-- The few questions that are asked before a tenant is known. Each is owned by app_owner, pins its search path and
-- answers no more than the caller needs to choose the tenant; this is the whole allow-list of SECURITY DEFINER functions
-- beside audit_seal.

-- Which accounts a person belongs to, for log-in and the tenant menu.
CREATE FUNCTION memberships_of(person uuid)
RETURNS TABLE (account_id uuid, slug text, name text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT a.id, a.slug::text, a.name::text, m.role::text
    FROM public.conversations_membership m JOIN public.conversations_account a ON a.id = m.account_id
   WHERE m.user_id = person AND m.is_active AND a.is_active ORDER BY m.created_at, a.id
$$;

-- Every request checks the membership again; the caller names the tenant in the same statement, by set_config.
CREATE FUNCTION membership_in(person uuid, account uuid)
RETURNS TABLE (role text, slug text, name text, timezone text, unread bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT m.role::text, a.slug::text, a.name::text, a.timezone::text,
         (SELECT count(*) FROM (SELECT 1 FROM public.conversations_notification n
           WHERE n.account_id = a.id AND n.read_at IS NULL AND (n.user_id = person OR n.user_id IS NULL) LIMIT 100) u)
    FROM public.conversations_membership m JOIN public.conversations_account a ON a.id = m.account_id
   WHERE m.user_id = person AND m.account_id = account AND m.is_active AND a.is_active
$$;

-- Work across tenants (workers' sweeps, commands, the platform's list) loops over this.
CREATE FUNCTION account_directory()
RETURNS TABLE (id uuid, slug text, name text, is_active boolean, created_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT a.id, a.slug::text, a.name::text, a.is_active, a.created_at FROM public.conversations_account a ORDER BY a.id
$$;

-- The internal API's caller, by the public half of its token; the secret's hash is compared by the caller.
CREATE FUNCTION service_token_by_key(public_key text)
RETURNS TABLE (id uuid, account_id uuid, name text, secret_hash text, scopes jsonb, expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT t.id, t.account_id, t.name::text, t.secret_hash::text, t.scopes, t.expires_at, t.revoked_at
    FROM public.conversations_servicetoken t JOIN public.conversations_account a ON a.id = t.account_id
   WHERE t.key = public_key AND a.is_active
$$;

-- Which account a channel address belongs to, for commands that name a channel and not a tenant.
CREATE FUNCTION channels_named(wanted text)
RETURNS TABLE (account_id uuid, slug text, channel_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT c.account_id, a.slug::text, c.id
    FROM public.conversations_channel c JOIN public.conversations_account a ON a.id = c.account_id
   WHERE c.is_active AND (c.external_id = wanted OR c.name = wanted OR c.id::text = wanted)
$$;

-- Functions are PUBLIC's by default; these are the runtime role's alone.
REVOKE EXECUTE ON FUNCTION memberships_of(uuid), membership_in(uuid, uuid), account_directory(), service_token_by_key(text),
  channels_named(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memberships_of(uuid), membership_in(uuid, uuid), account_directory(), service_token_by_key(text),
  channels_named(text) TO app_rw;
