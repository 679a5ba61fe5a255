#!/bin/sh
# Restores a dump into a new database, looks whether row-level security holds there, and counts the rows.
#
#   deploy/restore-drill.sh DUMP NEW_DATABASE [ORIGINAL_DATABASE]
#
# Connects as PGHOST, PGPORT and PGPASSFILE say: as the superuser PGUSER (default postgres), and as app_owner. With an
# original the row counts of all tables are compared. Ends with 0 only if everything holds; NEW_DATABASE is left for
# `manage.py verify_audit` and is dropped by you. See docs/deployment.md, section 7.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  sed -n '4p' "$0" >&2
  exit 64
fi
dump=$1 new=$2 original=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
PGUSER=${PGUSER:-postgres}
PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning"
export PGUSER PGOPTIONS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

createdb --owner app_owner --template template0 --encoding UTF8 --locale C.UTF-8 "$new"
# Rights on PostgreSQL's own functions (large objects) are roles.sql's to take away: app_owner could not.
pg_restore --list "$dump" | grep -v ' ACL pg_catalog ' > "$work/list"
pg_restore --username app_owner --dbname "$new" --exit-on-error --use-list "$work/list" "$dump"
# After the data: run before, its default privileges would hand out rights that the dump does not take away again.
psql --no-psqlrc --quiet --dbname "$new" --set ON_ERROR_STOP=1 --file "$here/roles.sql"
PGOPTIONS="-c client_min_messages=notice" psql --no-psqlrc --quiet --dbname "$new" --file "$here/restore-check.sql"

counts() {
  psql --no-psqlrc --username app_owner --dbname "$1" --set ON_ERROR_STOP=1 -XAtF ' ' <<'SQL'
SELECT format('SELECT %L, count(*) FROM public.%I', relname, relname) FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname \gexec
SQL
}
counts "$new" > "$work/new"
if [ -n "$original" ]; then
  counts "$original" > "$work/original"
  if ! diff "$work/original" "$work/new" >&2; then
    echo "The row counts of $original (<) and $new (>) differ." >&2
    exit 1
  fi
  echo "$(wc -l < "$work/new") tables have as many rows as in $original."
else
  cat "$work/new"
fi
echo "Row-level security holds in $new. Then, with DATABASE_URL naming it: manage.py verify_audit"
