-- A second database for copies of the audit trail's checkpoints, on another machine with another superuser than the first.
-- Run there as its superuser:  psql -f deploy/anchors.sql   then give the role a password, and the first its address:
--   AUDIT_ANCHORS=postgresql://countersign_anchor:…@other-machine/anchors
-- The role adds and reads. It cannot change or remove what it added; nor can whoever has the first database.
CREATE TABLE countersign_anchor (
  account uuid NOT NULL,
  number bigint NOT NULL,
  at timestamptz NOT NULL,
  head text NOT NULL,
  count bigint NOT NULL,
  previous text NOT NULL,
  signature text NOT NULL,
  arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (account, number)
);
CREATE ROLE countersign_anchor LOGIN;
GRANT SELECT, INSERT (account, number, at, head, count, previous, signature) ON countersign_anchor TO countersign_anchor;
