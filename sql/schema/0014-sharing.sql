-- Rights of others to a folder (RFC 4314). Its owner has all of them always and stands nowhere here.
CREATE TABLE folder_right (
	postoffice bigint NOT NULL,
	folder bigint NOT NULL,
	kind smallint NOT NULL,                          -- enum acl_kind: 0 anyone, 1 a mailbox, 2 a group
	who bigint NOT NULL,                             -- its id; 0 for anyone
	negative boolean NOT NULL,                       -- these are taken away
	rights bigint NOT NULL,                          -- ACL_ bits
	grantee bigint GENERATED ALWAYS AS (CASE kind WHEN 1 THEN who END) STORED,
	mailgroup bigint GENERATED ALWAYS AS (CASE kind WHEN 2 THEN who END) STORED,
	PRIMARY KEY (postoffice, folder, kind, who, negative),
	FOREIGN KEY (postoffice, folder) REFERENCES folder ON DELETE CASCADE,
	FOREIGN KEY (postoffice, grantee) REFERENCES mailbox ON DELETE CASCADE,
	FOREIGN KEY (postoffice, mailgroup) REFERENCES mailgroup ON DELETE CASCADE
);
CREATE INDEX folder_right_who ON folder_right (postoffice, kind, who);
SELECT tenant_table('folder_right');
GRANT SELECT, INSERT, UPDATE, DELETE ON folder_right TO pennypost_run;

-- Which groups an address is in.
CREATE INDEX mailgroup_member_addr ON mailgroup_member (postoffice, addr);
