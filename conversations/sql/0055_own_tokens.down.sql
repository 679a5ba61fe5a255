DROP TRIGGER own_tokens_end ON conversations_membership;
DROP TRIGGER own_tokens_end ON conversations_user;
DROP FUNCTION own_tokens_end();
DROP FUNCTION service_token_by_key_v2(text);
-- Without the column a person's token would be a service's.
DELETE FROM conversations_servicetoken WHERE user_id IS NOT NULL;
