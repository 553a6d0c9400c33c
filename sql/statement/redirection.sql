-- Mail that goes on (src/provider/redirection.h).

-- statement redirection_set
-- $2 mailbox, $3 whether a copy stays, $4 addresses. No row when there is no such mailbox.
with owner as (
	update mailbox set handling = handling | 1 where postoffice = $1::bigint and mailbox = $2::bigint returning name
), made as (
	insert into redirection as r (postoffice, mailbox, keep, targets)
	select $1::bigint, $2::bigint, $3::boolean, $4::text[] from owner
	on conflict (postoffice, mailbox) do update set keep = excluded.keep, targets = excluded.targets, changed = now()
)
select name from owner;

-- statement redirection_of
select keep, array_to_string(targets, E'\n') from redirection where postoffice = $1::bigint and mailbox = $2::bigint;

-- statement redirection_remove
-- The mailbox first, as redirection_set has it.
with owner as (
	update mailbox set handling = handling & ~1
	where postoffice = $1::bigint and mailbox = $2::bigint
		and exists (select from redirection where postoffice = $1::bigint and mailbox = $2::bigint)
	returning name
), gone as (
	delete from redirection where postoffice = $1::bigint and mailbox = $2::bigint and exists (select from owner)
)
select name from owner;
