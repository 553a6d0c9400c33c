-- Big removals: what one of them took away is one row until the housekeeper makes rows of `expunged` of it, or somebody wants
-- something of it back. Five thousand rows and as many places in an index were most of what such a client waited for.
CREATE TABLE expunged_pack (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	modseq bigint NOT NULL,                          -- of the removal
	folder bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	uids bigint[] NOT NULL,                          -- and what belongs to each of them, in the same order
	messages bigint[] NOT NULL,
	flags bigint[] NOT NULL,
	idates timestamptz[] NOT NULL,
	zones smallint[] NOT NULL,
	PRIMARY KEY (postoffice, mailbox, modseq)
);
-- They live for an hour: to compress them costs more than it spares.
ALTER TABLE expunged_pack
	ALTER COLUMN uids SET STORAGE EXTERNAL, ALTER COLUMN messages SET STORAGE EXTERNAL, ALTER COLUMN flags SET STORAGE EXTERNAL,
	ALTER COLUMN idates SET STORAGE EXTERNAL, ALTER COLUMN zones SET STORAGE EXTERNAL;
SELECT tenant_table('expunged_pack');
GRANT SELECT, INSERT, DELETE ON expunged_pack TO pennypost_run;
GRANT SELECT, DELETE ON expunged_pack TO pennypost_system;
