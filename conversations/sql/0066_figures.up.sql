-- What an operator watches, over all tenants: numbers under names and labels of our own, never a text and never a tenant. The
-- runtime role sees one tenant at a time, so this runs as the owner. Labels are states, kinds of ours and names of queues.
CREATE FUNCTION installation_figures() RETURNS TABLE (name text, labels jsonb, value double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  -- Ids begin with their time, so the rows of the last hour and of the last week are at the end of the primary key.
  hour_ago uuid := (lpad(to_hex((extract(epoch FROM now() - interval '1 hour') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
  week_ago uuid := (lpad(to_hex((extract(epoch FROM now() - interval '7 days') * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
BEGIN
  RETURN QUERY SELECT 'deliveries'::text, jsonb_build_object('status', d.status), count(*)::double precision
    FROM public.conversations_delivery d WHERE d.status IN ('held', 'queued', 'sending') GROUP BY d.status;
  RETURN QUERY SELECT 'deliveries_last_week', jsonb_build_object('status', d.status), count(*)::double precision
    FROM public.conversations_delivery d WHERE d.id >= week_ago AND d.status NOT IN ('held', 'queued', 'sending') GROUP BY d.status;
  RETURN QUERY SELECT 'delivery_oldest_due_seconds', '{}'::jsonb,
    coalesce(max(extract(epoch FROM now() - d.next_attempt_at)), 0)::double precision
    FROM public.conversations_delivery d WHERE d.status IN ('queued', 'sending') AND d.next_attempt_at < now();
  RETURN QUERY SELECT 'attempts_last_hour', jsonb_build_object('outcome', CASE t.outcome WHEN '' THEN 'running' ELSE t.outcome END, 'provider', c.provider),
    count(*)::double precision
    FROM public.conversations_deliveryattempt t JOIN public.conversations_delivery d ON d.id = t.delivery_id
    JOIN public.conversations_channel c ON c.id = d.channel_id WHERE t.id >= hour_ago GROUP BY t.outcome, c.provider;
  RETURN QUERY SELECT 'drafts_waiting', '{}'::jsonb, count(*)::double precision
    FROM public.drafts_draft f WHERE f.status = 'pending';
  RETURN QUERY SELECT 'drafts_late', '{}'::jsonb, count(*)::double precision
    FROM public.drafts_draft f WHERE f.status = 'pending' AND f.due_at < now();
  RETURN QUERY SELECT 'inbound_waiting', jsonb_build_object('status', i.status), count(*)::double precision
    FROM public.ingestion_inboundevent i WHERE i.id >= week_ago AND i.status IN ('received', 'quarantined', 'failed') GROUP BY i.status;
  RETURN QUERY SELECT 'channels_on', '{}'::jsonb, count(*)::double precision
    FROM public.conversations_channel c WHERE c.is_active;
  RETURN QUERY SELECT 'channels_paused', '{}'::jsonb, count(*)::double precision
    FROM public.conversations_channelhealth h JOIN public.conversations_channel c ON c.id = h.channel_id
    WHERE c.is_active AND h.paused_until > now();
  RETURN QUERY SELECT 'channels_signed_out', '{}'::jsonb, count(*)::double precision
    FROM public.conversations_channeltoken t JOIN public.conversations_channel c ON c.id = t.channel_id
    WHERE c.is_active AND t.is_broken;
  RETURN QUERY SELECT 'channel_token_least_seconds', '{}'::jsonb, min(extract(epoch FROM t.expires_at - now()))::double precision
    FROM public.conversations_channeltoken t JOIN public.conversations_channel c ON c.id = t.channel_id
    WHERE c.is_active AND NOT t.is_broken AND t.expires_at IS NOT NULL HAVING count(*) > 0;
  RETURN QUERY SELECT 'mailbox_longest_unread_seconds', '{}'::jsonb,
    max(extract(epoch FROM now() - coalesce(m.fetched_at, m.created_at)))::double precision
    FROM public.ingestion_mailbox m JOIN public.conversations_channel c ON c.id = m.channel_id
    WHERE c.is_active HAVING count(*) > 0;
  RETURN QUERY SELECT 'jobs', jsonb_build_object('queue', j.queue_name, 'status', j.status::text), count(*)::double precision
    FROM public.procrastinate_jobs j WHERE j.status IN ('todo', 'doing', 'failed') GROUP BY j.queue_name, j.status;
  RETURN QUERY SELECT 'job_oldest_due_seconds', jsonb_build_object('queue', j.queue_name),
    max(extract(epoch FROM now() - coalesce(j.scheduled_at, asked.at)))::double precision
    FROM public.procrastinate_jobs j
    -- A job that may begin at once has no time of its own: it was asked for when its first event says.
    LEFT JOIN LATERAL (SELECT min(v.at) AS at FROM public.procrastinate_events v WHERE v.job_id = j.id) asked ON j.scheduled_at IS NULL
    WHERE j.status = 'todo' AND coalesce(j.scheduled_at, asked.at) < now() GROUP BY j.queue_name;
  RETURN QUERY SELECT 'workers_alive', '{}'::jsonb, count(*)::double precision
    FROM public.procrastinate_workers w WHERE w.last_heartbeat > now() - interval '60 seconds';
  RETURN QUERY SELECT 'webhook_endpoints', jsonb_build_object('state', CASE WHEN e.state = 'on' AND e.failing_since IS NOT NULL THEN 'failing' ELSE e.state END),
    count(*)::double precision FROM public.conversations_webhookendpoint e GROUP BY 2;
  RETURN QUERY SELECT 'webhook_deliveries_waiting', '{}'::jsonb, count(*)::double precision
    FROM public.conversations_webhookdelivery w WHERE w.status IN ('pending', 'sending');
  RETURN QUERY SELECT 'webhook_deliveries_given_up_last_week', '{}'::jsonb, count(*)::double precision
    FROM public.conversations_webhookdelivery w WHERE w.status = 'given_up' AND w.updated_at > now() - interval '7 days';
END $$;

REVOKE EXECUTE ON FUNCTION installation_figures() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION installation_figures() TO app_rw;
