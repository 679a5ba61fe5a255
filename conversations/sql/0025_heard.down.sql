-- Its tables are gone with the migration.
SELECT 1;
