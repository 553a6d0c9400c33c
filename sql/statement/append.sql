-- Appending, behind deliver_messages.

-- statement append_entries
-- $2 mailbox, $3 folder's name, $4 bytes, $5 unseen ones, $6 deleted ones; per entry: $7 message, $8 size, $9 flags,
-- $10 INTERNALDATE (infinity: now), $11 its zone; $12 the folder's id (0: any may be called so); $13 $14 folder and UID of the one of
-- this mailbox that leaves for them (0: none), which makes room; $15 a folder whose \Recent ones are taken by who appends, when all
-- others were. Stops the transaction when mailbox or folder are not there or
-- full. The row of the mailbox is locked by its update, and nothing was read before.
with counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used + $4::bigint, nmsg = m.nmsg + cardinality($7::bigint[])
	where m.postoffice = $1::bigint and m.mailbox = $2::bigint and m.state = 0
		and (m.quota = 0 or m.used + $4::bigint <= m.quota + case when $13::bigint = 0 then 0 else coalesce((
			select size from entry where postoffice = $1::bigint and folder = $13::bigint and uid = $14::bigint), 0) end)
	returning m.modseq
), numbered as (
	update folder f set uidnext = f.uidnext + cardinality($7::bigint[]), modseq = c.modseq,
		nmsg = f.nmsg + cardinality($7::bigint[]), nunseen = f.nunseen + $5::bigint, ndeleted = f.ndeleted + $6::bigint,
		nbytes = f.nbytes + $4::bigint,
		recent = f.recent + case when f.folder = $15::bigint and f.recent = f.uidnext then cardinality($7::bigint[]) else 0 end
	from counted c
	where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.name = $3::text and ($12::bigint = 0 or f.folder = $12::bigint)
	returning f.folder, f.uidvalidity, f.uidnext - cardinality($7::bigint[]) as first, f.modseq
), made as (
	insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size, zone, saved)
	select $1::bigint, n.folder, n.first + e.rank - 1, n.modseq, e.flags, e.msg,
		case when e.idate = 'infinity' then now() else e.idate end, e.size, nullif(e.zone, 0),
		case when e.idate = 'infinity' then null else now() end
	from numbered n, unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[], $11::bigint[])
		with ordinality as e (msg, size, flags, idate, zone, rank)
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, '+', int8multirange(int8range(first, first + cardinality($7::bigint[]))) from numbered
)
select 1 / count(*)::int, max(folder), max(uidvalidity), max(first), max(modseq), now() from numbered;

-- statement append_reason
-- $2 mailbox, $3 name, $4 bytes, $5 its id or 0, $6 $7 folder and UID of the one that leaves: the folder, when it is there to be
-- appended to: 1 with room, 0 without.
select (m.quota = 0 or m.used + $4::bigint <= m.quota + case when $6::bigint = 0 then 0 else coalesce((
	select size from entry where postoffice = $1::bigint and folder = $6::bigint and uid = $7::bigint), 0) end)::int from folder f join mailbox m on m.postoffice = f.postoffice and m.mailbox = f.mailbox
where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.name = $3::text and m.state = 0
	and ($5::bigint = 0 or f.folder = $5::bigint);

-- statement append_found
-- $2 mailbox, $3 message: where a first run put it, though it may have been expunged since.
select f.folder, f.uidvalidity, e.uid, e.modseq
from (select folder, uid, modseq from entry where postoffice = $1::bigint and msg = $3::bigint
	union all
	select folder, uid, 0 from expunged where postoffice = $1::bigint and msg = $3::bigint
	union all
	select p.folder, p.uids[array_position(p.messages, $3::bigint)], 0 from expunged_pack p
	where p.postoffice = $1::bigint and p.mailbox = $2::bigint and $3::bigint = any (p.messages)) e
join folder f on f.postoffice = $1::bigint and f.folder = e.folder and f.mailbox = $2::bigint
order by e.modseq desc limit 1;
