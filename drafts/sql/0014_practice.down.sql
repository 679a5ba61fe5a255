DROP TRIGGER practice_goes_with_message ON conversations_message;
DROP FUNCTION practice_goes_with_message();
DROP FUNCTION lost_practice(timestamptz);
DROP FUNCTION practice_runs();
DROP FUNCTION practice_of_team();
DROP FUNCTION practice_turn_stays();
DROP FUNCTION practice_turn_begins();
DROP FUNCTION practice_is_its_persons();
DROP FUNCTION scenario_stays_as_set();
