-- The three roles, idempotent. Run once as a superuser (or a role that may create roles), connected to the database that
-- app_owner owns: createuser app_owner; createdb -O app_owner countersign; psql -d countersign -f deploy/roles.sql
-- Then give each a password: ALTER ROLE app_rw PASSWORD '...';
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['app_owner', 'app_rw', 'app_ro'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', name);
    END IF;
  END LOOP;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO app_owner;
GRANT USAGE ON SCHEMA public TO app_rw, app_ro;
-- Tables without a tenant (log-in, sessions, jobs) follow these; a tenant table's own guard narrows them.
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app_rw;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO app_rw;
DO $$
BEGIN
  -- A temporary table could shadow one of ours for this session.
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('ALTER ROLE app_rw IN DATABASE %I SET max_parallel_workers_per_gather = 0', current_database());
END $$;

-- Large objects belong to nobody's tenant, are seen by all, and make backups as app_owner fail. Nothing here uses them.
-- Only a superuser may take these rights away; elsewhere a warning says so, and `check --deploy` too (countersign.E024).
DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND (p.proname LIKE 'lo\_%' OR p.proname IN ('loread', 'lowrite')) LOOP
    BEGIN
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC, app_rw, app_ro', made);
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE WARNING '% may still be used by everybody: run this as a superuser', made;
    END;
  END LOOP;
END $$;
