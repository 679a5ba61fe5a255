DROP FUNCTION installation_figures();
