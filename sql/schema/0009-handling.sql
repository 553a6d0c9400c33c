-- What owners want done with their mail: passed on, answered.

-- Read with every recipient, so that only those pay who have something here: 1 a row in redirection, 2 one
-- in autoreply.
ALTER TABLE mailbox ADD COLUMN handling smallint NOT NULL DEFAULT 0;

CREATE TABLE redirection (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	keep boolean NOT NULL,                           -- a copy stays in the mailbox
	targets text[] NOT NULL,                         -- addresses in canonical form
	changed timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, mailbox),
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
);

CREATE TABLE autoreply (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	subject text NOT NULL,                           -- '': "Auto: " and that of the message
	body text NOT NULL,
	reply_to text NOT NULL,                          -- '': none
	starts timestamptz NOT NULL,                     -- 1970: at once
	ends timestamptz NOT NULL,                       -- infinity: until it is taken away
	changed timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, mailbox),
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
);

-- Who was told lately, and by what: he is not told again before that moment (RFC 3834 2).
CREATE TABLE answered (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	kind smallint NOT NULL,                          -- enum answer_kind of provider/answer.h
	sender text NOT NULL,                            -- key of the address
	until timestamptz NOT NULL,
	PRIMARY KEY (postoffice, mailbox, kind, sender)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX answered_until ON answered (until);
SELECT tenant_table('redirection'), tenant_table('autoreply'), tenant_table('answered');
GRANT SELECT, INSERT, UPDATE, DELETE ON redirection, autoreply, answered TO pennypost_run;
GRANT SELECT (until), DELETE ON answered TO pennypost_system;

-- Secrets behind rewritten senders (SRS): the youngest one signs, the others are recognised until what they
-- signed has ended.
CREATE TABLE srs_secret (
	id bigint PRIMARY KEY,
	secret bytea NOT NULL,
	made timestamptz NOT NULL DEFAULT now(),
	replaced timestamptz                             -- NULL: it signs
);
INSERT INTO srs_secret (id, secret)
SELECT 1, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');
GRANT SELECT, INSERT, UPDATE, DELETE ON srs_secret TO pennypost_system;

-- The address here that passed a message on: its copies name it in Delivered-To.
ALTER TABLE queue ADD COLUMN via text NOT NULL DEFAULT '';
ALTER TABLE queue_deferred ADD COLUMN via text NOT NULL DEFAULT '';
