DROP TRIGGER audit_no_truncate ON conversations_auditevent;
DROP TRIGGER audit_guard ON conversations_auditevent;
DROP TRIGGER audit_seal ON conversations_auditevent;
DROP TRIGGER audit_unseal ON conversations_auditevent;
DROP FUNCTION audit_unseal();
DROP FUNCTION audit_guard();
DROP FUNCTION audit_seal();
DROP FUNCTION audit_hash(conversations_auditevent);
