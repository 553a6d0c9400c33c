-- The transaction of a delivery batch, in this order for each post office in it.

-- statement deliver_messages
-- Bodies: $2 ids, $3 raw sizes, $4 numbers of segments, $5 first segments. Their messages: $6 ids,
-- $7 sizes of headers, $8 Date fields (infinity: none), $9 subjects, $10 senders, $11 Message-IDs.
with bodies as (
	insert into blob (postoffice, blob, codec, rawlen, nseg, data)
	select $1::bigint, b.id, 1, b.size, b.segments, b.data
	from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[]) as b (id, size, segments, data)
)
insert into message (postoffice, msg, blob, size, hdrlen, sent, subject, sender, message_id)
select $1::bigint, m.id, m.blob, m.size, m.header, nullif(m.sent, 'infinity'), m.subject, m.sender, m.message_id
from unnest($2::bigint[], $3::bigint[], $6::bigint[], $7::bigint[], $8::timestamptz[], $9::text[], $10::text[],
	$11::text[]) as m (blob, size, id, header, sent, subject, sender, message_id);

-- statement deliver_lock
-- Several mailboxes, in rising order everywhere, so that no two batches wait for each other. Not `for update`: nobody
-- changes keys, and rows that refer to the mailbox may be made meanwhile. $2 rises.
select from unnest($2::bigint[]) as a (mailbox) cross join lateral (
	select from mailbox m where m.postoffice = $1::bigint and m.mailbox = a.mailbox for no key update) h;

-- statement deliver_entries
-- Per mailbox: $2 id, $3 its INBOX, $4 messages, $5 their bytes, $6 bytes it may go over its quota.
-- Per entry: $7 place of its mailbox in $2, from 1, $8 rank among the new ones there, $9 message, $10 size.
-- $11 number of entries, $12 messages that the ledger counts with them.
-- The rows of mailbox and folder stay locked until the commit, so UIDs and MODSEQs show themselves in
-- order. A mailbox that is gone, disabled or full drops out; then no entry is made, and the division
-- by zero stops the transaction. The numbers given travel as arrays, so that entries need no join.
with asked as (
	select * from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
		with ordinality as g (mailbox, folder, n, bytes, over, place)
	limit cardinality($2::bigint[])
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used + g.bytes, nmsg = m.nmsg + g.n, delivered = m.delivered + g.n
	from asked g
	where m.postoffice = $1::bigint and m.mailbox = g.mailbox and m.state = 0
		and (m.quota = 0 or m.used + g.bytes <= m.quota + g.over)
	returning g.place, g.folder, g.mailbox, m.modseq, g.n, g.bytes
), numbered as (
	update folder f set uidnext = f.uidnext + c.n, modseq = c.modseq, nmsg = f.nmsg + c.n,
		nunseen = f.nunseen + c.n, nbytes = f.nbytes + c.bytes
	from counted c
	where f.postoffice = $1::bigint and f.folder = c.folder and f.mailbox is not distinct from c.mailbox
	returning c.place, f.folder, f.uidnext - c.n as first, c.n, c.modseq
), given as (
	select array_agg(first order by place) as first, array_agg(modseq order by place) as modseq from numbered
), made as (
	insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size)
	select $1::bigint, ($3::bigint[])[e.place], g.first[e.place] + e.rank, g.modseq[e.place], 0, e.msg, now(), e.size
	from given g, unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) as e (place, rank, msg, size)
	where cardinality(g.first) = cardinality($2::bigint[])
	returning 1
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, '+', int8multirange(int8range(first, first + n)) from numbered
), noted as (
	insert into ledger as l (postoffice, slot, accepted, addressed)
	values ($1::bigint, pg_backend_pid(), $12::bigint, $11::bigint)
	on conflict (postoffice, slot) do update set accepted = l.accepted + excluded.accepted,
		addressed = l.addressed + excluded.addressed
)
select 1 / (count(*) = $11::bigint)::int from made;

-- statement deliver_alone
-- A small message to one mailbox, as most are: the rows of repeat_add, deliver_messages and deliver_entries at once, for
-- less than their price. Body: $2 id, $3 raw size, $4 its one segment. Message: $5 id, $6 size of its header, $7 Date
-- field (infinity: none), $8 subject, $9 sender, $10 Message-ID. $11 mailbox, $12 its folder, $13 bytes it may go over its
-- quota. $14 its key or nothing, $15 the node number that holds it.
-- The mailbox is locked when key and message stand, so that two runs never wait for each other.
with keyed as (
	insert into repeat (key, message, owner) select $14::bytea, $5::bigint, $15::bigint where length($14::bytea) > 0
	returning 1
), body as (
	insert into blob (postoffice, blob, codec, rawlen, nseg, data)
	values ($1::bigint, $2::bigint, 1, $3::bigint, 1, $4::bytea)
), stored as (
	insert into message (postoffice, msg, blob, size, hdrlen, sent, subject, sender, message_id)
	values ($1::bigint, $5::bigint, $2::bigint, $3::bigint, $6::bigint, nullif($7::timestamptz, 'infinity'), $8::text,
		$9::text, $10::text)
	returning 1
), counted as (
	update mailbox set modseq = modseq + 1, used = used + $3::bigint, nmsg = nmsg + 1, delivered = delivered + 1
	where postoffice = $1::bigint and mailbox = $11::bigint and state = 0
		and (quota = 0 or used + $3::bigint <= quota + $13::bigint)
		and (select count(*) from keyed) + (select count(*) from stored) > 0
	returning modseq
), numbered as (
	update folder f set uidnext = f.uidnext + 1, modseq = c.modseq, nmsg = f.nmsg + 1, nunseen = f.nunseen + 1,
		nbytes = f.nbytes + $3::bigint
	from counted c
	where f.postoffice = $1::bigint and f.folder = $12::bigint and f.mailbox is not distinct from $11::bigint
	returning f.uidnext - 1 as uid, c.modseq
), made as (
	insert into entry (postoffice, folder, uid, modseq, flags, msg, idate, size)
	select $1::bigint, $12::bigint, uid, modseq, 0, $5::bigint, now(), $3::bigint from numbered
	returning 1
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, $12::bigint, modseq, '+', int8multirange(int8range(uid, uid + 1)) from numbered
), noted as (
	insert into ledger as l (postoffice, slot, accepted, addressed) values ($1::bigint, pg_backend_pid(), 1, 1)
	on conflict (postoffice, slot) do update set accepted = l.accepted + 1, addressed = l.addressed + 1
)
select 1 / count(*) from made;

-- statement deliver_stands
select 1 from message where postoffice = $1::bigint and msg = $2::bigint;

-- statement deliver_reason
-- $2 mailboxes, $3 their INBOXes, $4 bytes each may go over its quota, $5 size: how many could be
-- delivered to at all, how many of them have room.
select count(*), count(*) filter (where m.quota = 0 or m.used + $5::bigint <= m.quota + g.over)
from unnest($2::bigint[], $3::bigint[], $4::bigint[]) as g (mailbox, folder, over)
cross join lateral (select quota, used from mailbox
	where postoffice = $1::bigint and mailbox = g.mailbox and state = 0 offset 0) m
cross join lateral (select from folder
	where postoffice = $1::bigint and folder = g.folder and mailbox is not distinct from g.mailbox offset 0) f;
