DROP FUNCTION promptversion_text_fixed();
DROP FUNCTION draft_answers_latest();
