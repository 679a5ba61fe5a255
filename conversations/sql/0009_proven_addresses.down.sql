DROP FUNCTION accounts_without_admin();
DROP FUNCTION invitation_by_digest(text);
DROP TRIGGER user_email_is_proven ON conversations_user;
DROP FUNCTION guard_email_is_proven();
DROP TRIGGER account_emailaddress_proof_stays ON account_emailaddress;
DROP FUNCTION guard_proof_stays();
ALTER TABLE account_emailaddress
  DROP CONSTRAINT account_emailaddress_primary_is_proven,
  DROP CONSTRAINT account_emailaddress_folded;
DROP INDEX account_emailaddress_proven_once;
