-- Messages.

-- statement message_by_id
select msg, postoffice, blob, size, hdrlen, sent, subject, sender, message_id
from message where postoffice = $1::bigint and msg = $2::bigint;

-- statement message_anywhere system
select m.msg, m.postoffice, m.blob, m.size, m.hdrlen, m.sent, m.subject, m.sender, m.message_id
from (select postoffice from postoffice union all select 0) p
join message m on m.postoffice = p.postoffice and m.msg = $1::bigint
order by m.postoffice limit 1;

-- statement message_list
-- The newest $3 of a mailbox, from the newest of each of its folders.
select m.msg, m.postoffice, m.blob, m.size, m.hdrlen, m.sent, m.subject, m.sender, m.message_id,
	f.name, e.uid, e.flags, e.idate
from folder f
cross join lateral (
	select * from entry where entry.postoffice = f.postoffice and entry.folder = f.folder order by uid desc limit $3::bigint
) e
join message m on m.postoffice = e.postoffice and m.msg = e.msg
where f.postoffice = $1::bigint and f.mailbox = $2::bigint
order by e.idate desc, e.uid desc limit $3::bigint;

-- statement message_removed_list
-- $2 mailbox, $3 microseconds: what was removed within them and can be restored, the newest $4. A folder that is gone has its
-- name from when it was removed.
select m.msg, m.postoffice, m.blob, m.size, m.hdrlen, m.sent, m.subject, m.sender, m.message_id,
	coalesce(f.name, r.name, ''), x.uid, x.flags, x.idate, x.at
from (
	select folder, uid, msg, flags, idate, at from expunged
	where postoffice = $1::bigint and mailbox = $2::bigint and at > now() - $3::bigint * interval '1 microsecond'
	union all
	select p.folder, u.uid, u.msg, u.flags, u.idate, p.at
	from expunged_pack p cross join lateral unnest(p.uids, p.messages, p.flags, p.idates) as u (uid, msg, flags, idate)
	where p.postoffice = $1::bigint and p.mailbox = $2::bigint and p.at > now() - $3::bigint * interval '1 microsecond'
	order by at desc, folder, uid desc limit $4::bigint
) x
join message m on m.postoffice = $1::bigint and m.msg = x.msg
left join folder f on f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.folder = x.folder
left join folder_removed r on r.postoffice = $1::bigint and r.mailbox = $2::bigint and r.folder = x.folder
order by x.at desc, x.folder, x.uid desc;

-- statement message_facts
-- $2 messages: their facts in this order, from message_view where they stand, else from message. One look by key
-- for each, also by a plan that was made while the tables were empty. $3 octets of envelopes and part trees: where those before
-- come to so many, they are left out, which the last column tells.
select f.blob, f.size, f.hdrlen, case when f.before < $3::bigint then f.version else 0 end, case when f.before < $3::bigint then f.envelope end,
	case when f.before < $3::bigint then f.structure end, f.before < $3::bigint
from (
	select coalesce(v.blob, m.blob) as blob, coalesce(v.size, m.size) as size, coalesce(v.hdrlen, m.hdrlen) as hdrlen,
		coalesce(v.version, 0) as version, v.envelope, v.structure, a.n,
		coalesce(sum(octet_length(v.envelope) + octet_length(v.structure)) over (order by a.n rows between unbounded preceding and 1 preceding), 0) as before
	from unnest($2::bigint[]) with ordinality as a (msg, n)
	left join lateral (select * from message_view v where v.postoffice = $1::bigint and v.msg = a.msg limit 1) v on true
	left join lateral (select * from message m where v.msg is null and m.postoffice = $1::bigint and m.msg = a.msg limit 1) m on true
) f
order by f.n;

-- statement message_facts_keep
-- $2 messages, $3 version, $4 envelopes, $5 part trees
insert into message_view (postoffice, msg, version, blob, size, hdrlen, envelope, structure)
select $1::bigint, m.msg, $3::bigint, m.blob, m.size, m.hdrlen, a.envelope, a.structure
from unnest($2::bigint[], $4::bytea[], $5::bytea[]) as a (msg, envelope, structure)
cross join lateral (select * from message m where m.postoffice = $1::bigint and m.msg = a.msg limit 1) m
order by a.msg -- one order for all, so that nobody waits for each other
on conflict (postoffice, msg) do update
set version = excluded.version, envelope = excluded.envelope, structure = excluded.structure
where message_view.version < excluded.version or message_view.version = excluded.version
	and octet_length(message_view.envelope) <= octet_length(excluded.envelope)
	and octet_length(message_view.structure) < octet_length(excluded.structure);
