-- Who was asked to come again (greylisting): a network, a sender and a recipient under one digest.
CREATE TABLE greylist (
	postoffice bigint NOT NULL,
	key bytea NOT NULL,
	first timestamptz NOT NULL,                      -- when it came first
	last timestamptz NOT NULL,                       -- when it came last
	passed boolean NOT NULL DEFAULT false,
	PRIMARY KEY (postoffice, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX greylist_last ON greylist (last);
SELECT tenant_table('greylist');
GRANT SELECT, INSERT, UPDATE ON greylist TO pennypost_run;
GRANT SELECT (last), DELETE ON greylist TO pennypost_system;
