-- What a request needs to know of the person, in the one statement that checks the membership: the role's own rules,
-- the channels that an agent is kept to (none: all), and the unread notifications among those that the person wants and
-- may see. membership_in stays for the streams, which ask only whether somebody still belongs here.
CREATE FUNCTION membership_in_v2(person uuid, account uuid)
RETURNS TABLE (role text, slug text, name text, timezone text, rules json, channels uuid[], unread bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT m.role::text, a.slug::text, a.name::text, a.timezone::text,
         (SELECT coalesce(json_object_agg(r.verb, r.allowed), '{}') FROM public.conversations_policyrule r
           WHERE r.account_id = a.id AND r.role = m.role AND r.kind = 'any'),
         own.channels,
         (SELECT count(*) FROM (SELECT 1 FROM public.conversations_notification n
           WHERE n.account_id = a.id AND n.read_at IS NULL AND (n.user_id = person OR n.user_id IS NULL)
             AND NOT coalesce(u.preferences -> 'muted' ? n.type, false)
             AND (own.channels = '{}' OR n.payload ->> 'conversation' IS NULL OR EXISTS (
               SELECT FROM public.conversations_conversation c WHERE c.account_id = a.id
                  AND c.id = (n.payload ->> 'conversation')::uuid AND c.channel_id = ANY (own.channels)))
           LIMIT 100) waiting)
    FROM public.conversations_membership m
    JOIN public.conversations_account a ON a.id = m.account_id
    JOIN public.conversations_user u ON u.id = m.user_id
   CROSS JOIN LATERAL (SELECT CASE WHEN m.role = 'agent' THEN ARRAY(
           SELECT c.channel_id FROM public.conversations_membershipchannel c
            WHERE c.account_id = a.id AND c.membership_id = m.id ORDER BY c.channel_id)
         ELSE '{}' END AS channels) own
   WHERE m.user_id = person AND m.account_id = account AND m.is_active AND a.is_active
$$;
REVOKE EXECUTE ON FUNCTION membership_in_v2(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION membership_in_v2(uuid, uuid) TO app_rw;
