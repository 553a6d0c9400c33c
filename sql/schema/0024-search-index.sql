-- The index of searches (mail/sketch.h): what each message can not hold, filled behind deliveries where search_index is on. A
-- cache: a message without a row is read.
CREATE TABLE message_sketch (
	postoffice bigint NOT NULL,
	msg bigint NOT NULL,
	version smallint NOT NULL,                       -- of its form
	sketch bytea NOT NULL,                           -- 32 to 4096 octets
	PRIMARY KEY (postoffice, msg)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE message_sketch ALTER COLUMN sketch SET STORAGE EXTERNAL; -- bits by chance: nothing to compress
SELECT tenant_table('message_sketch');
GRANT SELECT, INSERT, UPDATE, DELETE ON message_sketch TO pennypost_run;
GRANT SELECT (postoffice, msg), DELETE ON message_sketch TO pennypost_system;

-- How far it is. Messages from `settled` on may still be without, those from `reached` up to there have theirs; what is
-- older waits for its turn.
CREATE TABLE search_index (
	postoffice bigint PRIMARY KEY REFERENCES postoffice ON DELETE CASCADE,
	version smallint NOT NULL,
	settled bigint NOT NULL,
	reached bigint NOT NULL,                         -- 0: to the oldest one
	since timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
SELECT tenant_table('search_index');
GRANT SELECT, INSERT, UPDATE, DELETE ON search_index TO pennypost_run;
GRANT SELECT ON search_index TO pennypost_system;
