-- statement trace_add system
-- $1 post offices, $2 moments, $3 ids, $4 messages, $5 hashes of Message-IDs, $6 of senders, $7 of recipients (0 none), $8 kinds,
-- $9 node, $10 fields
insert into trace (postoffice, at, id, message, message_id_hash, sender_hash, recipient_hash, kind, node, fields)
select postoffice, at, id, message, nullif(hash, 0), nullif(sender, 0), nullif(recipient, 0), kind, $9, fields
from unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
	$10::text[]) as t (postoffice, at, id, message, hash, sender, recipient, kind, fields);

-- statement trace_of_message system
-- Of very many rows the newest: they tell how things stand.
select postoffice, at, message, kind, node, fields from (
	select at, id, postoffice, message, kind, node, fields from trace where message = $1 and message <> 0
	order by at desc, id desc limit 10000
) r order by at, id;

-- statement trace_of_message_id system
-- $1 hash of the Message-ID
select postoffice, at, message, kind, node, fields from (
	select at, id, postoffice, message, kind, node, fields from trace where message_id_hash = $1 and message = 0
	union all
	select t.at, t.id, t.postoffice, t.message, t.kind, t.node, t.fields
	from (select distinct message from trace where message_id_hash = $1 and message <> 0) m
		join trace t on t.message = m.message and t.message <> 0
	order by at desc, id desc limit 10000
) r order by at, id;

-- statement trace_of_address system
-- $1 hash of a sender or recipient, $2 from, $3 until, $4 post office (-1 any), $5 how many rows may name it: the newest.
-- All rows of those messages that are this post office's, or nobody's. Each way in goes back from the newest by its own
-- index: with "or" all that names a busy address would be read and sorted. A row that names it twice counts once.
with named as (
	(select at, id, postoffice, message, kind, node, fields from trace
	where sender_hash = $1 and at >= $2 and at < $3 and ($4 < 0 or postoffice = $4)
	order by at desc limit $5)
	union
	(select at, id, postoffice, message, kind, node, fields from trace
	where recipient_hash = $1 and at >= $2 and at < $3 and ($4 < 0 or postoffice = $4)
	order by at desc limit $5)
	order by at desc, id desc limit $5)
select postoffice, at, message, kind, node, fields from (
	select at, id, postoffice, message, kind, node, fields from named where message = 0
	union all
	select t.at, t.id, t.postoffice, t.message, t.kind, t.node, t.fields
	from (select distinct message from named where message <> 0) m
		join trace t on t.message = m.message and t.message <> 0 and ($4 < 0 or t.postoffice in (0, $4))
	order by at desc, id desc limit 10000
) r order by at, id;

-- statement trace_of_time system
-- $1 from, $2 until, $3 post office (-1 any), $4 how many: the newest. Of a post office its own rows alone: nobody's have
-- nothing here that leads from them to it.
select postoffice, at, message, kind, node, fields from (
	select at, id, postoffice, message, kind, node, fields from trace
	where at >= $1 and at < $2 and ($3 < 0 or postoffice = $3)
	order by at desc, id desc limit $4
) r order by at, id;

-- statement trace_places system
-- $1 post offices, $2 messages, $3 names of mailboxes in their folded form. Of each whose mailbox is called so still: its place among
-- them, from 1; the mailbox; whether the message is in it; when it was removed from it last, null where that is not known.
-- One message may be in thousands of mailboxes: who has it is asked once.
with asked as materialized (
	select t.n, t.postoffice, t.msg, b.mailbox, b.name || '@' || o.name as shown
	from unnest($1::bigint[], $2::bigint[], $3::text[]) with ordinality as t (postoffice, msg, name, n)
	cross join lateral (select mailbox, name from mailbox m where m.postoffice = t.postoffice and m.folded = t.name offset 0) b
	cross join lateral (select name from postoffice p where p.postoffice = t.postoffice offset 0) o
), held as materialized (
	select m.postoffice, m.msg, f.mailbox from (select distinct postoffice, msg from asked) m
	cross join lateral (select folder from entry e where e.postoffice = m.postoffice and e.msg = m.msg offset 0) e
	cross join lateral (select mailbox from folder f where f.postoffice = m.postoffice and f.folder = e.folder offset 0) f
), placed as materialized ( -- looked for among what a row has selected, that is hashed
	select a.*, (a.postoffice, a.msg, a.mailbox) in (select h.postoffice, h.msg, h.mailbox from held h) as here from asked a
)
select n, shown, here, case when not here then greatest(
	(select max(x.at) from expunged x where x.postoffice = t.postoffice and x.msg = t.msg and x.mailbox = t.mailbox),
	(select max(p.at) from expunged_pack p
		where p.postoffice = t.postoffice and p.mailbox = t.mailbox and t.msg = any (p.messages))) end
from placed t;
