-- To how many different addresses at other systems a mailbox wrote (T19). As with `sent`, a crash of PostgreSQL forgets the last hour.
ALTER TABLE sent ADD COLUMN targets bigint NOT NULL DEFAULT 0; -- written to in that hour, and in none since
CREATE UNLOGGED TABLE sent_target (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	target bigint NOT NULL,                          -- hash of the address
	hour timestamptz NOT NULL,                       -- the last one
	PRIMARY KEY (postoffice, mailbox, target)
);
SELECT tenant_table('sent_target');
GRANT SELECT, INSERT, UPDATE, DELETE ON sent_target TO pennypost_run;
GRANT SELECT, DELETE ON sent_target TO pennypost_system;
