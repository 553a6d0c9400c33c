-- Folders and their entries.

-- statement folder_find
select folder, postoffice, mailbox, name, uidvalidity, uidnext, modseq, nmsg, nunseen, nbytes
from folder where postoffice = $1::bigint and mailbox = $2::bigint and name = $3::text;

-- statement folder_list
select folder, postoffice, mailbox, name, uidvalidity, uidnext, modseq, nmsg, nunseen, nbytes
from folder where postoffice = $1::bigint and mailbox = $2::bigint order by name;

-- statement folder_entries
-- Behind UID $3, at most $4 (NULL: all).
select e.uid, e.modseq, e.flags, e.msg, m.blob, e.size, e.idate
from entry e join message m on m.postoffice = e.postoffice and m.msg = e.msg
where e.postoffice = $1::bigint and e.folder = $2::bigint and e.uid > $3::bigint
order by e.uid limit $4::bigint;

-- statement folder_expunge
-- After deliver_lock. $2 mailbox, $3 folder, $4 UIDs. Gives how many went.
with gone as (
	delete from entry
	where postoffice = $1::bigint and folder = $3::bigint and uid = any ($4::bigint[])
		and exists (select from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
	returning uid, msg, flags, idate, size
), kept as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate)
	select $1::bigint, $2::bigint, $3::bigint, uid, msg, flags, idate from gone
), total as (
	select count(*) as n, coalesce(sum(size), 0)::bigint as bytes, count(*) filter (where flags & 1 = 0) as unseen,
		range_agg(int8range(uid, uid + 1)) as uids
	from gone
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used - t.bytes, nmsg = m.nmsg - t.n
	from total t
	where m.postoffice = $1::bigint and m.mailbox = $2::bigint and t.n > 0
	returning m.modseq
), numbered as (
	update folder f set modseq = c.modseq, nmsg = f.nmsg - t.n, nunseen = f.nunseen - t.unseen, nbytes = f.nbytes - t.bytes
	from total t, counted c
	where f.postoffice = $1::bigint and f.folder = $3::bigint
	returning f.modseq
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, $3::bigint, n.modseq, 'v', t.uids from numbered n, total t
)
select n from total;

-- statement folder_old_entries
-- UIDs behind $3 received before $4, at most $5.
select uid from entry
where postoffice = $1::bigint and folder = $2::bigint and uid > $3::bigint and idate < $4::timestamptz
order by uid limit $5::bigint;
