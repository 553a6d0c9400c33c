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
-- $11 number of entries.
-- The rows of mailbox and folder stay locked until the commit, so UIDs and MODSEQs show themselves in
-- order. A mailbox that is gone, disabled or full drops out; then no entry is made, and the division
-- by zero stops the transaction. The numbers given travel as arrays, so that entries need no join.
with asked as (
	select * from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
		with ordinality as g (mailbox, folder, n, bytes, over, place)
	limit cardinality($2::bigint[])
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used + g.bytes, nmsg = m.nmsg + g.n
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
)
select 1 / (count(*) = $11::bigint)::int from made;

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
