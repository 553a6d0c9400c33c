-- Small changes of many mailboxes of one post office in one transaction (together.h), at most one of each mailbox. What is asked for
-- travels as arrays with a place for each change, from 1. Each of them is left out, and not told of, when together_hold did not get
-- its mailbox.

-- statement together_hold
-- $2 mailboxes: those that nobody else changes now are locked, and kept in mind for what follows in this transaction, which so reads
-- nothing older than its locks. Waits for nobody.
select set_config('pennypost.held', coalesce(array_agg(h.mailbox), '{}')::text, true)
from unnest($2::bigint[]) as a (mailbox) cross join lateral (
	select m.mailbox from mailbox m where m.postoffice = $1::bigint and m.mailbox = a.mailbox for no key update skip locked) h;

-- piece together_places
-- Where the rows of a change `c` stand that names its folder.
	cross join lateral (
		select ctid as at, modseq from folder where postoffice = $1::bigint and folder = c.folder and mailbox = c.mailbox offset 0) f
	cross join lateral (
		select ctid as at from mailbox where postoffice = $1::bigint and mailbox = c.mailbox offset 0) m;

-- piece together_told
-- Stops the transaction when a folder's row was changed by somebody who did not lock its mailbox.
select place, modseq as before, null::bigint, null::text, null::bigint, 1 / ((select count(*) from numbered) = (select count(*) from found))::int
from asked
union all
select place, null, modseq, array_to_string(kwnames, ' '), recent, n from numbered;

-- statement together_store
-- $2 mailboxes, $3 their folders, $4 UIDs as multiranges, $5 flags to remove, $6 to add. Two rows for each: the folder's MODSEQ before; and,
-- where an entry changed, the one given, the keywords, from where on messages are \Recent, and how many changed.
with asked as materialized (
	select c.place, c.folder, c.uids, c.remove, c.add, f.modseq, f.at as shelf, m.at as box
	from (
		select * from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
			with ordinality as a (mailbox, folder, uids, remove, add, place)
		where a.mailbox = any ((select nullif(current_setting('pennypost.held', true), '')::bigint[])::bigint[]) limit cardinality($2::bigint[])) c
@together_places
), found as materialized (
	select a.place, a.shelf, a.box, count(*) as n, sum((e.fresh & 1 = 0)::int - (e.flags & 1 = 0)::int) as unseen,
		sum((e.fresh & 8 <> 0)::int - (e.flags & 8 <> 0)::int) as deleted,
		array_agg(e.at) as ats, array_agg(e.fresh) as flags, range_agg(int8range(e.uid, e.uid + 1)) as uids
	from asked a cross join lateral unnest(a.uids::int8multirange) as r (range)
	cross join lateral (
		select ctid as at, uid, flags, flags & ~a.remove | a.add as fresh from entry
		where postoffice = $1::bigint and folder = a.folder and uid >= lower(r.range) and uid < upper(r.range)
			and flags <> (flags & ~a.remove | a.add)
		offset 0) e
	group by a.place, a.shelf, a.box
), counted as (
	update mailbox m set modseq = m.modseq + 1 from found t
	where m.postoffice = $1::bigint and m.ctid = t.box and t.box between '(0,0)' and '(4294967295,65535)'
	returning m.modseq, m.kwnames, t.place, t.shelf, t.n, t.unseen, t.deleted, t.ats, t.flags, t.uids
), numbered as (
	update folder f set modseq = c.modseq, nunseen = f.nunseen + c.unseen, ndeleted = f.ndeleted + c.deleted
	from counted c
	where f.postoffice = $1::bigint and f.ctid = c.shelf and c.shelf between '(0,0)' and '(4294967295,65535)'
	returning f.folder, f.modseq, f.recent, c.kwnames, c.place, c.n, c.ats, c.flags, c.uids
), stored as (
	update entry e set flags = a.flags, modseq = a.modseq
	from (select n.modseq, u.at, u.flags from numbered n cross join lateral unnest(n.ats, n.flags) as u (at, flags) offset 0) a
	where e.postoffice = $1::bigint and e.ctid = a.at and a.at between '(0,0)' and '(4294967295,65535)'
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, 'f', uids from numbered
)
@together_told
;

-- statement together_expunge
-- $2 mailboxes, $3 their folders, $4 UIDs as multiranges, of which those go that are \Deleted, $5 the MODSEQ at which their folder
-- must be (0: any), else it is left out. Gives the same.
with asked as materialized (
	select c.place, c.folder, c.uids, f.modseq, f.at as shelf, m.at as box
	from (
		select * from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
			with ordinality as a (mailbox, folder, uids, known, place)
		where a.mailbox = any ((select nullif(current_setting('pennypost.held', true), '')::bigint[])::bigint[]) limit cardinality($2::bigint[])) c
@together_places
	where c.known in (0, f.modseq)
), found as materialized (
	select a.place, a.shelf, a.box, count(*) as n, sum(e.size)::bigint as bytes, count(*) filter (where e.flags & 1 = 0) as unseen,
		array_agg(e.at) as ats, range_agg(int8range(e.uid, e.uid + 1)) as uids
	from asked a cross join lateral unnest(a.uids::int8multirange) as r (range)
	cross join lateral (
		select ctid as at, uid, flags, size from entry
		where postoffice = $1::bigint and folder = a.folder and uid >= lower(r.range) and uid < upper(r.range) and flags & 8 = 8
		offset 0) e
	group by a.place, a.shelf, a.box
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used - t.bytes, nmsg = m.nmsg - t.n
	from found t
	where m.postoffice = $1::bigint and m.ctid = t.box and t.box between '(0,0)' and '(4294967295,65535)'
	returning m.modseq, m.kwnames, t.place, t.shelf, t.n, t.bytes, t.unseen, t.ats, t.uids
), numbered as (
	update folder f set modseq = c.modseq, nmsg = f.nmsg - c.n, nunseen = f.nunseen - c.unseen, ndeleted = f.ndeleted - c.n,
		nbytes = f.nbytes - c.bytes
	from counted c
	where f.postoffice = $1::bigint and f.ctid = c.shelf and c.shelf between '(0,0)' and '(4294967295,65535)'
	returning f.folder, f.modseq, f.recent, c.kwnames, c.place, c.n, c.ats, c.uids
), gone as (
	delete from entry e
	using (select n.place, u.at from numbered n cross join lateral unnest(n.ats) as u (at) offset 0) a
	where e.postoffice = $1::bigint and e.ctid = a.at and a.at between '(0,0)' and '(4294967295,65535)'
	returning a.place, e.folder, e.uid, e.msg, e.flags, e.idate, e.zone
), kept as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone)
	select $1::bigint, ($2::bigint[])[place], folder, uid, msg, flags, idate, zone from gone
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, 'v', uids from numbered
)
@together_told
;

-- statement together_append
-- One message to each, with its body as one segment. $2 mailboxes, $3 names of their folders, $4 which these must be (0: any may be called so),
-- $5 those whose \Recent ones are taken by who appends, as append_entries has it. $6 bodies, $7 their sizes, $8 their segments, $9 messages,
-- $10 sizes of their headers, $11 Date fields (infinity: none), $12 subjects, $13 senders, $14 Message-IDs, $15 flags, $16 INTERNALDATEs
-- (infinity: now), $17 their zones. Who has no such folder, or no room, is left out too.
with asked as materialized (
	select a.*, f.at as shelf, m.at as box
	from (
		select * from unnest($2::bigint[], $3::text[], $4::bigint[], $6::bigint[], $7::bigint[], $8::bytea[], $9::bigint[], $10::bigint[],
				$11::timestamptz[], $12::text[], $13::text[], $14::text[])
			with ordinality as u (mailbox, name, must, blob, size, data, msg, header, sent, subject, sender, message_id, place)
		where u.mailbox = any ((select nullif(current_setting('pennypost.held', true), '')::bigint[])::bigint[]) limit cardinality($2::bigint[])) a
	cross join lateral (
		select ctid as at from folder where postoffice = $1::bigint and mailbox = a.mailbox and name = a.name and a.must in (0, folder)
		offset 0) f
	cross join lateral (
		select ctid as at from mailbox m where m.postoffice = $1::bigint and m.mailbox = a.mailbox and m.state = 0
			and (m.quota = 0 or m.used + a.size <= m.quota)
		offset 0) m
), bodies as (
	insert into blob (postoffice, blob, codec, rawlen, nseg, data) select $1::bigint, blob, 1, size, 1, data from asked
), stored as (
	insert into message (postoffice, msg, blob, size, hdrlen, sent, subject, sender, message_id)
	select $1::bigint, msg, blob, size, header, nullif(sent, 'infinity'), subject, sender, message_id from asked
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used + a.size, nmsg = m.nmsg + 1
	from asked a
	where m.postoffice = $1::bigint and m.ctid = a.box and a.box between '(0,0)' and '(4294967295,65535)'
	returning m.modseq, a.place, a.shelf, a.size, a.msg
), numbered as (
	update folder f set uidnext = f.uidnext + 1, modseq = c.modseq, nmsg = f.nmsg + 1,
		nunseen = f.nunseen + (($15::bigint[])[c.place] & 1 = 0)::int, ndeleted = f.ndeleted + (($15::bigint[])[c.place] & 8 <> 0)::int,
		nbytes = f.nbytes + c.size,
		recent = f.recent + (f.folder = ($5::bigint[])[c.place] and f.recent = f.uidnext)::int
	from counted c
	where f.postoffice = $1::bigint and f.ctid = c.shelf and c.shelf between '(0,0)' and '(4294967295,65535)'
	returning f.folder, f.uidvalidity, f.uidnext - 1 as uid, f.modseq, c.place, c.size, c.msg
), made as (
	insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size, zone, saved)
	select $1::bigint, n.folder, n.uid, n.modseq, ($15::bigint[])[n.place], n.msg,
		case when t.idate = 'infinity' then now() else t.idate end, n.size, nullif(($17::bigint[])[n.place], 0),
		case when t.idate = 'infinity' then null else now() end
	from numbered n cross join lateral (select ($16::timestamptz[])[n.place] as idate) t
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, '+', int8multirange(int8range(uid, uid + 1)) from numbered
)
select place, folder, uidvalidity, uid, modseq, now(), 1 / ((select count(*) from numbered) = (select count(*) from asked))::int
from numbered;
