-- Folders and their entries.

-- statement folder_find
select folder, postoffice, mailbox, name, uidvalidity, uidnext, modseq, nmsg, nunseen, nbytes, ndeleted, special, recent
from folder where postoffice = $1::bigint and mailbox = $2::bigint and name = $3::text;

-- statement folder_list
select folder, postoffice, mailbox, name, uidvalidity, uidnext, modseq, nmsg, nunseen, nbytes, ndeleted, special, recent
from folder where postoffice = $1::bigint and mailbox = $2::bigint order by name;

-- statement folder_expunge
-- After deliver_lock. $2 mailbox, $3 folder, $4 $5 UIDs as ranges (first and last of each; none in two), $6 flags an entry must have to go.
-- Gives how many went, the modseq given, and the folder's modseq before. As in view.sql, entries are read once, by key. From 500 on
-- what is kept of them are rows of arrays, 10,000 in each (expunged.sql): what is made of one of them in one statement is bounded.
with lost as materialized (
	select count(*) as n, coalesce(sum(e.size), 0)::bigint as bytes, count(*) filter (where e.flags & 1 = 0) as unseen,
		count(*) filter (where e.flags & 8 <> 0) as deleted, min(e.uid) as least, max(e.uid) as most, array_agg(e.at) as ats,
		array_agg(e.uid) as uids, array_agg(e.msg) as messages, array_agg(e.flags) as flags, array_agg(e.idate) as idates, array_agg(e.zone) as zones
	from unnest($4::bigint[], $5::bigint[]) as r (first, last)
	cross join lateral (
		select ctid as at, uid, msg, flags, idate, size, zone from entry
		where postoffice = $1::bigint and folder = $3::bigint and uid between r.first and r.last and flags & $6::bigint = $6::bigint
		offset 0) e
	where exists (select from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
), gone as (
	delete from entry e using (select u.at from lost f cross join lateral unnest(f.ats) as u (at) offset 0) a
	where e.postoffice = $1::bigint and e.ctid = a.at and a.at between '(0,0)' and '(4294967295,65535)'
), total as materialized ( -- without the arrays, which every look at them would copy
	select n, bytes, unseen, deleted, least, most from lost
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used - t.bytes, nmsg = m.nmsg - t.n
	from total t
	where m.postoffice = $1::bigint and m.mailbox = $2::bigint and t.n > 0
	returning m.modseq
), numbered as (
	update folder f set modseq = c.modseq, nmsg = f.nmsg - t.n, nunseen = f.nunseen - t.unseen,
		ndeleted = f.ndeleted - t.deleted, nbytes = f.nbytes - t.bytes
	from total t, counted c
	where f.postoffice = $1::bigint and f.folder = $3::bigint
	returning f.modseq
), kept as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone)
	select $1::bigint, $2::bigint, $3::bigint, u.uid, u.msg, u.flags, u.idate, u.zone
	from lost l cross join lateral unnest(l.uids, l.messages, l.flags, l.idates, l.zones) as u (uid, msg, flags, idate, zone)
	where (select n from total) < 500
), packed as (
	insert into expunged_pack (postoffice, mailbox, modseq, part, folder, uids, messages, flags, idates, zones)
	select $1::bigint, $2::bigint, n.modseq, p.part, $3::bigint, l.uids[p.part * 10000 + 1 : p.part * 10000 + 10000],
		l.messages[p.part * 10000 + 1 : p.part * 10000 + 10000], l.flags[p.part * 10000 + 1 : p.part * 10000 + 10000],
		l.idates[p.part * 10000 + 1 : p.part * 10000 + 10000], l.zones[p.part * 10000 + 1 : p.part * 10000 + 10000]
	from numbered n, lost l cross join lateral generate_series(0, (l.n - 1) / 10000) as p (part)
	where (select t.n from total t) >= 500
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, $3::bigint, n.modseq, 'v', case when t.n > t.most - t.least then int8multirange(int8range(t.least, t.most + 1))
		else (select range_agg(int8range(uid, uid + 1)) from lost l cross join lateral unnest(l.uids) as u (uid)) end
	from numbered n, total t
)
select t.n, (select modseq from numbered),
	(select modseq from folder where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint)
from total t;

-- statement folder_expunge_alone
-- As view_store_alone: $2 mailbox, $3 folder, $4 its MODSEQ, $5 UIDs of those that go, $6 more bytes, $7 more unseen, $8 more \Deleted in the
-- folder (all less than none), $9 the UIDs as a multirange.
with counted as (
	update mailbox set modseq = modseq + 1, used = used + $6::bigint, nmsg = nmsg - cardinality($5::bigint[])
	where postoffice = $1::bigint and mailbox = $2::bigint and exists (select from folder
		where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint and modseq = $4::bigint)
	returning modseq, kwnames
), numbered as (
	update folder f set modseq = c.modseq, nmsg = f.nmsg - cardinality($5::bigint[]), nunseen = f.nunseen + $7::bigint,
		ndeleted = f.ndeleted + $8::bigint, nbytes = f.nbytes + $6::bigint
	from counted c
	where f.postoffice = $1::bigint and f.folder = $3::bigint and f.modseq = $4::bigint
	returning f.modseq, f.recent
), gone as (
	delete from entry e
	using (select w.at from numbered n cross join lateral unnest($5::bigint[]) as u (uid)
		cross join lateral (select ctid as at from entry
			where postoffice = $1::bigint and folder = $3::bigint and uid = u.uid offset 0) w offset 0) a
	where e.postoffice = $1::bigint and e.ctid = a.at and a.at between '(0,0)' and '(4294967295,65535)'
	returning e.uid, e.msg, e.flags, e.idate, e.zone
), kept as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone)
	select $1::bigint, $2::bigint, $3::bigint, uid, msg, flags, idate, zone from gone
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, $3::bigint, modseq, 'v', $9::text::int8multirange from numbered
)
select n.modseq, array_to_string(c.kwnames, ' '), n.recent, 1 / ((select count(*) from gone) = cardinality($5::bigint[]))::int
from counted c left join numbered n on true;

-- statement folder_old_entries
-- UIDs behind $3 received before $4, at most $5.
select uid from entry
where postoffice = $1::bigint and folder = $2::bigint and uid > $3::bigint and idate < $4::timestamptz
order by uid limit $5::bigint;

-- ---------------------------------------------------------------- the tree

-- statement folder_tree
-- Folders with their subscriptions, and subscriptions without a folder (id 0). The last column: whether others may share
-- something with him, by his name, with a group or with anyone.
select f.folder, f.postoffice, f.mailbox, f.name, f.uidvalidity, f.uidnext, f.modseq, f.nmsg, f.nunseen, f.nbytes, f.ndeleted,
	f.special, f.recent, s.name is not null,
	exists (select from folder_right where postoffice = $1::bigint and kind = 1 and who = $2::bigint)
		or exists (select from folder_right where postoffice = $1::bigint and kind = 0)
		or exists (select from folder_right where postoffice = $1::bigint and kind = 2)
from folder f
left join subscription s on s.postoffice = f.postoffice and s.mailbox = f.mailbox and s.name = f.name
where f.postoffice = $1::bigint and f.mailbox = $2::bigint
union all
select 0, s.postoffice, s.mailbox, s.name, 0, 0, 0, 0, 0, 0, 0, 0, 0, true, false
from subscription s
where s.postoffice = $1::bigint and s.mailbox = $2::bigint
	and not exists (select from folder f where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.name = s.name);

-- statement folder_stands
-- $2 mailbox, $3 folder, $4 name: whether it is called so; '': whether there is such a folder.
select 1 from folder where postoffice = $1::bigint and mailbox = $2::bigint and folder = $3::bigint and $4::text in (name, '');

-- statement folder_below
-- $2 mailbox, $3 name: how many folders stand below it.
select count(*) from folder
where postoffice = $1::bigint and mailbox = $2::bigint and starts_with(name, $3::text || '/');

-- Changing the tree: after deliver_lock, so that names, limits and UIDVALIDITY are one after the other.

-- statement folder_special_free
-- $2 mailbox, $3 FOLDER_ bits, $4 name, $5 id: stops the transaction when a folder of another name and id has one of them.
select 0 / (count(*) = 0)::int from folder
where postoffice = $1::bigint and mailbox = $2::bigint and special & $3::bigint <> 0 and name <> $4::text
	and folder <> $5::bigint;

-- statement folder_make
-- $2 mailbox, $3 names, $4 their ids; the first $5 of them may exist; $6 FOLDER_ bits of the last,
-- $7 most folders: stops the transaction when there would be more, or no mailbox. Rights are those of the level above.
with numbered as (
	update mailbox set modseq = modseq + 1,
		uidvalidity = greatest(uidvalidity, extract(epoch from now())::bigint) + cardinality($3::text[])
	where postoffice = $1::bigint and mailbox = $2::bigint
	returning modseq, uidvalidity - cardinality($3::text[]) as before
), asked as materialized (
	select name, id, n from unnest($3::text[], $4::bigint[]) with ordinality as a (name, id, n)
	where n > $5::bigint or not exists (select from folder f
		where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.name = a.name)
), made as (
	insert into folder (postoffice, folder, mailbox, name, uidvalidity, modseq, special)
	select $1::bigint, a.id, $2::bigint, a.name, m.before + a.n, m.modseq,
		case when a.n = cardinality($3::text[]) then $6::bigint else 0 end
	from asked a, numbered m
	returning folder
), heir as ( -- the nearest of the levels that stands already
	select f.folder from unnest($3::text[]) with ordinality as l (name, n)
	cross join lateral (
		select folder from folder where postoffice = $1::bigint and mailbox = $2::bigint and name = l.name offset 0
	) f
	order by l.n desc limit 1
), shared as (
	insert into folder_right (postoffice, folder, kind, who, negative, rights)
	select $1::bigint, m.folder, r.kind, r.who, r.negative, r.rights
	from made m, heir h
	cross join lateral (
		select kind, who, negative, rights from folder_right where postoffice = $1::bigint and folder = h.folder offset 0
	) r
)
select 1 / ((select count(*) from folder where postoffice = $1::bigint and mailbox = $2::bigint)
		+ (select count(*) from asked) <= $7::bigint
	and exists (select from numbered))::int;

-- statement folder_rename_fits
-- $2 mailbox, $3 name, $4 the new one, $5 most octets of a name, $6 most levels: stops the transaction when a folder
-- below would get more, and more than it has.
select 0 / (count(*) = 0)::int from folder
where postoffice = $1::bigint and mailbox = $2::bigint and starts_with(name, $3::text || '/')
	and (octet_length($4::text) > octet_length($3::text)
			and octet_length(name) - octet_length($3::text) + octet_length($4::text) > $5::bigint
		or cardinality(string_to_array($4::text, '/')) > cardinality(string_to_array($3::text, '/'))
			and cardinality(string_to_array(name, '/')) - cardinality(string_to_array($3::text, '/'))
				+ cardinality(string_to_array($4::text, '/')) > $6::bigint);

-- statement folder_rename
-- $2 mailbox, $3 folder (0: only what stands below), $4 its name, $5 the new one: with all below. Stops the transaction
-- when there is nothing to rename.
with moved as (
	update folder set name = $5::text || substr(name, length($4::text) + 1)
	where postoffice = $1::bigint and mailbox = $2::bigint
		and (folder = $3::bigint and name = $4::text or starts_with(name, $4::text || '/'))
	returning 1
), told as (
	update mailbox set modseq = modseq + 1 where postoffice = $1::bigint and mailbox = $2::bigint
)
select 1 / (count(*) > 0)::int from moved;

-- statement folder_remove
-- $2 mailbox, $3 folder, $4 its name: nothing is done when it is called otherwise by now. Its entries become expunged
-- ones, which are found by its name.
with gone as (
	delete from entry
	where postoffice = $1::bigint and folder = $3::bigint
		and exists (select from folder
			where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint and name = $4::text)
	returning uid, msg, flags, idate, size, zone
), kept as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone)
	select $1::bigint, $2::bigint, $3::bigint, uid, msg, flags, idate, zone from gone
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used - t.bytes, nmsg = m.nmsg - t.n
	from (select count(*) as n, coalesce(sum(size), 0)::bigint as bytes from gone) t
	where m.postoffice = $1::bigint and m.mailbox = $2::bigint
), removed as (
	delete from folder
	where postoffice = $1::bigint and folder = $3::bigint and mailbox = $2::bigint and name = $4::text
	returning name, uidnext
), told as ( -- where there ever was a message
	insert into folder_removed (postoffice, mailbox, folder, name) select $1::bigint, $2::bigint, $3::bigint, name from removed
	where uidnext > 1
)
select count(*) from removed;

-- statement folder_set_special
-- $2 mailbox, $3 folder, $4 FOLDER_ bits
update folder set special = $4::bigint where postoffice = $1::bigint and mailbox = $2::bigint and folder = $3::bigint;

-- statement folder_subscribe
-- $2 mailbox, $3 name, $4 most subscriptions: stops the transaction when there would be more.
with made as (
	insert into subscription (postoffice, mailbox, name) values ($1::bigint, $2::bigint, $3::text)
	on conflict do nothing returning 1
)
select 1 / ((select count(*) from subscription where postoffice = $1::bigint and mailbox = $2::bigint)
	+ (select count(*) from made) <= $4::bigint)::int;

-- statement folder_unsubscribe
delete from subscription where postoffice = $1::bigint and mailbox = $2::bigint and name = $3::text;

-- statement folder_removed_list
-- $2 mailbox, $3 microseconds: folders that were removed, and what can be restored of each.
select r.folder, r.name, r.at, coalesce(x.n, 0) from folder_removed r
left join (select folder, sum(n)::bigint as n from (
		select folder, count(*) as n from expunged
		where postoffice = $1::bigint and mailbox = $2::bigint and at > now() - $3::bigint * interval '1 microsecond'
		group by folder
		union all
		select folder, cardinality(uids) from expunged_pack
		where postoffice = $1::bigint and mailbox = $2::bigint and at > now() - $3::bigint * interval '1 microsecond'
	) k group by folder) x on x.folder = r.folder
where r.postoffice = $1::bigint and r.mailbox = $2::bigint and r.at > now() - $3::bigint * interval '1 microsecond'
order by r.at desc, r.folder desc;

-- statement folder_undelete
-- After expunged_unpack and deliver_lock. $2 mailbox; of what was expunged within $3 microseconds: $4 only from this folder (0: any), $5 only
-- at or after this moment, $6 only this message (0: any), at most $7; into $8, or (0) where it was or INBOX.
-- Those that were removed first come first; what comes together stands in the order of its old UIDs, whenever each was removed.
-- Gives how many came back; stops the transaction when there is no room.
with lost as materialized (
	select x.msg, x.folder, x.uid, x.at, x.flags & ~8::bigint as flags, x.idate, x.zone, m.size,
		coalesce((select f.folder from folder f where f.postoffice = $1::bigint and f.mailbox = $2::bigint
			and f.folder = case when $8::bigint <> 0 then $8::bigint else x.folder end), b.inbox) as target
	from mailbox b, expunged x
	cross join lateral (select size from message m where m.postoffice = $1::bigint and m.msg = x.msg limit 1) m
	where b.postoffice = $1::bigint and b.mailbox = $2::bigint
		and x.postoffice = $1::bigint and x.mailbox = $2::bigint
		and x.at > now() - $3::bigint * interval '1 microsecond' and x.at >= $5::timestamptz
		and ($4::bigint = 0 or x.folder = $4::bigint) and ($6::bigint = 0 or x.msg = $6::bigint)
	order by x.at, x.folder, x.uid limit $7::bigint
), ranked as materialized (
	select l.*, row_number() over (partition by target order by folder, uid, at) as rank from lost l
), gone as (
	delete from expunged x using lost l
	where x.postoffice = $1::bigint and x.msg = l.msg and x.folder = l.folder and x.uid = l.uid and x.at = l.at
), paged as ( -- of where they were
	delete from folder_page p using (select distinct folder, uid / 256 as page from lost offset 0) l
	where p.postoffice = $1::bigint and p.folder = l.folder and p.page = l.page
), total as materialized (
	select target, count(*) as n, sum(size)::bigint as bytes, count(*) filter (where flags & 1 = 0) as unseen
	from lost group by target
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used + t.bytes, nmsg = m.nmsg + t.n
	from (select coalesce(sum(bytes), 0)::bigint as bytes, coalesce(sum(n), 0)::bigint as n from total) t
	where m.postoffice = $1::bigint and m.mailbox = $2::bigint and t.n > 0
		and (m.quota = 0 or m.used + t.bytes <= m.quota)
	returning m.modseq
), numbered as (
	update folder f set uidnext = f.uidnext + t.n, modseq = c.modseq, nmsg = f.nmsg + t.n,
		nunseen = f.nunseen + t.unseen, nbytes = f.nbytes + t.bytes
	from counted c, total t
	where f.postoffice = $1::bigint and f.folder = t.target
	returning f.folder, f.uidnext - t.n as first, t.n, c.modseq
), made as (
	insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size, zone, saved)
	select $1::bigint, n.folder, n.first + r.rank - 1, n.modseq, r.flags, r.msg, r.idate, r.size, r.zone, now()
	from ranked r, numbered n where n.folder = r.target
	returning 1
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, '+', int8multirange(int8range(first, first + n)) from numbered
)
select count(*), 0 / (count(*) = (select count(*) from lost))::int from made;
