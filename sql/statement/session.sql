-- The last logons, and sessions.

-- statement logon_note_many system
-- $1 post offices, $2 mailboxes, $3 services, $4 moments: gives those whose row somebody else holds, so that they are not
-- noted. Mailboxes that are gone are left out.
with asked as (
	select m.postoffice, m.mailbox, u.service, max(u.at) as at
	from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[]) as u (postoffice, mailbox, service, at)
	cross join lateral (select m.postoffice, m.mailbox from mailbox m
		where m.postoffice = u.postoffice and m.mailbox = u.mailbox offset 0) m
	group by m.postoffice, m.mailbox, u.service
), free as (
	select a.* from asked a cross join lateral (
		select from logon l where l.postoffice = a.postoffice and l.mailbox = a.mailbox and l.service = a.service
		for no key update skip locked) l
), risen as (
	update logon l set at = greatest(l.at, f.at)
	from (select * from free limit cardinality($1::bigint[])) f
	where l.postoffice = f.postoffice and l.mailbox = f.mailbox and l.service = f.service
	returning l.postoffice, l.mailbox, l.service::bigint
), made as (
	insert into logon (postoffice, mailbox, service, at)
	select a.* from asked a
	where not exists (select from logon l
		where l.postoffice = a.postoffice and l.mailbox = a.mailbox and l.service = a.service)
	order by 1, 2, 3
	on conflict do nothing
	returning postoffice, mailbox, service::bigint
)
select a.postoffice, a.mailbox, a.service
from asked a left join (select * from risen union all select * from made) n
	on n.postoffice = a.postoffice and n.mailbox = a.mailbox and n.service = a.service
where n.service is null;

-- statement session_add system
-- $1 post offices, $2 ids, $3 mailboxes, $4 services, $5 moments, $6 addresses, $7 number of the process, $8 its token
insert into session (postoffice, session, mailbox, service, since, address, node, token)
select u.postoffice, u.session, u.mailbox, u.service, u.since, u.address, $7::bigint, $8::bigint
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[])
	as u (postoffice, session, mailbox, service, since, address)
on conflict (postoffice, session) do update set node = excluded.node, token = excluded.token;

-- statement session_remove system
-- $1 post offices, $2 ids
delete from session s
using (select u.postoffice, u.session from unnest($1::bigint[], $2::bigint[]) as u (postoffice, session)
	limit cardinality($1::bigint[])) as o
where s.postoffice = o.postoffice and s.session = o.session;

-- statement session_ends system
-- $1 number of the process, $2 its token: those of its sessions that an operator wants to end
select postoffice, session from session where node = $1::bigint and token = $2::bigint and ends;

-- piece session_row
select s.session, p.name, m.name, s.service, s.address, n.name, n.role, s.since
from session s
join node n on n.node = s.node and n.token = s.token and n.until > clock_timestamp()
join postoffice p on p.postoffice = s.postoffice
join mailbox m on m.postoffice = s.postoffice and m.mailbox = s.mailbox;

-- statement session_list system
-- $1 post office, $2 mailbox (0: all), $3 most
@session_row
where s.postoffice = $1::bigint and ($2::bigint = 0 or s.mailbox = $2::bigint)
order by s.since, s.session limit $3::bigint;

-- statement session_list_all system
-- $1 most
@session_row
order by s.since, s.session limit $1::bigint;

-- statement session_office system
-- $1 id: its post office, which each is asked for by its key, and mailbox
select s.postoffice, s.mailbox from postoffice p cross join lateral (
	select postoffice, mailbox from session where postoffice = p.postoffice and session = $1::bigint offset 0
) s;

-- statement session_end system
-- $1 post office, $2 id or 0, $3 mailbox or 0
update session s set ends = true
where s.postoffice = $1::bigint and ($2::bigint = 0 or s.session = $2::bigint)
	and ($3::bigint = 0 or s.mailbox = $3::bigint)
	and exists (select from node n where n.node = s.node and n.token = s.token and n.until > clock_timestamp());
