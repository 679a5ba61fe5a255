-- The columns go with 0021; nothing of before is to be brought back.
SELECT 1;
