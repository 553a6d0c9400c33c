-- What mailboxes answer by themselves (src/provider/answer.h).

-- statement answer_set
-- $2 mailbox, $3 subject, $4 text, $5 address for replies, $6 $7 from when until when. No row when there is no such mailbox.
-- Locks as answer.h has them: each step waits for the one before by counting it.
with told as (
	delete from answered using (
		select sender from answered where postoffice = $1::bigint and mailbox = $2::bigint and kind = 0
		order by sender for update
	) w where postoffice = $1::bigint and mailbox = $2::bigint and kind = 0 and answered.sender = w.sender
	returning 1
), owner as (
	update mailbox set handling = handling | 2
	where postoffice = $1::bigint and mailbox = $2::bigint and (select count(*) from told) >= 0
	returning name
), made as (
	insert into autoreply (postoffice, mailbox, subject, body, reply_to, starts, ends)
	select $1::bigint, $2::bigint, $3::text, $4::text, $5::text, $6::timestamptz, $7::timestamptz from owner
	on conflict (postoffice, mailbox) do update set subject = excluded.subject, body = excluded.body,
		reply_to = excluded.reply_to, starts = excluded.starts, ends = excluded.ends, changed = now()
)
select name from owner;

-- statement answer_of
select subject, body, reply_to, starts, ends from autoreply where postoffice = $1::bigint and mailbox = $2::bigint;

-- statement answer_remove
with told as (
	delete from answered using (
		select sender from answered where postoffice = $1::bigint and mailbox = $2::bigint and kind = 0
		order by sender for update
	) w where postoffice = $1::bigint and mailbox = $2::bigint and kind = 0 and answered.sender = w.sender
	returning 1
), owner as (
	update mailbox set handling = handling & ~2
	where postoffice = $1::bigint and mailbox = $2::bigint and (select count(*) from told) >= 0
		and exists (select from autoreply where postoffice = $1::bigint and mailbox = $2::bigint)
	returning name
), gone as (
	delete from autoreply where postoffice = $1::bigint and mailbox = $2::bigint and exists (select from owner)
)
select name from owner;

-- statement answer_due
-- $2 mailbox, $3 sender, $4 addresses the message names: the text of now; whether one of those is the mailbox's, whether the
-- sender is, and whether he was told already
select r.subject, r.body, r.reply_to, r.starts, r.ends,
	exists (select from address a where a.postoffice = $1::bigint and a.addr = any ($4::text[]) and a.mailbox = $2::bigint),
	exists (select from address a where a.postoffice = $1::bigint and a.addr = $3::text and a.mailbox = $2::bigint),
	exists (select from answered w where w.postoffice = $1::bigint and w.mailbox = $2::bigint and w.kind = 0
		and w.sender = $3::text and w.until > now())
from autoreply r
where r.postoffice = $1::bigint and r.mailbox = $2::bigint and r.starts <= now() and r.ends > now();

-- statement answer_may
-- $2 mailbox, $3 kind, $4 sender: a row when he was told already
select 1 from answered where postoffice = $1::bigint and mailbox = $2::bigint and kind = $3::bigint and sender = $4::text
	and until > now();

-- statement answer_take
-- A part of deliver_run: the rights of answers are used up, in the order of their keys. $2 mailboxes, $3 kinds, $4 senders,
-- $5 periods in microseconds. One that is used up already, or stands twice, stops the transaction by a division by zero.
with taken as (
	insert into answered as w (postoffice, mailbox, kind, sender, until)
	select distinct on (r.mailbox, r.kind, r.sender)
		$1::bigint, r.mailbox, r.kind, r.sender, now() + r.period * interval '1 microsecond'
	from unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) as r (mailbox, kind, sender, period)
	order by r.mailbox, r.kind, r.sender
	on conflict (postoffice, mailbox, kind, sender) do update set until = excluded.until where w.until <= now()
	returning 1
)
select 1 / (count(*) = cardinality($2::bigint[]))::int from taken;

-- statement answered_sweep system
-- What a delivery uses up just now is left to the next sweep.
delete from answered using (
	select postoffice, mailbox, kind, sender from answered where until < now() for update skip locked
) w
where (answered.postoffice, answered.mailbox, answered.kind, answered.sender) = (w.postoffice, w.mailbox, w.kind, w.sender);
