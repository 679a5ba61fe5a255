-- A channel's provider becomes a key of conversations/channels/registry.py; it was free text. Its settings are checked in
-- the shape of that provider, so what belongs to no provider, or to another one, goes.

-- No address changes here, so a channel whose address is contested must not stop the upgrade.
ALTER TABLE conversations_channel DISABLE TRIGGER channel_claims;
UPDATE conversations_channel
   SET provider = CASE type WHEN 'email' THEN 'smtp' WHEN 'chat' THEN 'intercom' ELSE type END;
UPDATE conversations_channel SET metadata = metadata - 'region' WHERE metadata ? 'region';
UPDATE conversations_channel
   SET metadata = metadata - ARRAY[
         'smtp_host', 'smtp_port', 'smtp_security', 'smtp_user', 'authserv_id', 'server_checks', 'signed_return_path'
       ]
 WHERE type <> 'email';
-- A table with deferred checks that still wait cannot be altered.
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE conversations_channel ENABLE TRIGGER channel_claims;
SET CONSTRAINTS ALL DEFERRED;
