-- Keys by which domains sign their mail (DKIM, ARC). A domain has any number, under selectors of their
-- own; several may sign side by side.

CREATE TABLE dkim_key (
	postoffice bigint NOT NULL,
	domain text NOT NULL,
	selector text NOT NULL,                          -- lower case
	algorithm smallint NOT NULL,                     -- enum signature_algorithm of mail/signature.h
	state smallint NOT NULL DEFAULT 0,               -- 0 waits to be published, 1 signs, 2 retired
	public bytea NOT NULL,                           -- p= of the record to publish
	secret bytea NOT NULL,                           -- private key, encrypted with the house's secret
	made timestamptz NOT NULL DEFAULT now(),
	changed timestamptz NOT NULL DEFAULT now(),      -- when it got its state
	PRIMARY KEY (postoffice, domain, selector),
	FOREIGN KEY (postoffice, domain) REFERENCES domain ON DELETE CASCADE
);
SELECT tenant_table('dkim_key');
GRANT SELECT, INSERT, UPDATE, DELETE ON dkim_key TO pennypost_run;
