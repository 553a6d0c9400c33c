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

-- statement tx_run_ping global
select 1;

-- statement tx_system_ping system
select 1;

-- statement run_role_facts global
-- the role must stand below row-level security (T50)
select r.rolname::text, r.rolsuper, r.rolbypassrls,
       exists (select from pg_class c join pg_namespace s on s.oid = c.relnamespace
               where s.nspname = 'public' and c.relkind in ('r', 'p')
                 and pg_has_role(current_user, c.relowner, 'USAGE'))
from pg_roles r where r.rolname = current_user;

-- statement system_role_facts system
select r.rolname::text, r.rolsuper, r.rolbypassrls,
       exists (select from pg_class c join pg_namespace s on s.oid = c.relnamespace
               where s.nspname = 'public' and c.relkind in ('r', 'p')
                 and pg_has_role(current_user, c.relowner, 'USAGE'))
from pg_roles r where r.rolname = current_user;

-- statement durability global
select current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on',
       current_setting('synchronous_commit') <> 'off';

-- statement schema_version_known global
select coalesce(max(version), 0) from schema_version;

-- statement schema_present global
select to_regclass('public.schema_version') is not null;

-- statement revisions_now global
-- every second, by every process
select kind, rev from revision;

-- statement revision_rise global
-- $1 kind
update revision set rev = rev + 1 where kind = $1;

-- statement isolation_probe
-- $1 a post office that does not exist: rows of any other one may not be seen under it
select count(*) from mailbox where postoffice <> $1;

-- statement isolation_probe_unset global
-- no post office set: nothing may be seen
select count(*) from mailbox;

-- statement isolation_probe_size system
-- that there is something to be seen at all
select exists (select from mailbox);
