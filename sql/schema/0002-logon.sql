-- Logons: the system role finds who a name is and whether the place is known, before any tenant is.

GRANT SELECT ON logon_place TO pennypost_system;

-- Random keys all nodes share that protect no stored secret: `scram-salt` makes the salts shown for
-- names nobody has, which must be the same everywhere and for ever.
CREATE TABLE house_key (
	name text PRIMARY KEY,
	value bytea NOT NULL
);
GRANT SELECT, INSERT ON house_key TO pennypost_system;
