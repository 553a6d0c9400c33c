-- MTA-STS policies of other domains, as they were fetched (RFC 8461); for the whole house.
CREATE TABLE sts_policy (
	domain text PRIMARY KEY,
	id text NOT NULL DEFAULT '',                     -- of the TXT record; '' = no policy is kept
	body text NOT NULL DEFAULT '',
	fetched timestamptz,
	expires timestamptz,
	tried_id text NOT NULL DEFAULT '',               -- the last attempt, when it failed
	trouble text NOT NULL DEFAULT '',
	tried timestamptz
) WITH (fillfactor = 70);
GRANT SELECT, INSERT, UPDATE, DELETE ON sts_policy TO pennypost_system;
