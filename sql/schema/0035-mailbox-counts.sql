-- What every delivery changes in a mailbox's row now stands side by side. PostgreSQL logs of a changed row what lies between
-- the first and the last octet that differ, and `delivered` came last (0031), with much between it and the others. Every
-- mailbox's row is written once. The owner sees rows of tenants only while the table lets it.
ALTER TABLE mailbox NO FORCE ROW LEVEL SECURITY;
ALTER TABLE mailbox RENAME COLUMN used TO used_before;
ALTER TABLE mailbox RENAME COLUMN nmsg TO nmsg_before;
ALTER TABLE mailbox RENAME COLUMN modseq TO modseq_before;
ALTER TABLE mailbox
	ADD COLUMN used bigint NOT NULL DEFAULT 0,       -- raw bytes
	ADD COLUMN nmsg bigint NOT NULL DEFAULT 0,
	ADD COLUMN modseq bigint NOT NULL DEFAULT 1;
UPDATE mailbox SET used = used_before, nmsg = nmsg_before, modseq = modseq_before;
ALTER TABLE mailbox DROP COLUMN used_before, DROP COLUMN nmsg_before, DROP COLUMN modseq_before;
ALTER TABLE mailbox FORCE ROW LEVEL SECURITY;
