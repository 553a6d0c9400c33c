-- What the database layer itself says. Transactions of one round trip need no begin and commit: the
-- sync of their pipeline is both.

-- statement tx_begin global
begin;

-- statement tx_commit global
commit;

-- statement tx_rollback global
rollback;

-- statement tx_tenant global
-- $1 post office, for the rest of this transaction
select set_config('pennypost.postoffice', $1::text, true);

-- statement tx_relax global
-- this transaction may be lost by a crash of the server
select set_config('synchronous_commit', 'off', true);

-- statement tx_tenant_relax global
-- both in one
select set_config('pennypost.postoffice', $1::text, true), set_config('synchronous_commit', 'off', true);

-- statement tx_lock_most global
-- $1 milliseconds it waits for a lock
select set_config('lock_timeout', $1::text, true);

-- statement tx_run_ping global
select 1;

-- piece role_facts
select r.rolname::text, r.rolsuper, r.rolbypassrls,
       exists (select from pg_class c join pg_namespace s on s.oid = c.relnamespace
               where s.nspname = 'public' and c.relkind in ('r', 'p')
                 and pg_has_role(current_user, c.relowner, 'USAGE'));

-- statement run_role_facts global
-- the role must stand below row-level security (T50)
@role_facts
from pg_roles r where r.rolname = current_user;

-- statement system_role_facts system
@role_facts
from pg_roles r where r.rolname = current_user;

-- statement durability global
select current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
       current_setting('synchronous_commit') <> 'off';

-- statement limits_missing global
-- $1 whether also what is asked for keyed statements (connection.c). What stands as if nobody had asked for anything, or NULL.
select string_agg(name, ' ' order by name) from (values
	('statement_timeout', '0', false), ('lock_timeout', '0', false),
	('idle_in_transaction_session_timeout', '0', false), ('client_connection_check_interval', '0', false),
	('plan_cache_mode', 'auto', false), ('enable_seqscan', 'on', true), ('enable_bitmapscan', 'on', true),
	('enable_hashjoin', 'on', true), ('enable_mergejoin', 'on', true)
) as v (name, bare, keyed) where current_setting(name) = bare and (not keyed or $1::boolean);

-- statement schema_version_known global
select coalesce(max(version), 0) from schema_version;

-- statement schema_present global
select to_regclass('public.schema_version') is not null;

-- statement revisions_now global
-- every second, by every process
select kind, rev from revision;

-- statement revision_rise global
-- $1 kind. Who listens looks at once.
with risen as (update revision set rev = rev + 1 where kind = $1::text returning kind)
select pg_notify('pennypost_change', '!' || kind) from risen;

-- statement isolation_probe
-- $1 a post office that does not exist: rows of any other one may not be seen under it
select count(*) from mailbox where postoffice <> $1;

-- statement isolation_probe_unset global
-- no post office set: nothing may be seen
select count(*) from mailbox;

-- statement schema_lock owner
lock table schema_version in exclusive mode;

-- statement schema_note owner
insert into schema_version (version, name) values ($1, $2) on conflict do nothing;

-- statement databases_beside owner
-- $1 a database: the names of the server's others that are Pennypost's, or NULL
select string_agg(d.datname, ', ' order by d.datname) from pg_database d join pg_roles r on r.oid = d.datdba
where r.rolname = 'pennypost_owner' and d.datname <> $1::text;

-- statement role_commands owner
-- $1 role, $2 its password as the server keeps it, or NULL: the commands that make it what it must be
select c from (values
	(1, case when not exists (select from pg_roles where rolname = $1::text) then format('create role %I', $1::text) end),
	(2, format('alter role %I login nosuperuser nobypassrls nocreatedb nocreaterole noreplication', $1::text)),
	(3, case when $2::text is not null then format('alter role %I password %L', $1::text, $2::text) end),
	(4, case when $1::text <> 'pennypost_owner' then format('alter role %I set statement_timeout = ''30s''', $1::text) end),
	(5, format('alter role %I set lock_timeout = ''2s''', $1::text)),
	(6, case when $1::text <> 'pennypost_owner' then format('alter role %I set idle_in_transaction_session_timeout = ''10s''', $1::text) end),
	(7, format('alter role %I set jit = off', $1::text)),
	(8, case when $1::text <> 'pennypost_owner' then format('alter role %I set plan_cache_mode = force_generic_plan', $1::text) end),
	(9, case when $1::text = 'pennypost_run' then format('alter role %I set enable_seqscan = off', $1::text) end),
	(10, case when $1::text = 'pennypost_run' then format('alter role %I set enable_bitmapscan = off', $1::text) end),
	(11, case when $1::text = 'pennypost_run' then format('alter role %I set enable_hashjoin = off', $1::text) end),
	(12, case when $1::text = 'pennypost_run' then format('alter role %I set enable_mergejoin = off', $1::text) end),
	(13, case when $1::text <> 'pennypost_owner' then format('alter role %I set client_connection_check_interval = ''5s''', $1::text) end),
	(14, format('alter role %I set timezone = ''UTC''', $1::text))
) as v (n, c) where c is not null order by n;

-- statement database_commands owner
-- $1 database
select c from (values
	(1, case when not exists (select from pg_database where datname = $1::text)
		then format('create database %I owner pennypost_owner encoding ''UTF8'' template template0', $1::text) end),
	(2, format('revoke all on database %I from public', $1::text)),
	(3, format('grant connect on database %I to pennypost_run, pennypost_system', $1::text))
) as v (n, c) where c is not null order by n;
