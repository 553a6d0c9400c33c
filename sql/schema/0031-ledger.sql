-- The ledger (R24): what each post office was given and what became of it, counted in the transactions that do it
-- (src/provider/ledger.h). Figures are never set back; a post office's are the sums of its rows.
--
-- Each PostgreSQL process counts in a row of its own, so that no transaction waits for another one's count and none has
-- to think of an order of locks; the check gathers those rows in slot 0. No index but the key, so updates stay HOT.
CREATE TABLE ledger (
	postoffice bigint NOT NULL,                      -- 0 the house: relayed for a privileged network
	slot int NOT NULL,                               -- pg_backend_pid() of who counts; 0 gathered
	accepted bigint NOT NULL DEFAULT 0,              -- messages stored by deliveries
	addressed bigint NOT NULL DEFAULT 0,             -- to so many mailboxes
	put bigint NOT NULL DEFAULT 0,                   -- rows of the queue that were made
	sent bigint NOT NULL DEFAULT 0,                  -- that ended: another system has the mail
	returned bigint NOT NULL DEFAULT 0,              -- its sender was told that it failed
	told bigint NOT NULL DEFAULT 0,                  -- they were there for a report or a program alone, and it was made or run
	dropped bigint NOT NULL DEFAULT 0,               -- it failed, and its sender wished no word
	deleted bigint NOT NULL DEFAULT 0,               -- by an operator, or with the post office
	parked bigint NOT NULL DEFAULT 0,                -- rows that became bad mail; they stay in the queue
	repeated bigint NOT NULL DEFAULT 0,              -- messages that were known and not stored again (R6)
	carried bigint NOT NULL DEFAULT 0,               -- deliveries to mailboxes that are gone
	settled_queue bigint NOT NULL DEFAULT 0,         -- what operators acknowledged: rows
	settled_mail bigint NOT NULL DEFAULT 0,          -- and deliveries nobody had counted
	PRIMARY KEY (postoffice, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- What deliveries brought it since this version.
ALTER TABLE mailbox ADD COLUMN delivered bigint NOT NULL DEFAULT 0;

-- What waits now counts as put. The owner sees rows of no tenant either, unless the tables let it for a moment.
ALTER TABLE queue NO FORCE ROW LEVEL SECURITY;
ALTER TABLE queue_deferred NO FORCE ROW LEVEL SECURITY;
INSERT INTO ledger (postoffice, slot, put)
SELECT postoffice, 0, count(*) FROM (SELECT postoffice FROM queue UNION ALL SELECT postoffice FROM queue_deferred) q GROUP BY 1;
ALTER TABLE queue FORCE ROW LEVEL SECURITY;
ALTER TABLE queue_deferred FORCE ROW LEVEL SECURITY;

SELECT tenant_table('ledger');
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger TO pennypost_run, pennypost_system;

-- What the check found that must not be, until it finds it well again.
CREATE TABLE ledger_breach (
	postoffice bigint NOT NULL,
	what smallint NOT NULL,                          -- enum ledger_what
	mailbox bigint NOT NULL,                         -- 0: the post office
	counted bigint NOT NULL,
	found bigint NOT NULL,
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (postoffice, what, mailbox)
);
SELECT tenant_table('ledger_breach');
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger_breach TO pennypost_system;
GRANT SELECT (postoffice), DELETE ON ledger_breach TO pennypost_run;
