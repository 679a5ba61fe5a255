-- Whose channel a vendor posts to, by the digest of the token in the address: asked before any tenant is known. One that was
-- replaced is found until its time is over; a channel that is switched off is found, for its vendor must not be told so.
CREATE FUNCTION channel_by_hook(wanted text)
RETURNS TABLE (account_id uuid, channel_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT h.account_id, h.channel_id
    FROM public.conversations_channelhook h JOIN public.conversations_account a ON a.id = h.account_id
   WHERE h.digest = wanted AND (h.expires_at IS NULL OR h.expires_at > now()) AND a.is_active
$$;

REVOKE EXECUTE ON FUNCTION channel_by_hook(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION channel_by_hook(text) TO app_rw;
