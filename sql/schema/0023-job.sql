-- Jobs: one message for many mailboxes, delivered in steps (src/provider/job.h). Whoever takes a step raises the epoch,
-- which fences off whoever was at it before.
CREATE TABLE job (
	postoffice bigint NOT NULL REFERENCES postoffice ON DELETE CASCADE,
	job bigint NOT NULL,                             -- its message has the same number
	mailbox bigint NOT NULL DEFAULT 0,               -- the only one that gets it; 0 = all
	who text NOT NULL,
	subject text NOT NULL,
	size bigint NOT NULL,                            -- of the message
	total bigint NOT NULL,
	at bigint NOT NULL,                              -- the last mailbox a step was about
	until bigint NOT NULL,                           -- the last one of all
	delivered bigint NOT NULL DEFAULT 0,
	is_full bigint NOT NULL DEFAULT 0,
	disabled bigint NOT NULL DEFAULT 0,
	failed bigint NOT NULL DEFAULT 0,
	made timestamptz NOT NULL DEFAULT now(),
	started timestamptz,
	ended timestamptz,
	cancelled boolean NOT NULL DEFAULT false,
	epoch bigint NOT NULL DEFAULT 0,
	owner text NOT NULL DEFAULT '',                  -- node and process that take the step: a successor has the same
	token bigint NOT NULL DEFAULT 0,                 -- and another token
	lease timestamptz NOT NULL DEFAULT '-infinity',
	stepped timestamptz NOT NULL DEFAULT '-infinity',
	tries int NOT NULL DEFAULT 0,                    -- since the last step that was stored
	PRIMARY KEY (postoffice, job)
) WITH (fillfactor = 50);
CREATE INDEX job_open ON job (stepped, job) WHERE ended IS NULL;
SELECT tenant_table('job');
GRANT SELECT, INSERT, UPDATE ON job TO pennypost_run;
GRANT SELECT, UPDATE, DELETE ON job TO pennypost_system;

-- What became of each mailbox. The key lets none be served twice.
CREATE TABLE job_mailbox (
	postoffice bigint NOT NULL,
	job bigint NOT NULL,
	mailbox bigint NOT NULL,
	outcome smallint NOT NULL,                       -- enum job_outcome
	PRIMARY KEY (postoffice, job, mailbox),
	FOREIGN KEY (postoffice, job) REFERENCES job ON DELETE CASCADE
);
CREATE INDEX job_mailbox_missed ON job_mailbox (postoffice, job, mailbox) WHERE outcome <> 0;
SELECT tenant_table('job_mailbox');
GRANT SELECT, INSERT ON job_mailbox TO pennypost_run;
