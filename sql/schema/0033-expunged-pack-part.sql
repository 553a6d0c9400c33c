-- A removal of more than 10,000 is so many rows as it takes: none is ever too large to be unpacked within one statement's time.
ALTER TABLE expunged_pack ADD COLUMN part int NOT NULL DEFAULT 0;
ALTER TABLE expunged_pack DROP CONSTRAINT expunged_pack_pkey, ADD PRIMARY KEY (postoffice, mailbox, modseq, part);
