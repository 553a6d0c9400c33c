-- Routing.

-- statement address_route system
-- $1 folded address, $2 its domain: no row, no domain of ours; no mailbox, no such address.
select d.postoffice, p.name, d.state = 0 and p.state = 0, d.abuse, d.postmaster, d.catch_all,
	m.mailbox, m.name, m.state, m.inbox, m.quota, m.used, m.handling
from domain d
join postoffice p on p.postoffice = d.postoffice
left join address a on a.postoffice = d.postoffice and a.addr = $1::text
left join mailbox m on m.postoffice = d.postoffice and m.mailbox = a.mailbox
where d.name = $2::text;

-- statement address_target
-- A domain's target: $2 a mailbox's folded name or '', $3 a folded address or ''.
select m.mailbox, m.name, m.state, m.inbox, m.quota, m.used, m.handling
from mailbox m
where m.postoffice = $1::bigint and m.mailbox = coalesce(
	(select mailbox from mailbox where postoffice = $1::bigint and folded = $2::text),
	(select mailbox from address where postoffice = $1::bigint and addr = $3::text));

-- statement address_domain_ours system
select 1 from domain where name = $1::text;

-- statement address_insert
-- $2 addresses, $3 their domain, $4 their mailboxes. Those that stand already are left.
insert into address (postoffice, addr, domain, mailbox)
select $1::bigint, a.addr, $3::text, a.mailbox
from unnest($2::text[], $4::bigint[]) as a (addr, mailbox)
on conflict do nothing;

-- statement address_remove
delete from address where postoffice = $1::bigint and addr = $2::text;

-- statement address_list
-- $2 mailbox or 0, behind $3, at most $4
select a.addr, a.mailbox, m.name
from address a join mailbox m on m.postoffice = a.postoffice and m.mailbox = a.mailbox
where a.postoffice = $1::bigint and ($2::bigint = 0 or a.mailbox = $2::bigint) and a.addr > $3::text
order by a.addr limit $4::bigint;
