-- What a destination must have, and may be asked for, of its own.
ALTER TABLE route ADD COLUMN tls text NOT NULL DEFAULT '';       -- off, may, must, verify, dane; '' as outbound_tls
ALTER TABLE route ADD COLUMN at_once int NOT NULL DEFAULT 0;     -- 0 as outbound_per_domain_most
ALTER TABLE route ADD COLUMN apart bigint NOT NULL DEFAULT -1;   -- microseconds; -1 as outbound_rate_delay
ALTER TABLE route ADD COLUMN retry text NOT NULL DEFAULT '';     -- as the setting queue_retry
ALTER TABLE route ADD COLUMN lifetime bigint NOT NULL DEFAULT 0; -- microseconds; 0 as queue_lifetime

-- Sessions with other systems by what became of TLS, for reports (RFC 8460).
CREATE TABLE tls_result (
	day date NOT NULL,                               -- UTC
	domain text NOT NULL,
	policy text NOT NULL,                            -- tlsa, no-policy-found
	host text NOT NULL,
	result text NOT NULL,                            -- success, starttls-not-supported, ..
	sessions bigint NOT NULL,
	PRIMARY KEY (day, domain, policy, host, result)
) WITH (fillfactor = 70);
GRANT SELECT, INSERT, UPDATE, DELETE ON tls_result TO pennypost_system;
