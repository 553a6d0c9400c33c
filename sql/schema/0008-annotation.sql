-- Annotations (RFC 5464): small values that readers keep beside a folder, or beside the mailbox as a whole (folder 0).
CREATE TABLE annotation (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	folder bigint NOT NULL,
	name text NOT NULL,                              -- "/private/comment": lower case
	value bytea NOT NULL,
	modseq bigint NOT NULL,                          -- of the mailbox, when it was set last
	PRIMARY KEY (postoffice, mailbox, folder, name),
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
);
SELECT tenant_table('annotation');
GRANT SELECT, INSERT, UPDATE, DELETE ON annotation TO pennypost_run;
