-- Who is logged on. A row counts as long as its process has its number; written once a second by each (session.c).
CREATE TABLE session (
	postoffice bigint NOT NULL,
	session bigint NOT NULL,
	mailbox bigint NOT NULL,
	service smallint NOT NULL,                       -- enum service of base/metric.h
	address text NOT NULL,
	since timestamptz NOT NULL,
	node int NOT NULL,                               -- of its process, with the token of that lease
	token bigint NOT NULL,
	ends boolean NOT NULL DEFAULT false,             -- an operator wants it to end
	PRIMARY KEY (postoffice, session)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX session_ends ON session (node, token) WHERE ends;
SELECT tenant_table('session');
GRANT SELECT, INSERT, UPDATE, DELETE ON session TO pennypost_system;

-- Logons that are noted in batches.
GRANT SELECT, INSERT, UPDATE ON logon TO pennypost_system;
