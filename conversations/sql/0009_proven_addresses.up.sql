-- An address is somebody's only when they have proven it (docs/decisions/0021). allauth keeps the proofs; what must never be
-- true of them is refused here, whoever writes: allauth, the admin, a command.

-- People who were invited or made by a command have no row yet. None is made verified: nobody was ever asked for a proof.
-- No address of this product was ever told apart by case, so the folded form is the address.
UPDATE account_emailaddress SET email = lower(email) WHERE email <> lower(email);
INSERT INTO account_emailaddress (user_id, email, verified, "primary")
SELECT u.id, lower(u.email), false, false FROM conversations_user u
 WHERE u.email <> '' AND NOT EXISTS (SELECT FROM account_emailaddress a WHERE a.user_id = u.id AND a.email = lower(u.email));
UPDATE account_emailaddress SET "primary" = false WHERE "primary" AND NOT verified;
-- The keys of the new rows are checked now: a table is not altered while checks wait for the end of the transaction.
SET CONSTRAINTS ALL IMMEDIATE;

-- Any number may say that an address is theirs; one has proven it.
CREATE UNIQUE INDEX account_emailaddress_proven_once ON account_emailaddress (lower(email)) WHERE verified;
ALTER TABLE account_emailaddress
  ADD CONSTRAINT account_emailaddress_folded CHECK (email = lower(email)),
  ADD CONSTRAINT account_emailaddress_primary_is_proven CHECK (verified OR NOT "primary");

-- A proof is of one address for one person: neither is swapped under it.
CREATE FUNCTION guard_proof_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  RAISE EXCEPTION 'the address % is proven for one person; add another one instead', OLD.email USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER account_emailaddress_proof_stays BEFORE UPDATE OF email, user_id ON account_emailaddress FOR EACH ROW
  WHEN (NEW.verified AND (OLD.email <> NEW.email OR OLD.user_id <> NEW.user_id)) EXECUTE FUNCTION guard_proof_stays();

-- What a person signs in with and is shown under changes only to an address that they have proven.
CREATE FUNCTION guard_email_is_proven() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM public.account_emailaddress a
                  WHERE a.user_id = NEW.id AND a.email = lower(NEW.email) AND a.verified) THEN
    RAISE EXCEPTION 'the address % is not proven for this person', NEW.email USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER user_email_is_proven BEFORE UPDATE OF email ON conversations_user FOR EACH ROW
  WHEN (lower(OLD.email) <> lower(NEW.email)) EXECUTE FUNCTION guard_email_is_proven();

-- Whose invitation a link is, before a tenant is known: by the digest of its secret, and only while it can be accepted.
CREATE FUNCTION invitation_by_digest(wanted text)
RETURNS TABLE (account_id uuid, invitation_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT i.account_id, i.id FROM public.conversations_invitation i
    JOIN public.conversations_account a ON a.id = i.account_id
   WHERE wanted <> '' AND i.token_digest = wanted AND a.is_active AND i.expires_at > statement_timestamp()
     AND i.accepted_at IS NULL AND i.declined_at IS NULL AND i.revoked_at IS NULL
$$;

-- The platform's list: accounts without an active admin, and until when somebody is invited to be it.
CREATE FUNCTION accounts_without_admin()
RETURNS TABLE (account_id uuid, invited_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT a.id, (SELECT max(i.expires_at) FROM public.conversations_invitation i
                 WHERE i.account_id = a.id AND i.role = 'admin'
                   AND i.accepted_at IS NULL AND i.declined_at IS NULL AND i.revoked_at IS NULL)
    FROM public.conversations_account a
   WHERE NOT EXISTS (SELECT FROM public.conversations_membership m
                      WHERE m.account_id = a.id AND m.role = 'admin' AND m.is_active)
$$;
REVOKE EXECUTE ON FUNCTION invitation_by_digest(text), accounts_without_admin() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invitation_by_digest(text), accounts_without_admin() TO app_rw;
