-- Files that were kept before there were rows of them keep their old names.
INSERT INTO conversations_storedfile
    (id, created_at, account_id, sha256, storage_key, size_bytes, kind, asked_at, kept_at, verdict, finding)
  SELECT gen_random_uuid(), now(), account_id, sha256, storage_key, size_bytes, 'application/octet-stream', now(), now(), '', ''
  FROM (
    SELECT DISTINCT ON (account_id, sha256) account_id, sha256, storage_key, size_bytes
    FROM conversations_attachment ORDER BY account_id, sha256, id
  ) AS found;

-- A reply is never approved with a file that is known to be infected. Whoever enters it has looked before; this is the last look.
CREATE FUNCTION delivery_files() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  IF EXISTS (
    SELECT FROM jsonb_array_elements(NEW.envelope->'files') AS named
    JOIN public.conversations_storedfile AS kept
      ON kept.account_id = NEW.account_id AND kept.sha256 = named->>'sha256' AND kept.verdict = 'infected'
  ) THEN
    RAISE EXCEPTION 'a file of this reply is infected' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
