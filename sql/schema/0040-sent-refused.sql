-- How much of a mailbox's own mail other systems refused, and until when it writes to none (T19). As with `sent`, a crash of
-- PostgreSQL forgets the last hour.
CREATE UNLOGGED TABLE sent_refused (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	since timestamptz NOT NULL,                      -- counted from then on, for an hour
	ended bigint NOT NULL,                           -- recipients that have the mail, or never will
	refused bigint NOT NULL,                         -- of them by a 5xx of their host
	until timestamptz,                               -- it writes to no other system, and nothing is counted
	PRIMARY KEY (postoffice, mailbox)
) WITH (fillfactor = 50);
SELECT tenant_table('sent_refused');
GRANT SELECT, INSERT, UPDATE, DELETE ON sent_refused TO pennypost_run, pennypost_system;
