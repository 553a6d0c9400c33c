-- The foundation: tenants, their mailboxes and mail, settings, and what the house notes about itself.
-- Runs as pennypost_owner in one transaction. Why the tables are as they are: doc/store.md.
--
-- Three roles: pennypost_owner owns all this and is used by `pennypost schema` alone; pennypost_run
-- serves tenants and sees the rows of one post office at a time; pennypost_system routes, keeps house
-- and answers operators: it sees all post offices, but has only the grants its statements need.
--
-- Tables with a column `postoffice` are tenant tables: it leads the primary key, and tenant_table()
-- puts them under row-level security. Identifiers are bigint, made by the front end (base/id.h).

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO pennypost_run, pennypost_system;

CREATE TABLE schema_version (
	version int PRIMARY KEY,
	name text NOT NULL,
	at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON schema_version TO pennypost_run, pennypost_system;

-- ---------------------------------------------------------------- tenants apart

-- The post office of this transaction; NULL, which equals nothing, when none was set. Plain SQL and
-- stable, so that the planner inlines it and uses it as an index condition.
CREATE FUNCTION tenant() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('pennypost.postoffice', true), '')::bigint;

-- Puts a table under the law of the house. Grants are given beside each table.
CREATE FUNCTION tenant_table(t regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
	EXECUTE format('CREATE POLICY run ON %s TO pennypost_run USING (postoffice = tenant()) WITH CHECK (postoffice = tenant())', t);
	EXECUTE format('CREATE POLICY system ON %s TO pennypost_system USING (true) WITH CHECK (true)', t);
END $$;
REVOKE EXECUTE ON FUNCTION tenant_table(regclass) FROM PUBLIC;

-- ---------------------------------------------------------------- post offices, domains, mailboxes

CREATE TABLE postoffice (
	postoffice bigint PRIMARY KEY,
	name text NOT NULL UNIQUE,                       -- folded
	state smallint NOT NULL DEFAULT 0,               -- 0 enabled, 1 disabled
	made timestamptz NOT NULL DEFAULT now()
);
SELECT tenant_table('postoffice');
GRANT SELECT, INSERT, UPDATE, DELETE ON postoffice TO pennypost_run; -- its own row, made with its first mailbox
GRANT SELECT ON postoffice TO pennypost_system;

CREATE TABLE domain (
	postoffice bigint NOT NULL REFERENCES postoffice ON DELETE CASCADE,
	name text NOT NULL UNIQUE,                       -- lower-case A-labels; of one post office only
	state smallint NOT NULL DEFAULT 0,
	abuse text NOT NULL DEFAULT '',                  -- targets: '' or a mailbox name or an address
	postmaster text NOT NULL DEFAULT '',
	catch_all text NOT NULL DEFAULT '',
	made timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, name)
);
SELECT tenant_table('domain');
GRANT SELECT, INSERT, UPDATE, DELETE ON domain TO pennypost_run;
GRANT SELECT ON domain TO pennypost_system;

-- used, nmsg, modseq, next_folder change with every delivery; no index contains them, so updates stay
-- HOT. The row is the lock of its mailbox: mailbox first, then folders by id.
CREATE TABLE mailbox (
	postoffice bigint NOT NULL REFERENCES postoffice ON DELETE CASCADE,
	mailbox bigint NOT NULL,
	name text NOT NULL,                              -- as written when it was made
	folded text NOT NULL,                            -- for comparison
	kind smallint NOT NULL DEFAULT 0,                -- 0 user, 1 ADMIN, 2 SYSADMIN
	state smallint NOT NULL DEFAULT 0,               -- 0 enabled, 1 disabled
	quota bigint NOT NULL DEFAULT 0,                 -- bytes; 0 none
	used bigint NOT NULL DEFAULT 0,
	nmsg bigint NOT NULL DEFAULT 0,
	modseq bigint NOT NULL DEFAULT 1,
	next_folder int NOT NULL DEFAULT 1,              -- source of UIDVALIDITY
	inbox bigint NOT NULL,                           -- folder id
	kwnames text[] NOT NULL DEFAULT '{}',            -- names of the keyword bits 16 and up
	made timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, mailbox),
	UNIQUE (postoffice, folded)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
SELECT tenant_table('mailbox');
GRANT SELECT, INSERT, UPDATE, DELETE ON mailbox TO pennypost_run;
GRANT SELECT ON mailbox TO pennypost_system;

CREATE TABLE credential (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	kind smallint NOT NULL DEFAULT 0,                -- 0 the password
	hash text NOT NULL,                              -- argon2id, in its own notation
	scram text,                                      -- SCRAM-SHA-256 verifier
	recoverable bytea,                               -- encrypted; only where auth_recoverable is on
	changed timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, mailbox, kind),
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
);
SELECT tenant_table('credential');
GRANT SELECT, INSERT, UPDATE, DELETE ON credential TO pennypost_run;
GRANT SELECT ON credential TO pennypost_system;

CREATE TABLE address (
	postoffice bigint NOT NULL,
	addr text NOT NULL,                              -- folded local@domain
	domain text NOT NULL,
	kind smallint NOT NULL DEFAULT 0,                -- 0 a mailbox; later groups, lists, routes
	mailbox bigint NOT NULL,
	PRIMARY KEY (postoffice, addr),
	FOREIGN KEY (postoffice, domain) REFERENCES domain ON DELETE CASCADE,
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
);
CREATE INDEX address_mailbox ON address (postoffice, mailbox);
CREATE INDEX address_domain ON address (postoffice, domain);
SELECT tenant_table('address');
GRANT SELECT, INSERT, UPDATE, DELETE ON address TO pennypost_run;
GRANT SELECT ON address TO pennypost_system;

-- ---------------------------------------------------------------- mail

CREATE TABLE folder (
	postoffice bigint NOT NULL,
	folder bigint NOT NULL,
	mailbox bigint NOT NULL,
	name text NOT NULL,
	uidvalidity bigint NOT NULL,
	uidnext bigint NOT NULL DEFAULT 1,
	modseq bigint NOT NULL DEFAULT 1,
	log_floor bigint NOT NULL DEFAULT 0,             -- below it `change` is not complete any more
	nmsg bigint NOT NULL DEFAULT 0,
	nunseen bigint NOT NULL DEFAULT 0,
	nbytes bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (postoffice, folder),
	UNIQUE (postoffice, mailbox, name),
	FOREIGN KEY (postoffice, mailbox) REFERENCES mailbox ON DELETE CASCADE
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
SELECT tenant_table('folder');
GRANT SELECT, INSERT, UPDATE, DELETE ON folder TO pennypost_run;
GRANT SELECT, UPDATE (log_floor) ON folder TO pennypost_system;

-- The raw message in compressed segments; segment 0 stands here. The compressing is the client's, so
-- PostgreSQL must not try again (EXTERNAL), and pieces up to 8 kB stay in the row.
CREATE TABLE blob (
	postoffice bigint NOT NULL,
	blob bigint NOT NULL,
	codec smallint NOT NULL,                         -- 0 as it is, 1 zstd
	rawlen bigint NOT NULL,
	nseg int NOT NULL DEFAULT 1,
	data bytea NOT NULL,
	PRIMARY KEY (postoffice, blob)
) PARTITION BY HASH (postoffice, blob);
ALTER TABLE blob ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE blob_seg (
	postoffice bigint NOT NULL,
	blob bigint NOT NULL,
	seg int NOT NULL,                                -- 1 and up
	data bytea NOT NULL,
	PRIMARY KEY (postoffice, blob, seg)
) PARTITION BY HASH (postoffice, blob);
ALTER TABLE blob_seg ALTER COLUMN data SET STORAGE EXTERNAL;
DO $$
BEGIN
	FOR i IN 0..15 LOOP
		EXECUTE format('CREATE TABLE blob_%s PARTITION OF blob FOR VALUES WITH (MODULUS 16, REMAINDER %s)
			WITH (toast_tuple_target = 8160, toast.autovacuum_vacuum_scale_factor = 0.05)', i, i);
		EXECUTE format('CREATE TABLE blob_seg_%s PARTITION OF blob_seg FOR VALUES WITH (MODULUS 16, REMAINDER %s)
			WITH (toast.autovacuum_vacuum_scale_factor = 0.05)', i, i);
		PERFORM tenant_table(format('blob_%s', i)::regclass), tenant_table(format('blob_seg_%s', i)::regclass);
	END LOOP;
END $$;
SELECT tenant_table('blob'), tenant_table('blob_seg');
GRANT SELECT, INSERT, UPDATE, DELETE ON blob, blob_seg TO pennypost_run;
GRANT SELECT (postoffice, blob, rawlen, nseg), DELETE ON blob TO pennypost_system;
GRANT SELECT (postoffice, blob, seg), DELETE ON blob_seg TO pennypost_system;

-- Immutable. One row per accepted message and post office, shared by all entries.
CREATE TABLE message (
	postoffice bigint NOT NULL,
	msg bigint NOT NULL,                             -- the delivery's id
	blob bigint NOT NULL,
	size bigint NOT NULL,                            -- octets of the raw message
	hdrlen bigint NOT NULL,                          -- octets of the header section with its empty line
	sent timestamptz,                                -- Date field
	subject text NOT NULL DEFAULT '',                -- decoded and shortened
	sender text NOT NULL DEFAULT '',                 -- From, decoded and shortened
	message_id text NOT NULL DEFAULT '',
	PRIMARY KEY (postoffice, msg)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
SELECT tenant_table('message');
GRANT SELECT, INSERT, UPDATE, DELETE ON message TO pennypost_run;
GRANT SELECT, DELETE ON message TO pennypost_system;

-- A message's place in a folder. No index holds flags or modseq. No foreign keys: they would cost
-- a delivery 45 % more, and the folder's lock proves what they would check.
CREATE TABLE entry (
	postoffice bigint NOT NULL,
	folder bigint NOT NULL,
	uid bigint NOT NULL,
	modseq bigint NOT NULL,
	flags bigint NOT NULL DEFAULT 0,                 -- FLAG_ bits of provider/folder.h, then keywords
	msg bigint NOT NULL,
	idate timestamptz NOT NULL,                      -- INTERNALDATE
	size bigint NOT NULL,
	PRIMARY KEY (postoffice, folder, uid)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX entry_msg ON entry (postoffice, msg);
SELECT tenant_table('entry');
GRANT SELECT, INSERT, UPDATE, DELETE ON entry TO pennypost_run;
GRANT SELECT ON entry TO pennypost_system;

-- The change log: one row per transaction, folder and kind.
CREATE TABLE change (
	postoffice bigint NOT NULL,
	folder bigint NOT NULL,
	modseq bigint NOT NULL,
	kind "char" NOT NULL,                            -- + arrived, f flags changed, v vanished
	uids int8multirange NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, folder, modseq, kind, at)
) PARTITION BY RANGE (at);
SELECT tenant_table('change');
GRANT SELECT, INSERT, UPDATE, DELETE ON change TO pennypost_run;
GRANT SELECT ON change TO pennypost_system;

-- Removed entries, kept for the retention; a message's row and blob go when the last one is gone.
CREATE TABLE expunged (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	folder bigint NOT NULL,
	uid bigint NOT NULL,
	msg bigint NOT NULL,
	flags bigint NOT NULL,
	idate timestamptz NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, msg, folder, uid, at)
) PARTITION BY RANGE (at);
SELECT tenant_table('expunged');
GRANT SELECT, INSERT, UPDATE, DELETE ON expunged TO pennypost_run;
GRANT SELECT ON expunged TO pennypost_system;

-- ---------------------------------------------------------------- the queue

-- A worker leases a whole shard; the epoch fences off whoever lost it.
CREATE TABLE qshard (
	shard smallint PRIMARY KEY,
	owner bigint NOT NULL DEFAULT 0,
	epoch bigint NOT NULL DEFAULT 0,
	lease timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01);
INSERT INTO qshard (shard) SELECT generate_series(0, 63);
GRANT SELECT, UPDATE ON qshard TO pennypost_system;

-- Led by its shard, not by the post office: claims and results of a worker touch one shard.
CREATE TABLE queue (
	shard smallint NOT NULL,
	postoffice bigint NOT NULL,
	qid bigint NOT NULL,
	msg bigint NOT NULL,
	sender text NOT NULL,
	domain text NOT NULL,
	rcpt text NOT NULL,
	next_at timestamptz NOT NULL,
	attempts smallint NOT NULL DEFAULT 0,
	expires timestamptz NOT NULL,
	last_code smallint,
	last_text text,
	prio smallint NOT NULL DEFAULT 0,
	PRIMARY KEY (shard, qid)
) PARTITION BY LIST (shard);
CREATE INDEX ON queue (shard, next_at);
CREATE INDEX ON queue (postoffice, msg);
DO $$
BEGIN
	FOR i IN 0..63 LOOP
		EXECUTE format('CREATE TABLE queue_%s PARTITION OF queue FOR VALUES IN (%s)
			WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0)', i, i);
		PERFORM tenant_table(format('queue_%s', i)::regclass);
	END LOOP;
END $$;
CREATE TABLE queue_deferred (LIKE queue INCLUDING DEFAULTS INCLUDING INDEXES);
SELECT tenant_table('queue'), tenant_table('queue_deferred');
GRANT SELECT, INSERT ON queue TO pennypost_run;
GRANT SELECT ON queue_deferred TO pennypost_run;
GRANT SELECT, INSERT, UPDATE, DELETE ON queue, queue_deferred TO pennypost_system;

CREATE TABLE domain_state (
	shard smallint NOT NULL,
	domain text NOT NULL,
	rev bigint NOT NULL DEFAULT 0,
	backoff_until timestamptz,
	limits jsonb,
	PRIMARY KEY (shard, domain)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON domain_state TO pennypost_system;

-- ---------------------------------------------------------------- logons and sessions

-- The last logon of each service, for LOGIN-DELAY; a mailbox's last logon is the youngest of them.
CREATE TABLE logon (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	service smallint NOT NULL,                       -- enum service of base/metric.h
	at timestamptz NOT NULL,
	PRIMARY KEY (postoffice, mailbox, service)
) WITH (fillfactor = 50);
SELECT tenant_table('logon');
GRANT SELECT, INSERT, UPDATE, DELETE ON logon TO pennypost_run;

-- Places an owner logged on from before: they pass when an account is under attack.
CREATE TABLE logon_place (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	place text NOT NULL,                             -- address, or network of an IPv6 address
	at timestamptz NOT NULL,
	PRIMARY KEY (postoffice, mailbox, place)
) WITH (fillfactor = 50);
SELECT tenant_table('logon_place');
GRANT SELECT, INSERT, UPDATE, DELETE ON logon_place TO pennypost_run;

-- Failed logons by hashed key (address, account, pair). Lost with a crash of PostgreSQL, on purpose.
CREATE UNLOGGED TABLE throttle (
	key bytea PRIMARY KEY,
	failures int NOT NULL,
	since timestamptz NOT NULL,
	last timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX throttle_since ON throttle (since);
GRANT SELECT, INSERT, UPDATE, DELETE ON throttle TO pennypost_run, pennypost_system;

-- The lock of POP3 on a mailbox, across nodes. Leases are compared by the database's clock alone.
CREATE UNLOGGED TABLE maildrop (
	postoffice bigint NOT NULL,
	mailbox bigint NOT NULL,
	token bigint NOT NULL,
	until timestamptz NOT NULL,
	PRIMARY KEY (postoffice, mailbox)
) WITH (fillfactor = 50);
SELECT tenant_table('maildrop');
GRANT SELECT, INSERT, UPDATE, DELETE ON maildrop TO pennypost_run;
GRANT SELECT, DELETE ON maildrop TO pennypost_system;

-- Messages whose answer may not have been read: a repetition is recognised by its key (R6).
CREATE UNLOGGED TABLE repeat (
	key bytea PRIMARY KEY,
	message bigint NOT NULL,
	owner int NOT NULL DEFAULT 0,                    -- node number of the worker that holds it
	broken boolean NOT NULL DEFAULT false,
	at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX repeat_at ON repeat (at);
GRANT SELECT, INSERT, UPDATE, DELETE ON repeat TO pennypost_run, pennypost_system;

-- ---------------------------------------------------------------- settings, nodes, leases, notes

-- Processes poll this table every second: what kind of fact changed last.
CREATE TABLE revision (
	kind text PRIMARY KEY,
	rev bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01);
INSERT INTO revision (kind) VALUES ('setting'), ('routing'), ('auth');
GRANT SELECT, UPDATE ON revision TO pennypost_run, pennypost_system;

CREATE TABLE setting (
	postoffice bigint NOT NULL,                      -- 0 the server
	scope smallint NOT NULL,                         -- enum setting_scope_bit
	object text NOT NULL,                            -- domain name, mailbox id or ''
	name text NOT NULL,
	value text,                                      -- NULL: unset; the row stays to tell so
	rev bigint NOT NULL,
	PRIMARY KEY (postoffice, scope, object, name)
);
CREATE INDEX setting_rev ON setting (rev);
SELECT tenant_table('setting');
GRANT SELECT, INSERT, UPDATE, DELETE ON setting TO pennypost_system;

-- Processes and the numbers that make their identifiers unique.
CREATE TABLE node (
	node int PRIMARY KEY,
	name text NOT NULL,
	role text NOT NULL,
	token bigint NOT NULL,
	schema int NOT NULL,
	since timestamptz NOT NULL DEFAULT now(),        -- when this process took the number
	seen timestamptz NOT NULL,
	until timestamptz NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.01);
GRANT SELECT, INSERT, UPDATE ON node TO pennypost_run, pennypost_system;

CREATE TABLE lease (
	name text PRIMARY KEY,
	token bigint NOT NULL,
	until timestamptz NOT NULL
) WITH (fillfactor = 20);
GRANT SELECT, INSERT, UPDATE, DELETE ON lease TO pennypost_system;

CREATE TABLE trace (
	postoffice bigint NOT NULL,                      -- 0 of none
	at timestamptz NOT NULL,
	id bigint NOT NULL,
	message bigint NOT NULL,                         -- delivery id or 0
	message_id_hash bigint,                          -- of the Message-ID, where a row names it
	kind smallint NOT NULL,
	node text NOT NULL,
	fields text NOT NULL,
	PRIMARY KEY (postoffice, at, id)
) PARTITION BY RANGE (at);
CREATE INDEX ON trace (message) WHERE message <> 0;
CREATE INDEX ON trace (message_id_hash) WHERE message_id_hash IS NOT NULL;
SELECT tenant_table('trace');
GRANT SELECT ON trace TO pennypost_run;
GRANT SELECT, INSERT ON trace TO pennypost_system;

CREATE TABLE audit (
	postoffice bigint NOT NULL,                      -- 0 the server
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	id bigint NOT NULL,
	who text NOT NULL,
	place text NOT NULL,
	action text NOT NULL,
	object text NOT NULL,
	detail text NOT NULL,                            -- JSON
	PRIMARY KEY (postoffice, at, id)
) PARTITION BY RANGE (at);
SELECT tenant_table('audit');
GRANT SELECT, INSERT ON audit TO pennypost_run;
GRANT SELECT, INSERT ON audit TO pennypost_system; -- nobody changes or removes a row at run time

-- ---------------------------------------------------------------- partitions by time

-- trace and expunged have one partition a day, change and audit one a month, all with a default
-- partition so that no insert ever fails. The housekeeper, who owns nothing, makes and drops them
-- through these two functions and cannot name anything else.
CREATE FUNCTION partition_span(parent text, day date, OUT name text, OUT first date, OUT past date)
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN parent IN ('trace', 'expunged') THEN parent || to_char(day, '_YYYYMMDD')
            WHEN parent IN ('change', 'audit') THEN parent || to_char(day, '_YYYYMM') END,
       CASE WHEN parent IN ('trace', 'expunged') THEN day ELSE date_trunc('month', day::timestamp)::date END,
       CASE WHEN parent IN ('trace', 'expunged') THEN day + 1
            ELSE (date_trunc('month', day::timestamp) + interval '1 month')::date END
$$;

-- True when it was made, false when it stood. Rows that fell to the default partition meanwhile move over.
CREATE FUNCTION partition_make(parent text, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE span record;
BEGIN
	SELECT * INTO span FROM partition_span(parent, day);
	IF span.name IS NULL OR to_regclass(span.name) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING INDEXES)', span.name, parent);
	PERFORM tenant_table(span.name::regclass);
	EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', span.name);
	EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', parent || '_rest');
	EXECUTE format('WITH moved AS (DELETE FROM %I WHERE at >= %L AND at < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
		parent || '_rest', span.first, span.past, span.name);
	EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', span.name);
	EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', parent || '_rest');
	EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, span.name, span.first, span.past);
	RETURN true;
END $$;

-- Drops one partition that ended at or before the moment: its first day, or NULL when there is none.
CREATE FUNCTION partition_drop(parent text, before timestamptz) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' SET timezone = 'UTC' AS $$
DECLARE span record;
BEGIN
	SELECT s.* INTO span
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
	     partition_span(parent, to_date(substr(c.relname, length(parent) + 2) || CASE WHEN parent IN ('change', 'audit') THEN '01' ELSE '' END, 'YYYYMMDD')) s
	WHERE parent IN ('trace', 'expunged', 'change', 'audit') AND i.inhparent = parent::regclass
	  AND c.relname ~ '_[0-9]+$' AND s.past <= before
	ORDER BY s.first LIMIT 1;
	IF span.name IS NULL THEN
		RETURN NULL;
	END IF;
	EXECUTE format('DROP TABLE %I', span.name);
	RETURN span.first;
END $$;
REVOKE EXECUTE ON FUNCTION partition_make(text, date), partition_drop(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partition_make(text, date), partition_drop(text, timestamptz) TO pennypost_system;

CREATE TABLE trace_rest PARTITION OF trace DEFAULT;
CREATE TABLE audit_rest PARTITION OF audit DEFAULT;
CREATE TABLE change_rest PARTITION OF change DEFAULT;
CREATE TABLE expunged_rest PARTITION OF expunged DEFAULT;
SELECT tenant_table('trace_rest'), tenant_table('audit_rest'), tenant_table('change_rest'), tenant_table('expunged_rest');
GRANT SELECT ON trace_rest, audit_rest, change_rest, expunged_rest TO pennypost_system;
SELECT partition_make('trace', current_date + n), partition_make('expunged', current_date + n) FROM generate_series(-1, 7) n;
SELECT partition_make('change', (current_date + n * interval '1 month')::date),
       partition_make('audit', (current_date + n * interval '1 month')::date) FROM generate_series(0, 1) n;
