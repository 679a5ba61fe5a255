-- Whether a database keeps tenants apart as the migrations left it: run it after every restore, as a superuser (or a role
-- that may SET ROLE app_rw), before anybody works on it. It changes nothing and ends with an error that lists what is wrong.
-- deploy/restore-drill.sh runs it.
\set ON_ERROR_STOP 1
BEGIN;
DO $$
DECLARE
  wrong text[] := '{}';
  tenants text[];
  name text;
  own text;
  many bigint;
  account uuid;
BEGIN
  -- 1. Row security: on, forced, and its three policies on every table of a tenant.
  SELECT array_agg(c.relname::text ORDER BY c.relname) INTO tenants FROM pg_class c
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
     AND c.relname <> 'mail_address_claim' -- no tenant's: nobody but its functions may look at it, see below
     AND (c.relname = 'conversations_account'
          OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'account_id' AND a.atttypid = 'uuid'::regtype));
  IF coalesce(cardinality(tenants), 0) < 20 THEN
    RAISE EXCEPTION 'This is no database of Countersign: % tables of tenants were found.', coalesce(cardinality(tenants), 0);
  END IF;
  FOREACH name IN ARRAY tenants LOOP
    IF NOT (SELECT c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c
             WHERE c.relname = name AND c.relnamespace = 'public'::regnamespace) THEN
      wrong := wrong || format('%s: row-level security is not on and forced', name);
    END IF;
    IF (SELECT array_agg(p.policyname::text ORDER BY p.policyname) FROM pg_policies p
         WHERE p.schemaname = 'public' AND p.tablename = name) IS DISTINCT FROM ARRAY['owner_all', 'tenant_ro', 'tenant_rw'] THEN
      wrong := wrong || format('%s: it has other policies than owner_all, tenant_ro and tenant_rw', name);
    ELSIF NOT (SELECT bool_and(p.qual LIKE '%app.account_id%' AND (p.policyname = 'tenant_ro' OR p.with_check = p.qual))
                 FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = name AND p.policyname LIKE 'tenant%') THEN
      wrong := wrong || format('%s: a policy does not ask for the tenant', name);
    END IF;
    FOREACH own IN ARRAY ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER'] LOOP
      IF has_table_privilege('app_rw', format('public.%I', name), own) THEN
        wrong := wrong || format('%s: app_rw may %s', name, own);
      END IF;
    END LOOP;
  END LOOP;

  FOREACH own IN ARRAY ARRAY['app_rw', 'app_ro'] LOOP
    IF has_table_privilege(own, 'public.mail_address_claim', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') THEN
      wrong := wrong || format('mail_address_claim: %s has a right on it', own);
    END IF;
  END LOOP;

  -- 2. Roles: bound by it, and owners of nothing.
  FOR name IN SELECT r.rolname FROM pg_roles r WHERE r.rolname IN ('app_owner', 'app_rw', 'app_ro') AND (r.rolsuper OR r.rolbypassrls) LOOP
    wrong := wrong || format('%s: row-level security does not bind this role', name);
  END LOOP;
  IF (SELECT count(*) FROM pg_roles r WHERE r.rolname IN ('app_owner', 'app_rw', 'app_ro')) < 3 THEN
    wrong := wrong || 'a role is missing: run deploy/roles.sql'::text;
  END IF;
  FOR name IN SELECT c.relname FROM pg_class c
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
         AND c.relname = ANY (tenants) AND pg_get_userbyid(c.relowner) <> 'app_owner' LOOP
    wrong := wrong || format('%s: it belongs to another role than app_owner', name);
  END LOOP;
  IF pg_has_role('app_rw', 'app_owner', 'MEMBER') THEN
    wrong := wrong || 'app_rw is a member of app_owner'::text;
  END IF;

  -- 3. Rights that a restore in the wrong order hands out, triggers that a restore left off, large objects.
  FOREACH name IN ARRAY ARRAY['conversations_auditevent', 'conversations_audithead', 'conversations_auditcheckpoint',
                              'conversations_deliveryattempt', 'drafts_draftaction', 'drafts_draftrevision'] LOOP
    IF has_table_privilege('app_rw', format('public.%I', name), 'DELETE') THEN
      wrong := wrong || format('%s: app_rw may DELETE. Was roles.sql run before the data?', name);
    END IF;
  END LOOP;
  FOR name, own IN SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
       WHERE c.relnamespace = 'public'::regnamespace AND t.tgenabled <> 'O' LOOP
    wrong := wrong || format('%s: its trigger %s is off', name, own);
  END LOOP;
  FOR name IN SELECT p.oid::regprocedure::text FROM pg_proc p
       WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
         AND (p.proconfig IS NULL OR NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search_path=%')
              OR has_function_privilege('app_ro', p.oid, 'EXECUTE')) LOOP
    wrong := wrong || format('%s: it runs as its owner for everybody, or without a search path', name);
  END LOOP;
  FOR name IN SELECT p.oid::regprocedure::text FROM pg_proc p
       WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (p.proname LIKE 'lo\_%' OR p.proname IN ('loread', 'lowrite'))
         AND has_function_privilege('app_rw', p.oid, 'EXECUTE') ORDER BY 1 LOOP
    wrong := wrong || format('%s: app_rw may make large objects. Run deploy/roles.sql as a superuser', name);
  END LOOP;
  IF EXISTS (SELECT FROM pg_largeobject_metadata) THEN
    wrong := wrong || 'there are large objects: nothing here makes any'::text;
  END IF;

  IF wrong = '{}' THEN
    -- 4. And so it behaves: as app_rw nothing without a tenant, and with one no row of another.
    SELECT a.id INTO account FROM public.conversations_account a ORDER BY a.id LIMIT 1;
    SET LOCAL ROLE app_rw;
    FOREACH name IN ARRAY tenants LOOP
      CONTINUE WHEN NOT has_table_privilege(format('public.%I', name), 'SELECT');
      PERFORM set_config('app.account_id', '', true);
      EXECUTE format('SELECT count(*) FROM public.%I', name) INTO many;
      IF many > 0 THEN
        wrong := wrong || format('%s: without a tenant app_rw sees %s rows', name, many);
      END IF;
      own := CASE name WHEN 'conversations_account' THEN 'id' ELSE 'account_id' END;
      PERFORM set_config('app.account_id', account::text, true);
      EXECUTE format('SELECT count(*) FROM public.%I WHERE %I IS DISTINCT FROM $1', name, own) INTO many USING account;
      IF many > 0 THEN
        wrong := wrong || format('%s: a tenant sees %s rows of others', name, many);
      END IF;
    END LOOP;
    RESET ROLE;
  END IF;

  IF wrong <> '{}' THEN
    RAISE EXCEPTION E'Nobody may work on this database yet:\n  %', array_to_string(wrong, E'\n  ');
  END IF;
  RAISE NOTICE '% tables of tenants: row-level security holds.', cardinality(tenants);
END $$;
ROLLBACK;
