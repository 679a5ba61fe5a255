DROP FUNCTION action_begins();
DROP FUNCTION action_stays_as_shown();
DROP FUNCTION action_moves_session();
DROP FUNCTION session_ends_its_actions();
DROP FUNCTION action_has_its_receipt();
