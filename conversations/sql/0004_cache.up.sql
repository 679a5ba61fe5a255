-- The shared cache (log-in rate limits must count across processes), made here because the runtime role creates nothing.
CREATE TABLE django_cache (
  cache_key varchar(255) NOT NULL PRIMARY KEY,
  value text NOT NULL,
  expires timestamptz NOT NULL
);
CREATE INDEX django_cache_expires ON django_cache (expires);
GRANT SELECT, INSERT, UPDATE, DELETE ON django_cache TO app_rw;

-- The runtime role may ask which migrations are in (/readyz), and not write there.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON django_migrations FROM app_rw;
