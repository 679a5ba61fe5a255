DROP FUNCTION attachment_verdict();
DROP FUNCTION storedfile_verdict();
