-- Whose mail an address brings in. One claim a mailbox across all tenants, owned by the first account whose active
-- channel had it, kept when the channel is switched off: nobody takes over what is left lying. A claim without an account
-- is contested: it brings nothing in until a platform operator gives it to somebody (manage.py mail_address).
-- The runtime role has no right on the table; all it can ask is whether it may use an address, and what an address names.

-- One form for one address, NULL for what is none. Other letters than ASCII come here in their ASCII form (IDNA).
CREATE FUNCTION mail_address(written text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT CASE WHEN a ~ '^[a-z0-9.!#$%&''*+/=?^_`{|}~-]{1,64}@[a-z0-9_-]+([.][a-z0-9_-]+)*$' THEN a END
    FROM (SELECT rtrim(lower(btrim(coalesce(written, ''), E' \t\r\n<>')), '.') AS a) form
$$;

-- The mailbox behind an address: what follows a plus is its owner's own matter (RFC 5233).
CREATE FUNCTION mail_mailbox(address text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT regexp_replace(address, '^([^+@]+)[+][^@]*@', '\1@')
$$;

CREATE TABLE mail_address_claim (
  mailbox text PRIMARY KEY,
  account_id uuid REFERENCES conversations_account (id),
  claimed_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON mail_address_claim FROM PUBLIC, app_rw, app_ro;

-- What stands: an address of one account's channels is that account's, one of several accounts' is contested. Active
-- channels come first, for they receive today.
WITH named AS (
  SELECT DISTINCT mail_mailbox(mail_address(a.written)) AS mailbox, c.account_id, c.is_active
    FROM conversations_channel c
   CROSS JOIN LATERAL (VALUES (c.external_id::text), (c.metadata ->> 'address')) a (written)
   WHERE c.type = 'email' AND a.written LIKE '%@%' AND mail_address(a.written) IS NOT NULL
), best AS (
  SELECT mailbox, account_id FROM named n
   WHERE is_active OR NOT EXISTS (SELECT FROM named o WHERE o.mailbox = n.mailbox AND o.is_active)
)
INSERT INTO mail_address_claim (mailbox, account_id)
SELECT mailbox, CASE WHEN count(DISTINCT account_id) = 1 THEN (array_agg(account_id))[1] END FROM best GROUP BY mailbox;

-- An active mail channel claims what it names. Every refusal is the same: the account learns nothing about another.
CREATE FUNCTION channel_claims() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  usable boolean := true;
  own text[] := '{}';
  wanted text;
  holder uuid;
BEGIN
  IF NEW.type <> 'email' OR NOT NEW.is_active THEN RETURN NEW; END IF;
  IF NEW.external_id LIKE '%@%' THEN
    wanted := public.mail_address(NEW.external_id);
    usable := wanted IS NOT NULL;
    NEW.external_id := coalesce(wanted, NEW.external_id);
    own := own || wanted;
  END IF;
  IF usable AND coalesce(NEW.metadata ->> 'address', '') <> '' THEN
    wanted := public.mail_address(NEW.metadata ->> 'address');
    usable := wanted IS NOT NULL;
    IF usable THEN NEW.metadata := jsonb_set(NEW.metadata, '{address}', to_jsonb(wanted)); END IF;
    own := own || wanted;
  END IF;
  IF usable THEN
    -- Locked in one order, so that two channels with the same two addresses cannot wait for each other.
    FOR wanted IN SELECT DISTINCT public.mail_mailbox(a) FROM unnest(own) a ORDER BY 1 LOOP
      INSERT INTO public.mail_address_claim AS claim (mailbox, account_id) VALUES (wanted, NEW.account_id)
        ON CONFLICT (mailbox) DO UPDATE SET mailbox = excluded.mailbox RETURNING claim.account_id INTO holder;
      usable := usable AND holder IS NOT DISTINCT FROM NEW.account_id;
    END LOOP;
    -- Two channels of one account with one address would be two ways for one mail.
    usable := usable AND NOT EXISTS (
      SELECT FROM public.conversations_channel c
       WHERE c.account_id = NEW.account_id AND c.id <> NEW.id AND c.type = 'email' AND c.is_active
         AND (c.external_id = ANY (own) OR c.metadata ->> 'address' = ANY (own)));
  END IF;
  IF NOT usable THEN
    RAISE EXCEPTION 'this address cannot be used'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'channel_claims', TABLE = 'conversations_channel';
  END IF;
  RETURN NEW;
END $$;

-- Whether the tenant of this transaction may use an address. "No" is one answer for all reasons.
CREATE FUNCTION mail_address_usable(written text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  SELECT public.mail_address(written) IS NOT NULL AND NOT EXISTS (
    SELECT FROM public.mail_address_claim k
     WHERE k.mailbox = public.mail_mailbox(public.mail_address(written))
       AND k.account_id IS DISTINCT FROM nullif(current_setting('app.account_id', true), '')::uuid)
$$;

-- The active mail channel that an address names: its own address, else the mailbox before the plus. More than one row
-- is ambiguous, and the caller delivers to none of them.
CREATE FUNCTION channel_by_address(written text)
RETURNS TABLE (account_id uuid, slug text, channel_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
  WITH given AS (
    SELECT public.mail_address(written) AS address, public.mail_mailbox(public.mail_address(written)) AS mailbox
  ), found AS (
    SELECT c.account_id, a.slug::text, c.id AS channel_id,
           CASE WHEN given.address IN (c.external_id, c.metadata ->> 'address') THEN 1 ELSE 2 END AS place
      FROM given
      JOIN public.mail_address_claim k ON k.mailbox = given.mailbox
      JOIN public.conversations_account a ON a.id = k.account_id AND a.is_active
      JOIN public.conversations_channel c ON c.account_id = k.account_id AND c.type = 'email' AND c.is_active
       AND (given.address IN (c.external_id, c.metadata ->> 'address')
            OR given.mailbox IN (c.external_id, c.metadata ->> 'address'))
  )
  SELECT found.account_id, found.slug, found.channel_id FROM found WHERE place = (SELECT min(f.place) FROM found f)
$$;

-- By name, by id, by anybody's text: gone.
DROP FUNCTION channels_named(text);

REVOKE EXECUTE ON FUNCTION channel_claims(), mail_address_usable(text), channel_by_address(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mail_address_usable(text), channel_by_address(text) TO app_rw;
