-- Addresses that are turned away for a while, for all nodes. Processes remember the revision they know.
CREATE TABLE ban (
	address text PRIMARY KEY,                        -- 192.0.2.1; of IPv6 the /64: 2001:db8::
	until timestamptz NOT NULL,
	made timestamptz NOT NULL DEFAULT now(),
	who text NOT NULL,                               -- the operator, or the node whose client it was
	why text NOT NULL,
	rev bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX ban_rev ON ban (rev);
GRANT SELECT, INSERT, UPDATE, DELETE ON ban TO pennypost_system;
INSERT INTO revision (kind) VALUES ('ban');
