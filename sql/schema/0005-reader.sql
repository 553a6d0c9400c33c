-- What readers of folders need: subscriptions, special use, counts of STATUS, packed states of big folders,
-- facts of messages for FETCH, and notes by which a lost answer to a commit is settled.

-- The last UIDVALIDITY given in this mailbox: the greater of the clock and one more, so that no two of
-- its folders ever have the same.
ALTER TABLE mailbox DROP COLUMN next_folder, ADD COLUMN uidvalidity bigint NOT NULL DEFAULT 0;

ALTER TABLE folder
	ADD COLUMN ndeleted bigint NOT NULL DEFAULT 0,
	ADD COLUMN special smallint NOT NULL DEFAULT 0,  -- FOLDER_ bits of provider/folder.h
	ADD COLUMN recent bigint NOT NULL DEFAULT 1;     -- the first UID that no reader was shown as \Recent

ALTER TABLE entry
	ADD COLUMN zone smallint,                        -- of idate: minutes east of UTC; NULL 0
	ADD COLUMN saved timestamptz;                    -- when it came into this folder; NULL with idate
ALTER TABLE expunged ADD COLUMN zone smallint;

-- Names a reader wants to see; they need no folder.
CREATE TABLE subscription (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	name text NOT NULL,
	PRIMARY KEY (postoffice, mailbox, name),
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
);
-- The owner sees rows of no tenant either, unless the tables let it for a moment.
ALTER TABLE mailbox NO FORCE ROW LEVEL SECURITY;
INSERT INTO subscription SELECT postoffice, mailbox, 'INBOX' FROM mailbox;
ALTER TABLE mailbox FORCE ROW LEVEL SECURITY;
SELECT tenant_table('subscription');
GRANT SELECT, INSERT, UPDATE, DELETE ON subscription TO pennypost_run;

-- All entries of a big folder as they were at a MODSEQ, packed by the front end (view_pack.c). A cache: it may
-- be emptied at any time.
CREATE TABLE folder_snap (
	postoffice bigint NOT NULL,
	folder bigint NOT NULL,
	uidvalidity bigint NOT NULL,
	modseq bigint NOT NULL,
	state bytea NOT NULL,
	PRIMARY KEY (postoffice, folder),
	FOREIGN KEY (postoffice, folder) REFERENCES folder ON DELETE CASCADE
) WITH (fillfactor = 50, toast.autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE folder_snap ALTER COLUMN state SET STORAGE EXTERNAL;
SELECT tenant_table('folder_snap');
GRANT SELECT, INSERT, UPDATE, DELETE ON folder_snap TO pennypost_run;

-- Envelope and part tree as a reader packed them, with what else a FETCH of them needs, so that a message is
-- looked up once. Goes with its message.
CREATE TABLE message_view (
	postoffice bigint NOT NULL,
	msg bigint NOT NULL,
	version smallint NOT NULL,
	blob bigint NOT NULL,
	size bigint NOT NULL,
	hdrlen bigint NOT NULL,
	envelope bytea NOT NULL,
	structure bytea NOT NULL,
	PRIMARY KEY (postoffice, msg)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
SELECT tenant_table('message_view');
GRANT SELECT, INSERT, UPDATE, DELETE ON message_view TO pennypost_run;
GRANT SELECT (postoffice, msg), DELETE ON message_view TO pennypost_system;

-- What a copy or move did, under an id its worker made: should the answer to the commit be lost, the same
-- transaction runs again, and this key lets only one of the two be stored. Kept for an hour.
CREATE TABLE outcome (
	postoffice bigint NOT NULL,
	id bigint NOT NULL,
	uidvalidity bigint NOT NULL,
	first bigint NOT NULL,                           -- UIDs given: first and up, in the order of uids
	modseq bigint NOT NULL,
	uids bigint[] NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, id)
);
CREATE INDEX outcome_at ON outcome (at);
SELECT tenant_table('outcome');
GRANT SELECT, INSERT, DELETE ON outcome TO pennypost_run;
GRANT SELECT (postoffice, id, at), DELETE ON outcome TO pennypost_system;
