-- Envelopes of a big folder, for readers that ask for all of them: those of up to 256 UIDs in a row as one packed value
-- (provider/folder_page.c). Facts of messages never change, so a page is never wrong; what left its folder for another one, or for good,
-- takes its page along. A cache: it may be emptied at any time.
CREATE TABLE folder_page (
	postoffice bigint NOT NULL,
	folder bigint NOT NULL,
	page bigint NOT NULL,                            -- UID / 256
	version smallint NOT NULL,                       -- of the packing and of what is packed
	facts bytea NOT NULL,
	PRIMARY KEY (postoffice, folder, page),
	FOREIGN KEY (postoffice, folder) REFERENCES folder ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE folder_page ALTER COLUMN facts SET STORAGE EXTERNAL;
SELECT tenant_table('folder_page');
GRANT SELECT, INSERT, UPDATE, DELETE ON folder_page TO pennypost_run;
GRANT SELECT (postoffice, folder, page), DELETE ON folder_page TO pennypost_system;
