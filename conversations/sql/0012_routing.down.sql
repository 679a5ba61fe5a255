CREATE FUNCTION channels_named(wanted text)
RETURNS TABLE (account_id uuid, slug text, channel_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT c.account_id, a.slug::text, c.id
    FROM public.conversations_channel c JOIN public.conversations_account a ON a.id = c.account_id
   WHERE c.is_active AND (c.external_id = wanted OR c.name = wanted OR c.id::text = wanted)
$$;
REVOKE EXECUTE ON FUNCTION channels_named(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION channels_named(text) TO app_rw;
DROP FUNCTION channel_by_address(text);
DROP FUNCTION mail_address_usable(text);
DROP FUNCTION channel_claims();
DROP TABLE mail_address_claim;
DROP FUNCTION mail_mailbox(text);
DROP FUNCTION mail_address(text);
