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
