-- Where addresses lead besides mailboxes: groups, masks, and domains that stand for others.

-- A domain that stands for another one of its post office has no addresses of its own.
ALTER TABLE domain ADD COLUMN stands_for text,
	ADD FOREIGN KEY (postoffice, stands_for) REFERENCES domain (postoffice, name) ON DELETE CASCADE;
CREATE INDEX domain_stands_for ON domain (postoffice, stands_for) WHERE stands_for IS NOT NULL;

CREATE TABLE mailgroup (
	postoffice bigint NOT NULL REFERENCES postoffice ON DELETE CASCADE,
	mailgroup bigint NOT NULL,
	name text NOT NULL,                              -- as written when it was made
	folded text NOT NULL,                            -- for comparison
	title text NOT NULL DEFAULT '',
	posting smallint NOT NULL DEFAULT 0,             -- enum group_posting
	made timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, mailgroup),
	UNIQUE (postoffice, folded)
);
SELECT tenant_table('mailgroup');
GRANT SELECT, INSERT, UPDATE, DELETE ON mailgroup TO pennypost_run;

CREATE TABLE mailgroup_member (
	postoffice bigint NOT NULL,
	mailgroup bigint NOT NULL,
	addr text NOT NULL,                              -- folded local@domain
	written text NOT NULL,                           -- canonical, case as given: for RCPT
	domain text NOT NULL,
	PRIMARY KEY (postoffice, mailgroup, addr),
	FOREIGN KEY (postoffice, mailgroup) REFERENCES mailgroup ON DELETE CASCADE
);
SELECT tenant_table('mailgroup_member');
GRANT SELECT, INSERT, UPDATE, DELETE ON mailgroup_member TO pennypost_run;

-- An address leads to a mailbox or to a group.
ALTER TABLE address ALTER COLUMN mailbox DROP NOT NULL,
	ADD COLUMN mailgroup bigint,
	ADD FOREIGN KEY (postoffice, mailgroup) REFERENCES mailgroup ON DELETE CASCADE,
	ADD CHECK (num_nonnulls(mailbox, mailgroup) = 1);
CREATE INDEX address_mailgroup ON address (postoffice, mailgroup) WHERE mailgroup IS NOT NULL;

-- Asked when no exact address is there. One without * and ? is a single address that leads elsewhere.
CREATE TABLE address_mask (
	postoffice bigint NOT NULL,
	domain text NOT NULL,
	mask text NOT NULL,                              -- folded local part with * and ?
	pattern text NOT NULL,                           -- the same for LIKE
	place bigint NOT NULL,                           -- smaller ones first
	target text NOT NULL,                            -- [SF:postoffice/name], [SMTP:local@domain]
	PRIMARY KEY (postoffice, domain, mask),
	FOREIGN KEY (postoffice, domain) REFERENCES domain ON DELETE CASCADE
);
CREATE INDEX address_mask_place ON address_mask (postoffice, domain, place, mask);
SELECT tenant_table('address_mask');
GRANT SELECT, INSERT, UPDATE, DELETE ON address_mask TO pennypost_run;
GRANT SELECT (postoffice, domain) ON address_mask TO pennypost_system;
