-- Groups (src/provider/group.h).

-- statement group_insert
-- $2 id, $3 name, $4 folded, $5 title, $6 posting: no row when a mailbox has the name
insert into mailgroup (postoffice, mailgroup, name, folded, title, posting)
select $1::bigint, $2::bigint, $3::text, $4::text, $5::text, $6::bigint
where not exists (select from mailbox where postoffice = $1::bigint and folded = $4::text);

-- statement group_find
-- $2 folded name
select g.mailgroup, g.name, g.title, g.posting,
	(select count(*) from mailgroup_member m where m.postoffice = g.postoffice and m.mailgroup = g.mailgroup),
	(select coalesce(string_agg(a.addr, E'\n' order by a.addr), '') from address a
	where a.postoffice = g.postoffice and a.mailgroup = g.mailgroup)
from mailgroup g where g.postoffice = $1::bigint and g.folded = $2::text;

-- statement group_list
-- Behind the folded name $2, at most $3
select g.mailgroup, g.name, g.title, g.posting,
	(select count(*) from mailgroup_member m where m.postoffice = g.postoffice and m.mailgroup = g.mailgroup)
from mailgroup g where g.postoffice = $1::bigint and g.folded > $2::text
order by g.folded limit $3::bigint;

-- statement group_change
-- $2 id, $3 title, $4 posting
update mailgroup set title = $3::text, posting = $4::bigint where postoffice = $1::bigint and mailgroup = $2::bigint
returning name;

-- statement group_remove
delete from mailgroup where postoffice = $1::bigint and mailgroup = $2::bigint returning name;

-- statement group_members
-- $2 group, behind $3, at most $4
select addr, written, domain from mailgroup_member
where postoffice = $1::bigint and mailgroup = $2::bigint and addr > $3::text order by addr limit $4::bigint;

-- statement group_lock
-- Whoever adds members holds the group's row, so that its size is what was counted.
select name from mailgroup where postoffice = $1::bigint and mailgroup = $2::bigint for no key update;

-- statement group_members_add
-- $2 group, $3 keys, $4 addresses as written, $5 domains
insert into mailgroup_member (postoffice, mailgroup, addr, written, domain)
select $1::bigint, $2::bigint, m.addr, m.written, m.domain
from unnest($3::text[], $4::text[], $5::text[]) as m (addr, written, domain)
on conflict do nothing;

-- statement group_members_within
-- $2 group, $3 most: more stop the transaction by a division by zero
select 0 / (count(*) <= $3::bigint)::int from mailgroup_member
where postoffice = $1::bigint and mailgroup = $2::bigint;

-- statement group_member_remove
delete from mailgroup_member where postoffice = $1::bigint and mailgroup = $2::bigint and addr = $3::text;

-- statement group_memberships
-- $2 mailbox: the groups with an address of it among their members, by the name of its domain or of one that stands for it.
-- One look by key for each, also by a plan that was made while the tables were empty.
select g.name, x.written
from (select addr, domain from address where postoffice = $1::bigint and mailbox = $2::bigint) a
cross join lateral (
	select a.addr union all
	select left(a.addr, -length(a.domain)) || name from domain where postoffice = $1::bigint and stands_for = a.domain
) n
cross join lateral (
	select mailgroup, addr, written from mailgroup_member where postoffice = $1::bigint and addr = n.addr offset 0
) x
cross join lateral (
	select name, folded from mailgroup where postoffice = $1::bigint and mailgroup = x.mailgroup offset 0
) g
order by g.folded, x.addr;

-- statement group_expand
-- $2 groups, $3 most rows: their members, and where those that are exact addresses of the post office lead. In its domains
-- without being one: `here` alone.
select u.mailgroup, g.name, g.posting, e.written, e.here, e.mailgroup, e.mailbox, m.name, m.state, m.inbox, m.quota, m.used, m.handling
from unnest($2::bigint[]) as u (mailgroup)
cross join lateral (
	select name, posting from mailgroup where postoffice = $1::bigint and mailgroup = u.mailgroup offset 0
) g
left join lateral (
	select x.written, d.name is not null as here, a.mailgroup, a.mailbox
	from mailgroup_member x
	left join lateral (
		select name, left(x.addr, -length(x.domain)) || coalesce(stands_for, name) as addr
		from domain where postoffice = $1::bigint and name = x.domain offset 0
	) d on true
	left join lateral (
		select mailgroup, mailbox from address where postoffice = $1::bigint and addr = d.addr offset 0
	) a on true
	where x.postoffice = $1::bigint and x.mailgroup = u.mailgroup
	order by x.addr limit $3::bigint
) e on true
left join lateral (
	select mailbox, name, state, inbox, quota, used, handling from mailbox where postoffice = $1::bigint and mailbox = e.mailbox offset 0
) m on true
limit $3::bigint;
