-- What folders were called that are gone, as long as what was in them can be restored.
CREATE TABLE folder_removed (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	folder bigint NOT NULL,
	name text NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, mailbox, folder),
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
);
SELECT tenant_table('folder_removed');
GRANT SELECT, INSERT ON folder_removed TO pennypost_run;
GRANT SELECT, DELETE ON folder_removed TO pennypost_system;
