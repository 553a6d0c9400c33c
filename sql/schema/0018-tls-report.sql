-- Reports about TLS (RFC 8460): addresses of both ends beside each count, and who was told of a day.
ALTER TABLE tls_result
	ADD COLUMN sender text NOT NULL DEFAULT '',      -- our address; '' = not known
	ADD COLUMN receiver text NOT NULL DEFAULT '',    -- the exchanger's
	DROP CONSTRAINT tls_result_pkey,
	ADD CONSTRAINT tls_result_pkey PRIMARY KEY (day, domain, policy, host, result, sender, receiver);

CREATE TABLE tls_report (
	day date NOT NULL,                               -- UTC
	domain text NOT NULL,
	state text NOT NULL,                             -- open, sent, unwanted
	told text NOT NULL DEFAULT '',                   -- targets that have it, divided by blanks
	trouble text NOT NULL DEFAULT '',                -- of the last attempt
	tried timestamptz NOT NULL,
	PRIMARY KEY (day, domain)
) WITH (fillfactor = 70);
GRANT SELECT, INSERT, UPDATE, DELETE ON tls_report TO pennypost_system;
