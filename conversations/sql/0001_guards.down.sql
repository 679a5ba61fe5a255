DROP FUNCTION message_withdrawn();
DROP FUNCTION message_arrives();
DROP FUNCTION guard_truncate();
DROP FUNCTION guard_append_only();
DROP FUNCTION guard_transition();
