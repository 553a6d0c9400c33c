-- Routing.

-- statement address_route system
-- $1 folded local part, $2 domain: no row, no domain of ours; no mailbox and no group, no such address. A domain that
-- stands for another has its addresses, targets and masks.
select d.postoffice, p.name, d.state = 0 and t.state = 0 and p.state = 0, t.abuse, t.postmaster, t.catch_all,
	m.mailbox, m.name, m.state, m.inbox, m.quota, m.used, m.handling, a.mailgroup, t.name,
	case when a.addr is null then exists (
		select from address_mask k where k.postoffice = d.postoffice and k.domain = t.name) end
from domain d
join domain t on t.postoffice = d.postoffice and t.name = coalesce(d.stands_for, d.name)
join postoffice p on p.postoffice = d.postoffice
left join address a on a.postoffice = d.postoffice and a.addr = $1::text || '@' || t.name
left join mailbox m on m.postoffice = d.postoffice and m.mailbox = a.mailbox
where d.name = $2::text;

-- statement address_missed
-- $2 the local part nobody has, $3 its domain, $4 the same without its detail or '': what comes first of an address that
-- leads elsewhere, the address without detail, and the masks in their order. How it was found, target, group, mailbox.
select w.rank, w.target, w.mailgroup, m.mailbox, m.name, m.state, m.inbox, m.quota, m.used, m.handling
from (
	select 0 as rank, target, null::bigint as mailgroup, null::bigint as mailbox from address_mask
	where postoffice = $1::bigint and domain = $3::text and mask = $2::text
	union all
	select 1, '', mailgroup, mailbox from address
	where postoffice = $1::bigint and addr = $4::text || '@' || $3::text
	union all
	(select 2, target, null, null from address_mask
	where postoffice = $1::bigint and domain = $3::text and $2::text like pattern
	order by place, mask limit 1)
	order by rank limit 1
) w left join lateral (
	select mailbox, name, state, inbox, quota, used, handling from mailbox
	where postoffice = $1::bigint and mailbox = w.mailbox offset 0
) m on true;

-- statement address_target
-- Where a name leads: $2 a mailbox's or group's folded name or '', $3 a folded address or ''.
select m.mailbox, m.name, m.state, m.inbox, m.quota, m.used, m.handling, w.mailgroup
from (
	select 0 as rank, mailbox, null::bigint as mailgroup from mailbox where postoffice = $1::bigint and folded = $2::text
	union all
	select 1, mailbox, mailgroup from address where postoffice = $1::bigint and addr = $3::text
	union all
	select 2, null, mailgroup from mailgroup where postoffice = $1::bigint and folded = $2::text
	order by rank limit 1
) w left join lateral (
	select mailbox, name, state, inbox, quota, used, handling from mailbox
	where postoffice = $1::bigint and mailbox = w.mailbox offset 0
) m on true;

-- statement address_rooms
-- $2 mailboxes: of those that are there the place, the state, the quota and what is used of it
select u.place, m.state, m.quota, m.used
from unnest($2::bigint[]) with ordinality as u (mailbox, place)
cross join lateral (select state, quota, used from mailbox
	where postoffice = $1::bigint and mailbox = u.mailbox offset 0) m;

-- statement address_domain_ours system
select 1 from domain where name = $1::text;

-- statement address_domains_ours system
-- $1 domains: the places of those that are ours
select u.place from unnest($1::text[]) with ordinality as u (name, place)
cross join lateral (select from domain where name = u.name offset 0) d;

-- statement address_insert
-- $2 addresses, $3 their domain, $4 their mailboxes. Those that stand already are left.
insert into address (postoffice, addr, domain, mailbox)
select $1::bigint, a.addr, $3::text, a.mailbox
from unnest($2::text[], $4::bigint[]) as a (addr, mailbox)
on conflict do nothing;

-- statement address_insert_group
-- $2 address, $3 its domain, $4 the group
insert into address (postoffice, addr, domain, mailgroup) values ($1::bigint, $2::text, $3::text, $4::bigint)
on conflict do nothing;

-- statement address_remove
delete from address where postoffice = $1::bigint and addr = $2::text;

-- statement address_list
-- $2 mailbox or 0, behind $3, at most $4
select a.addr, coalesce(a.mailbox, 0), coalesce(m.name, ''), coalesce(a.mailgroup, 0), coalesce(g.name, '')
from address a
left join mailbox m on m.postoffice = a.postoffice and m.mailbox = a.mailbox
left join mailgroup g on g.postoffice = a.postoffice and g.mailgroup = a.mailgroup
where a.postoffice = $1::bigint and ($2::bigint = 0 or a.mailbox = $2::bigint) and a.addr > $3::text
order by a.addr limit $4::bigint;

-- statement address_mask_set
-- $2 domain, $3 mask, $4 pattern, $5 place (-1: behind the others, or where it stands), $6 target, $7 most masks of a
-- domain: too many are stopped by a division by zero
with had as (
	select count(*) as n, max(place) as last, count(*) filter (where mask = $3::text) as there, max(place) filter (where mask = $3::text) as own
	from address_mask where postoffice = $1::bigint and domain = $2::text
)
insert into address_mask (postoffice, domain, mask, pattern, place, target)
select $1::bigint, $2::text, $3::text, $4::text,
	case when $5::bigint >= 0 then $5::bigint else coalesce(h.own, h.last + 10, 10) end / (h.n - h.there < $7::bigint)::int,
	$6::text
from had h
on conflict (postoffice, domain, mask) do update set place = excluded.place, target = excluded.target;

-- statement address_mask_remove
delete from address_mask where postoffice = $1::bigint and domain = $2::text and mask = $3::text;

-- statement address_mask_list
-- In the order in which they are asked. $2 domain or ''
select domain, mask, place, target from address_mask
where postoffice = $1::bigint and ($2::text = '' or domain = $2::text) order by domain, place, mask;
