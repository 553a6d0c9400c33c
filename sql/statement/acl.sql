-- Rights of others to folders (src/provider/acl.h). Kinds: 0 anyone, 1 a mailbox, 2 a group.

-- statement acl_who
-- $2 folded name: the mailbox or group that is called so; else who logs on by it, or the group with this address: taken apart as
-- for auth_find, $3 folded mailbox or local part, $4 folded realm, $5 the realm as a domain, each '' where there is none.
with addresses as materialized (
	select $3::text || '@' || own.name as addr from domain d
	cross join lateral (
		select name from domain where postoffice = $1::bigint and state = 0
			and name = case when d.stands_for is null then d.name else d.stands_for end offset 0
	) own
	where d.postoffice = $1::bigint and d.name = $5::text and d.state = 0
), named as ( -- realms whose mailboxes and groups are meant
	select 2 as rank from postoffice where postoffice = $1::bigint and name = $4::text
	union all
	select 4 from domain where postoffice = $1::bigint and name = $5::text and state = 0
)
select kind, who, name from (
	select 1 as kind, mailbox as who, name, 0 as rank from mailbox where postoffice = $1::bigint and folded = $2::text
	union all
	select 2, mailgroup, name, 1 from mailgroup where postoffice = $1::bigint and folded = $2::text
	union all
	select 1, m.mailbox, m.name, n.rank from named n
	cross join lateral (
		select mailbox, name from mailbox where postoffice = $1::bigint and folded = $3::text offset 0
	) m
	union all
	select 2, g.mailgroup, g.name, n.rank + 1 from named n
	cross join lateral (
		select mailgroup, name from mailgroup where postoffice = $1::bigint and folded = $3::text offset 0
	) g
	where n.rank = 2
	union all
	select case when a.mailbox is null then 2 else 1 end, coalesce(a.mailbox, a.mailgroup), coalesce(m.name, g.name), 3
	from addresses n
	cross join lateral (
		select mailbox, mailgroup from address where postoffice = $1::bigint and addr = n.addr offset 0
	) a
	left join lateral (select name from mailbox where postoffice = $1::bigint and mailbox = a.mailbox offset 0) m on true
	left join lateral (select name from mailgroup where postoffice = $1::bigint and mailgroup = a.mailgroup offset 0) g on true
) w order by rank, kind limit 1;

-- statement acl_of_folder
-- $2 folder: all who have rights to it, or who are denied some.
select r.kind, r.who, case r.kind when 0 then 'anyone' when 1 then m.name else g.name end, r.negative, r.rights
from folder_right r
left join lateral (
	select name from mailbox where postoffice = $1::bigint and mailbox = r.grantee offset 0
) m on true
left join lateral (
	select name from mailgroup where postoffice = $1::bigint and mailgroup = r.mailgroup offset 0
) g on true
where r.postoffice = $1::bigint and r.folder = $2::bigint
order by r.negative, r.kind, coalesce(m.name, g.name) collate "C";

-- piece groups_of_address
-- Those that an address a is in, as it is or in a domain that stands for its own.
	cross join lateral (
		select a.addr union all
		select left(a.addr, -length(a.domain)) || name from domain where postoffice = $1::bigint and stands_for = a.domain
	) n
	cross join lateral (
		select mailgroup from mailgroup_member where postoffice = $1::bigint and addr = n.addr offset 0
	) x;

-- piece reader_groups
-- $2 the reader's mailbox: the groups his addresses are in, and those that these groups are in. Where nothing is shared with a
-- group they are not looked for.
groups (mailgroup) as (
	select x.mailgroup
	from address a
@groups_of_address
	where a.postoffice = $1::bigint and a.mailbox = $2::bigint
		and exists (select from folder_right where postoffice = $1::bigint and kind = 2)
	union
	select x.mailgroup
	from groups g
	cross join lateral (
		select addr, domain from address where postoffice = $1::bigint and mailgroup = g.mailgroup offset 0
	) a
@groups_of_address
);

-- statement acl_find
-- $2 the reader's mailbox; the folder: $3 its owner's folded name and $4 its own, or $5 its id; $6 rights without which the
-- transaction is stopped. Gives the folder, its owner's name, and the reader's rights: what he, his groups and anyone are
-- given, without what they are denied.
with recursive
@reader_groups
select f.folder, f.postoffice, f.mailbox, f.name, f.uidvalidity, f.uidnext, f.modseq, f.nmsg, f.nunseen, f.nbytes, f.ndeleted,
	f.special, f.recent, m.name, r.rights, 1 / (r.rights & $6::bigint = $6::bigint)::int
from (
	select f.* from mailbox o
	cross join lateral (
		select * from folder where postoffice = $1::bigint and mailbox = o.mailbox and name = $4::text offset 0
	) f
	where o.postoffice = $1::bigint and o.folded = $3::text
	union all
	select * from folder where postoffice = $1::bigint and folder = $5::bigint
) f
cross join lateral (
	select name from mailbox where postoffice = $1::bigint and mailbox = f.mailbox offset 0
) m
cross join lateral (
	select coalesce(bit_or(rights) filter (where not negative), 0) & ~coalesce(bit_or(rights) filter (where negative), 0) as rights
	from folder_right
	where postoffice = $1::bigint and folder = f.folder
		and (kind = 0 or kind = 1 and who = $2::bigint or kind = 2 and who in (select mailgroup from groups))
) r
where f.mailbox <> $2::bigint;

-- statement acl_tree
-- $2 the reader's mailbox: his folders and subscriptions as folder_tree gives them, then what others share with him, with
-- its owner's name and his rights.
with recursive
@reader_groups
, given as (
	select r.folder,
		coalesce(bit_or(r.rights) filter (where not r.negative), 0)
			& ~coalesce(bit_or(r.rights) filter (where r.negative), 0) as rights
	from (
		select 0 as kind, 0::bigint as who union all select 1, $2::bigint union all select 2, mailgroup from groups
	) u
	cross join lateral (
		select folder, negative, rights from folder_right
		where postoffice = $1::bigint and kind = u.kind and who = u.who offset 0
	) r
	group by r.folder
)
select f.folder, f.postoffice, f.mailbox, f.name, f.uidvalidity, f.uidnext, f.modseq, f.nmsg, f.nunseen, f.nbytes, f.ndeleted,
	f.special, f.recent, s.name is not null, null::text, 0::bigint
from folder f
left join subscription s on s.postoffice = f.postoffice and s.mailbox = f.mailbox and s.name = f.name
where f.postoffice = $1::bigint and f.mailbox = $2::bigint
union all
select 0, s.postoffice, s.mailbox, s.name, 0, 0, 0, 0, 0, 0, 0, 0, 0, true, null, 0
from subscription s
where s.postoffice = $1::bigint and s.mailbox = $2::bigint
	and not exists (select from folder f where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.name = s.name)
union all
select f.folder, f.postoffice, f.mailbox, f.name, f.uidvalidity, f.uidnext, f.modseq, f.nmsg, f.nunseen, f.nbytes, f.ndeleted,
	f.special, f.recent, false, m.name, r.rights
from given r
cross join lateral (
	select * from folder where postoffice = $1::bigint and folder = r.folder offset 0
) f
cross join lateral (
	select name from mailbox where postoffice = $1::bigint and mailbox = f.mailbox offset 0
) m
where f.mailbox <> $2::bigint and r.rights & 1 <> 0;

-- Changing them: after deliver_lock of the owner's mailbox, so that their number is known.

-- statement acl_put
-- $2 the owner's mailbox, $3 folder, $4 kind, $5 id, $6 negative, $7 rights that go, $8 rights that come
insert into folder_right as r (postoffice, folder, kind, who, negative, rights)
select $1::bigint, f.folder, $4::bigint, $5::bigint, $6::boolean, $8::bigint
from folder f where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.folder = $3::bigint
on conflict (postoffice, folder, kind, who, negative) do update set rights = r.rights & ~$7::bigint | $8::bigint;

-- statement acl_prune
-- $2 folder: who has no rights left stands there no more.
delete from folder_right where postoffice = $1::bigint and folder = $2::bigint and rights = 0;

-- statement acl_fits
-- $2 folder, $3 most rows: stops the transaction when there are more.
select 0 / (count(*) <= $3::bigint)::int from folder_right where postoffice = $1::bigint and folder = $2::bigint;
