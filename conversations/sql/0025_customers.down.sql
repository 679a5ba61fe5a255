-- The columns and tables that it filled are dropped by the migration.
SELECT 1;
