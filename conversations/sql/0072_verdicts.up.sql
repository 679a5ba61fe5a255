-- What a scanner said of the bytes stands on every file that has them. Whoever names the bytes waits for a verdict that is being
-- written, and whoever writes one waits for those who name them: neither misses the other.
CREATE FUNCTION attachment_verdict() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  SELECT kept.verdict INTO NEW.verdict FROM public.conversations_storedfile AS kept
    WHERE kept.account_id = NEW.account_id AND kept.sha256 = NEW.sha256 AND kept.dropped_at IS NULL FOR SHARE;
  NEW.verdict := coalesce(NEW.verdict, '');
  RETURN NEW;
END $$;

CREATE FUNCTION storedfile_verdict() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  UPDATE public.conversations_attachment SET verdict = NEW.verdict
    WHERE account_id = NEW.account_id AND sha256 = NEW.sha256 AND verdict <> NEW.verdict;
  RETURN NULL;
END $$;
