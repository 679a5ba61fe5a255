-- Under row-level security no full-text condition can use an index (@@ is not leakproof), so the search pins the tenant
-- itself: the function runs as the owner, reads the caller's tenant setting and nothing else decides what it sees.
CREATE FUNCTION search_passages(question tsquery, most int)
RETURNS TABLE (id uuid, rank real)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT p.id, ts_rank(p.search, question, 1) AS rank
    FROM public.ingestion_passage p
   WHERE p.account_id = nullif(current_setting('app.account_id', true), '')::uuid AND p.search @@ question
   ORDER BY rank DESC, p.id LIMIT most
$$;

REVOKE EXECUTE ON FUNCTION search_passages(tsquery, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_passages(tsquery, int) TO app_rw;
