-- Views: folders as readers see them.

-- statement view_load
-- $2 mailbox, $3 name, or NULL: the folder with id $4. $4 $5 $6: a folder, its UIDVALIDITY and MODSEQ that the reader
-- knows already. $7 folders with more messages than this may have a packed state.
-- Gives the folder, from which MODSEQ on (base) the rest tells, a packed state when base is one, the UIDs
-- that vanished since (ranges), and the entries changed since (all, when base is 0), as arrays,
-- which cost a fraction of as many rows. One statement, one snapshot: all fits together. Sums and conditions stand in
-- subqueries of their own, so that what is not asked for is not read, whatever the plan. The ends of ranges are taken before
-- entries are asked for: beside row-level security no index is used with a function of another row's column.
with f as materialized (
	select f.folder, f.name, f.uidvalidity, f.uidnext, f.modseq, f.nmsg, f.log_floor, f.recent,
		(f.folder = $4::bigint and f.uidvalidity = $5::bigint and $6::bigint between greatest(f.log_floor, 1) and f.modseq) as known
	from folder f
	where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.folder = case when $3::text is null then $4::bigint
		else (select n.folder from folder n where n.postoffice = $1::bigint and n.mailbox = $2::bigint and n.name = $3::text) end
), s as materialized (
	select s.modseq, s.state from f, folder_snap s
	where not f.known and f.nmsg > $7::bigint and s.postoffice = $1::bigint and s.folder = f.folder
		and s.uidvalidity = f.uidvalidity and s.modseq between greatest(f.log_floor, 1) and f.modseq
), base as materialized (
	select case when f.known then $6::bigint else coalesce((select modseq from s), 0) end as modseq from f
), c as materialized (
	select c.kind = 'v' as vanished, range_agg(r) as uids
	from change c, unnest(c.uids) as r
	where (select base.modseq > 0 and base.modseq < f.modseq from f, base)
		and c.postoffice = $1::bigint and c.folder = (select folder from f) and c.modseq > (select modseq from base)
	group by 1
), e as (
	select e.* from entry e
	where (select modseq from base) = 0 and e.postoffice = $1::bigint and e.folder = (select folder from f)
	union all
	select e.* from (select lower(r) as first, upper(r) as past from c, unnest(c.uids) as r where not c.vanished offset 0) r
	cross join lateral (
		select * from entry e
		where e.postoffice = $1::bigint and e.folder = (select folder from f) and e.uid >= r.first and e.uid < r.past
		offset 0) e
)
select f.folder, f.name, f.uidvalidity, f.uidnext, f.modseq, f.recent, f.log_floor,
	(select array_to_string(m.kwnames, ' ') from mailbox m where m.postoffice = $1::bigint and m.mailbox = $2::bigint),
	base.modseq, (select state from s), v.first, v.past,
	l.uids, l.modseqs, l.flags, l.messages, l.sizes, l.received, l.odd, l.zones, l.saved
from f, base,
	(select array_agg(lower(r) order by r) as first, array_agg(upper(r) order by r) as past
		from c, unnest(c.uids) as r where c.vanished) v,
	(select array_agg(uid) as uids, array_agg(modseq) as modseqs, array_agg(flags) as flags, array_agg(msg) as messages,
		array_agg(size) as sizes, array_agg(idate) as received,
		array_agg(uid) filter (where zone is not null or saved is not null) as odd,
		array_agg(coalesce(zone, 0)) filter (where zone is not null or saved is not null) as zones,
		array_agg(saved) filter (where zone is not null or saved is not null) as saved
		from e) l;

-- statement view_looks
-- $2 mailboxes, $3 a folder of each: by its MODSEQ whoever knows its entries sees whether they are as he knows them. Gives its place from 1, too.
select a.place, f.name, f.uidvalidity, f.modseq, f.recent, m.words
from (select * from unnest($2::bigint[], $3::bigint[]) with ordinality as u (mailbox, folder, place) limit cardinality($2::bigint[])) a
cross join lateral (
	select name, uidvalidity, modseq, recent from folder
	where postoffice = $1::bigint and folder = a.folder and mailbox = a.mailbox offset 0) f
cross join lateral (
	select array_to_string(kwnames, ' ') as words from mailbox where postoffice = $1::bigint and mailbox = a.mailbox offset 0) m;

-- statement view_state_keep
-- $2 folder, $3 UIDVALIDITY, $4 MODSEQ, $5 packed state
insert into folder_snap (postoffice, folder, uidvalidity, modseq, state)
select $1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bytea
where exists (select from folder where postoffice = $1::bigint and folder = $2::bigint)
on conflict (postoffice, folder) do update
set uidvalidity = excluded.uidvalidity, modseq = excluded.modseq, state = excluded.state
where folder_snap.uidvalidity <> excluded.uidvalidity or folder_snap.modseq < excluded.modseq;

-- statement view_recent
-- After deliver_lock, as all that changes a folder's row. $2 mailbox, $3 folder, $4 uidnext of the reader who was shown all below as \Recent
update folder set recent = $4::bigint
where postoffice = $1::bigint and mailbox = $2::bigint and folder = $3::bigint and recent < $4::bigint;

-- statement view_vanished
-- $2 folder, $3 MODSEQ, $4 the reader's: where the change log begins, and what vanished in between, as ranges.
select f.log_floor, v.first, v.past
from folder f, (select array_agg(lower(u) order by u) as first, array_agg(upper(u) order by u) as past
	from (select range_agg(r) as uids from change c, unnest(c.uids) as r
		where c.postoffice = $1::bigint and c.folder = $2::bigint and c.modseq > $3::bigint and c.modseq <= $4::bigint
			and c.kind = 'v') g,
		unnest(g.uids) as u) v
where f.postoffice = $1::bigint and f.folder = $2::bigint;

-- Changing: after deliver_lock, so that what is read here is what is changed. UIDs are given as ranges that rise, $4 the first
-- and $5 the last of each. Entries are read once, by key; what is changed is found by where it was read (ctid), which the lock keeps
-- true. `between` tells the planner of few places, so that it goes to each of them and reads no whole post office, whatever it believes
-- of the table. What is not given on row by row is summed up as it comes
-- (found), and sums stand apart from arrays (total), for every look at a row copies all of it.

-- statement view_store
-- $2 mailbox, $3 folder, $4 $5 UIDs, $6 flags to remove, $7 to add, $8 greatest modseq an entry may have.
-- Gives the modseq given (NULL: nothing changed), the folder's before (NULL: no such folder), and the UIDs held back.
with found as materialized (
	select count(*) as n, sum(((e.flags & ~$6::bigint | $7::bigint) & 1 = 0)::int - (e.flags & 1 = 0)::int) as unseen,
		sum(((e.flags & ~$6::bigint | $7::bigint) & 8 <> 0)::int - (e.flags & 8 <> 0)::int) as deleted,
		min(e.uid) as least, max(e.uid) as most, array_agg(e.uid) as uids, array_agg(e.at) as ats
	from unnest($4::bigint[], $5::bigint[]) as r (first, last)
	cross join lateral (
		select ctid as at, uid, flags from entry
		where postoffice = $1::bigint and folder = $3::bigint and uid between r.first and r.last
			and modseq <= $8::bigint and flags <> (flags & ~$6::bigint | $7::bigint)
		offset 0) e
	where exists (select from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
), total as materialized (
	select n, unseen, deleted, least, most from found
), counted as (
	update mailbox m set modseq = m.modseq + 1 from total t
	where m.postoffice = $1::bigint and m.mailbox = $2::bigint and t.n > 0
	returning m.modseq
), numbered as (
	update folder f set modseq = c.modseq, nunseen = f.nunseen + t.unseen, ndeleted = f.ndeleted + t.deleted
	from total t, counted c
	where f.postoffice = $1::bigint and f.folder = $3::bigint
	returning f.modseq
), stored as (
	update entry e set flags = e.flags & ~$6::bigint | $7::bigint, modseq = (select modseq from numbered)
	from (select u.at from found f cross join lateral unnest(f.ats) as u (at) offset 0) a
	where e.postoffice = $1::bigint and e.ctid = a.at and a.at between '(0,0)' and '(4294967295,65535)'
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, $3::bigint, n.modseq, 'f',
		case when t.n > t.most - t.least then int8multirange(int8range(t.least, t.most + 1))
			else (select range_agg(int8range(uid, uid + 1)) from found f cross join lateral unnest(f.uids) as u (uid)) end
	from numbered n, total t
)
select (select modseq from numbered),
	(select modseq from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint),
	case when $8::bigint < 9223372036854775807 then (select array_agg(e.uid order by e.uid)
		from unnest($4::bigint[], $5::bigint[]) as r (first, last)
		cross join lateral (
			select uid from entry
			where postoffice = $1::bigint and folder = $3::bigint and uid between r.first and r.last and modseq > $8::bigint
			offset 0) e
		where exists (select from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)) end;

-- statement view_store_alone
-- Few messages, of which all is known, without deliver_lock: nothing is done when the folder is at another MODSEQ than $4, which is
-- asked before anything is locked and where its row is changed. $2 mailbox, $3 folder, $5 UIDs of those that change, $6 flags to remove,
-- $7 to add, $8 more unseen, $9 more \Deleted, $10 the UIDs as a multirange. Gives the modseq given, the keywords and from where on messages
-- are \Recent; stops the transaction when the folder was changed meanwhile or one of them is not there.
with counted as (
	update mailbox set modseq = modseq + 1
	where postoffice = $1::bigint and mailbox = $2::bigint and exists (select from folder
		where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint and modseq = $4::bigint)
	returning modseq, kwnames
), numbered as (
	update folder f set modseq = c.modseq, nunseen = f.nunseen + $8::bigint, ndeleted = f.ndeleted + $9::bigint
	from counted c
	where f.postoffice = $1::bigint and f.folder = $3::bigint and f.modseq = $4::bigint
	returning f.modseq, f.recent
), stored as (
	update entry e set flags = e.flags & ~$6::bigint | $7::bigint, modseq = a.modseq
	from (select n.modseq, w.at from numbered n cross join lateral unnest($5::bigint[]) as u (uid)
		cross join lateral (select ctid as at from entry
			where postoffice = $1::bigint and folder = $3::bigint and uid = u.uid offset 0) w offset 0) a
	where e.postoffice = $1::bigint and e.ctid = a.at and a.at between '(0,0)' and '(4294967295,65535)'
	returning 1
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, $3::bigint, modseq, 'f', $10::text::int8multirange from numbered
)
select n.modseq, array_to_string(c.kwnames, ' '), n.recent, 1 / ((select count(*) from stored) = cardinality($5::bigint[]))::int
from counted c left join numbered n on true;

-- statement view_copy
-- $2 mailbox, $3 folder, $4 $5 UIDs, $6 name of the other folder, $7 id of the outcome, $8 that folder's mailbox, $9 flags that
-- go along, $10 flags that become others there, $11 these others, $12 the other folder's id (0: any may be called so),
-- $13 they leave the same mailbox, so that there is room, $14 how many of them there must be, else nothing is copied.
-- Gives the other folder (NULL: there is none, or its mailbox is disabled), its UIDVALIDITY, the first UID given and the modseq (NULL: no room, too few, or
-- nothing to copy), the UIDs copied, and the modseq of the folder they came from (NULL: gone).
with target as materialized (
	select folder, uidvalidity from folder where postoffice = $1::bigint and mailbox = $8::bigint and name = $6::text
		and ($12::bigint = 0 or folder = $12::bigint)
		and exists (select from mailbox where postoffice = $1::bigint and mailbox = $8::bigint and state = 0)
), asked as materialized (
	select e.*, row_number() over (order by e.uid) as rank
	from unnest($4::bigint[], $5::bigint[]) as r (first, last)
	cross join lateral (
		select uid, msg, idate, size, zone, flags & $9::bigint | case when cardinality($10::bigint[]) = 0 then 0 else coalesce((
			select bit_or(k.there) from unnest($10::bigint[], $11::bigint[]) as k (here, there)
			where flags & k.here <> 0), 0) end as flags
		from entry
		where postoffice = $1::bigint and folder = $3::bigint and uid between r.first and r.last
		offset 0) e
	where exists (select from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
), found as materialized (
	select count(*) as n, sum(size)::bigint as bytes, count(*) filter (where flags & 1 = 0) as unseen,
		count(*) filter (where flags & 8 <> 0) as deleted, array_agg(uid order by uid) as uids
	from asked
), total as materialized (
	select n, bytes, unseen, deleted from found
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used + t.bytes, nmsg = m.nmsg + t.n
	from total t, target
	where m.postoffice = $1::bigint and m.mailbox = $8::bigint and t.n >= greatest($14::bigint, 1)
		and (m.quota = 0 or m.used + t.bytes <= m.quota or $13::boolean)
	returning m.modseq
), numbered as (
	update folder f set uidnext = f.uidnext + t.n, modseq = c.modseq, nmsg = f.nmsg + t.n, nunseen = f.nunseen + t.unseen,
		ndeleted = f.ndeleted + t.deleted, nbytes = f.nbytes + t.bytes
	from total t, counted c, target g
	where f.postoffice = $1::bigint and f.folder = g.folder
	returning f.folder, f.uidvalidity, f.uidnext - t.n as first, t.n, f.modseq
), made as (
	insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size, zone, saved)
	select $1::bigint, n.folder, n.first + a.rank - 1, n.modseq, a.flags, a.msg, a.idate, a.size, a.zone, now()
	from numbered n, asked a
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, '+', int8multirange(int8range(first, first + n)) from numbered
), noted as (
	insert into outcome (postoffice, id, uidvalidity, first, modseq, uids)
	select $1::bigint, $7::bigint, n.uidvalidity, n.first, n.modseq, f.uids from numbered n, found f
)
select (select folder from target), (select uidvalidity from target), (select first from numbered),
	(select modseq from numbered), f.uids,
	(select modseq from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
from found f;

-- statement view_move
-- The same within one mailbox ($2 to $7, all flags), and the entries leave. The two folders are not one. They are named by an array, not joined to a union: where
-- somebody else's update of a folder's row must be waited for, PostgreSQL looks at the row again and loses it from such a join.
with target as materialized (
	select folder, uidvalidity from folder
	where postoffice = $1::bigint and mailbox = $2::bigint and name = $6::text and folder <> $3::bigint
), asked as materialized (
	select e.*, row_number() over (order by e.uid) as rank
	from unnest($4::bigint[], $5::bigint[]) as r (first, last)
	cross join lateral (
		select ctid as at, uid, msg, flags, idate, size, zone from entry
		where postoffice = $1::bigint and folder = $3::bigint and uid between r.first and r.last
		offset 0) e
	where exists (select from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
		and exists (select from target)
), found as materialized (
	select count(*) as n, sum(size)::bigint as bytes, count(*) filter (where flags & 1 = 0) as unseen,
		count(*) filter (where flags & 8 <> 0) as deleted, min(uid) as least, max(uid) as most,
		array_agg(uid order by uid) as uids, array_agg(at) as ats
	from asked
), total as materialized (
	select n, bytes, unseen, deleted, least, most from found
), counted as (
	update mailbox m set modseq = m.modseq + 1 from total t
	where m.postoffice = $1::bigint and m.mailbox = $2::bigint and t.n > 0
	returning m.modseq
), numbered as (
	update folder f set modseq = c.modseq,
		uidnext = f.uidnext + case when f.folder = $3::bigint then 0 else t.n end,
		nmsg = f.nmsg + case when f.folder = $3::bigint then -t.n else t.n end,
		nunseen = f.nunseen + case when f.folder = $3::bigint then -t.unseen else t.unseen end,
		ndeleted = f.ndeleted + case when f.folder = $3::bigint then -t.deleted else t.deleted end,
		nbytes = f.nbytes + case when f.folder = $3::bigint then -t.bytes else t.bytes end
	from total t, counted c
	where f.postoffice = $1::bigint and f.folder = any (array[$3::bigint, (select folder from target)])
	returning f.folder, f.uidvalidity, f.uidnext - t.n as first, t.n, f.modseq
), made as (
	insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size, zone, saved)
	select $1::bigint, n.folder, n.first + a.rank - 1, n.modseq, a.flags, a.msg, a.idate, a.size, a.zone, now()
	from numbered n, asked a where n.folder <> $3::bigint
), gone as (
	delete from entry e using (select u.at from found f cross join lateral unnest(f.ats) as u (at) offset 0) a
	where e.postoffice = $1::bigint and e.ctid = a.at and a.at between '(0,0)' and '(4294967295,65535)'
), paged as ( -- of them in the folder they leave
	delete from folder_page p using (
		select distinct uid / 256 as page from found f cross join lateral unnest(f.uids) as u (uid) offset 0) a
	where p.postoffice = $1::bigint and p.folder = $3::bigint and p.page = a.page
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, n.folder, n.modseq, case when n.folder = $3::bigint then 'v' else '+' end::"char",
		case when n.folder <> $3::bigint then int8multirange(int8range(n.first, n.first + n.n))
			when t.n > t.most - t.least then int8multirange(int8range(t.least, t.most + 1))
			else (select range_agg(int8range(uid, uid + 1)) from found f cross join lateral unnest(f.uids) as u (uid)) end
	from numbered n, total t
), noted as (
	insert into outcome (postoffice, id, uidvalidity, first, modseq, uids)
	select $1::bigint, $7::bigint, n.uidvalidity, n.first, n.modseq, f.uids
	from numbered n, found f where n.folder <> $3::bigint
)
select (select folder from target), (select uidvalidity from target),
	(select first from numbered where folder <> $3::bigint), (select modseq from numbered where folder <> $3::bigint), f.uids,
	(select modseq from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
from found f;

-- statement view_copied
-- $2 ids of outcomes: stops the transaction when nothing was copied.
select 1 / count(*) from outcome where postoffice = $1::bigint and id = any ($2::bigint[]);

-- statement view_outcome
-- $2 ids, of one copy or move: as its UIDs rise.
select uidvalidity, first, modseq, uids from outcome where postoffice = $1::bigint and id = any ($2::bigint[]) order by first;
