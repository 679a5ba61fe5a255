DROP FUNCTION search_passages(tsquery, int);
