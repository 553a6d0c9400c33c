-- Mail for other systems. Nothing was queued before this version.
--
-- `queue` is made anew without partitions: claims read one shard by index, and results touch a few rows
-- of many shards, where 64 partitions cost more to open than the work itself. It stays small, since
-- what was deferred once moves to queue_deferred.

DROP TABLE queue, queue_deferred;

-- Led by its shard, not by the post office: claims of a worker touch one shard.
CREATE TABLE queue (
	shard smallint NOT NULL,
	postoffice bigint NOT NULL,                      -- 0 the house: relayed for a privileged network
	qid bigint NOT NULL,
	msg bigint NOT NULL,
	mailbox bigint NOT NULL DEFAULT 0,               -- of the sender who logged on
	sender text NOT NULL,                            -- '' the null path
	domain text NOT NULL,
	rcpt text NOT NULL,
	notify smallint NOT NULL DEFAULT 0,              -- set of parameter_notify of mail/parameter.h
	orcpt text NOT NULL DEFAULT '',
	ret smallint NOT NULL DEFAULT 0,                 -- enum parameter_ret
	envid text NOT NULL DEFAULT '',
	body smallint NOT NULL DEFAULT 0,                -- enum parameter_body
	utf8 boolean NOT NULL DEFAULT false,
	tls boolean NOT NULL DEFAULT false,              -- REQUIRETLS
	prio smallint NOT NULL DEFAULT 0,
	state smallint NOT NULL DEFAULT 0,               -- 0 ready, 1 held, 2 parked; those that wait for a word have next_at infinity
	made timestamptz NOT NULL DEFAULT now(),
	next_at timestamptz NOT NULL,
	expires timestamptz NOT NULL,
	attempts int NOT NULL DEFAULT 0,
	notices smallint NOT NULL DEFAULT 0,             -- delay notices sent
	kills smallint NOT NULL DEFAULT 0,               -- runners that died while they tried it
	last_at timestamptz,
	last_code smallint,
	last_host text NOT NULL DEFAULT '',
	last_text text NOT NULL DEFAULT '',
	PRIMARY KEY (shard, qid)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX queue_due ON queue (shard, next_at);
CREATE INDEX queue_turn ON queue (shard, postoffice, next_at);
CREATE INDEX queue_message ON queue (postoffice, msg);
CREATE TABLE queue_deferred (LIKE queue INCLUDING DEFAULTS INCLUDING INDEXES)
	WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05);
SELECT tenant_table('queue'), tenant_table('queue_deferred');
-- Deliveries make rows; reports end the rows that caused them, in one transaction.
GRANT SELECT, INSERT, UPDATE, DELETE ON queue, queue_deferred TO pennypost_run, pennypost_system;
GRANT SELECT ON qshard TO pennypost_run;

-- Those who run the queue, and what each is trying at the moment: what was being tried when its runner died
-- may have killed it.
CREATE TABLE qrunner (
	owner bigint PRIMARY KEY,
	name text NOT NULL,                              -- node and process: a successor has the same
	since timestamptz NOT NULL DEFAULT clock_timestamp(),
	seen timestamptz NOT NULL DEFAULT clock_timestamp(),
	leaving boolean NOT NULL DEFAULT false,
	trying bigint[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01);
GRANT SELECT, INSERT, UPDATE, DELETE ON qrunner TO pennypost_system;

-- Messages that only the queue refers to are named in `expunged` (folder 0) too, and carried to a younger
-- partition while they are queued.
GRANT INSERT ON expunged TO pennypost_system;

-- Where mail for a domain goes instead of its mail exchangers.
CREATE TABLE route (
	pattern text PRIMARY KEY,
	target text NOT NULL,
	login text NOT NULL DEFAULT '',
	secret bytea NOT NULL DEFAULT '',                -- encrypted
	made timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON route TO pennypost_system;

-- Recipients at other systems, counted by sender and hour (T19). A crash of PostgreSQL forgets the last hour.
CREATE UNLOGGED TABLE sent (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	hour timestamptz NOT NULL,
	n bigint NOT NULL,
	PRIMARY KEY (postoffice, mailbox, hour)
) WITH (fillfactor = 50);
SELECT tenant_table('sent');
GRANT SELECT, INSERT, UPDATE, DELETE ON sent TO pennypost_run;
GRANT SELECT, DELETE ON sent TO pennypost_system;
