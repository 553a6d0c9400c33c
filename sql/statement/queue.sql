-- The queue (src/provider/queue.h). Moments and leases are those of the database's clock.
--
-- Rows are found by an array of their ids and by nothing else, never by a join: to a plan made while the queue was empty,
-- reading all of it beside the few ids looks as cheap as finding each by its id, and among a million rows a hundred results
-- took 15 s then. With an array that `array (select ..)` makes, the key is the only way there is; `+ 0` keeps other indexes
-- out. Whoever leased the shard of a row may end it.

-- statement queue_add
-- A part of deliver_run. Per row: $2 ids, $3 shards, $4 messages, $5 mailboxes, $6 senders, $7 domains,
-- $8 recipients, $9 notify, $10 orcpt, $11 ret, $12 envid, $13 body, $14 utf8 and tls (bits 1, 2), $15 priorities,
-- $16 lifetimes in microseconds, $17 states, $18 who passed it on; $19 messages that the ledger counts with them. The message gets
-- a row in `expunged` of its own, so that it goes when nobody refers to it any more.
with made as (
	insert into queue (postoffice, qid, shard, msg, mailbox, sender, domain, rcpt, notify, orcpt, ret, envid, body,
		utf8, tls, prio, state, next_at, expires, via)
	select $1::bigint, q.id, q.shard, q.msg, q.mailbox, q.sender, q.domain, q.rcpt, q.notify, q.orcpt, q.ret, q.envid,
		q.body, q.traits & 1 <> 0, q.traits & 2 <> 0, q.prio, q.state,
		case q.state when 2 then 'infinity' else now() end, now() + q.life * interval '1 microsecond', q.via
	from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[],
		$10::text[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::text[])
		as q (id, shard, msg, mailbox, sender, domain, rcpt, notify, orcpt, ret, envid, body, traits, prio, life, state, via)
	returning state
), noted as (
	insert into ledger as l (postoffice, slot, accepted, put, parked)
	select $1::bigint, pg_backend_pid(), $19::bigint, count(*), count(*) filter (where state = 2) from made
	on conflict (postoffice, slot) do update set accepted = l.accepted + excluded.accepted, put = l.put + excluded.put,
		parked = l.parked + excluded.parked
)
insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate)
select distinct $1::bigint, 0, 0, 0, m.msg, 0, now() from unnest($4::bigint[]) as m (msg);

-- piece queue_noted
-- Of `gone`, rows (postoffice, gone) that left the queue: how they went (enum queue_gone).
	insert into ledger as l (postoffice, slot, sent, returned, told, dropped)
	select g.postoffice, pg_backend_pid(), count(*) filter (where g.gone = 0), count(*) filter (where g.gone = 1),
		count(*) filter (where g.gone = 2), count(*) filter (where g.gone = 3)
	from gone g group by g.postoffice
	on conflict (postoffice, slot) do update set sent = l.sent + excluded.sent, returned = l.returned + excluded.returned,
		told = l.told + excluded.told, dropped = l.dropped + excluded.dropped;

-- statement queue_end
-- A part of deliver_run: rows whose report goes in the same transaction. $2 shards, $3 ids, $4 epochs of their leases, $5 how
-- they go (enum queue_gone).
-- One that is gone, or whose lease was lost, stops the transaction by a division by zero.
with ours as (
	select r.shard, r.qid
	from unnest($2::bigint[], $3::bigint[], $4::bigint[]) as r (shard, qid, epoch)
	join qshard s on s.shard = r.shard and s.epoch = r.epoch
	limit cardinality($3::bigint[])
), hot as (
	delete from queue q
	where q.postoffice + 0 = $1::bigint and q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o)) returning q.qid
), cold as (
	delete from queue_deferred q
	where q.postoffice + 0 = $1::bigint and q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o)) returning q.qid
), gone as (
	select $1::bigint as postoffice, ($5::bigint[])[array_position($3::bigint[], r.qid)] as gone
	from (select qid from hot union all select qid from cold) r
), noted as (
@queue_noted
)
select 1 / ((select count(*) from gone) = cardinality($3::bigint[]))::int;

-- statement queue_notice
-- A part of deliver_run: rows that are deferred, with a notice to their sender in the same transaction. $2 shards, $3 ids,
-- $4 epochs, $5 waits in microseconds, $6 codes, $7 hosts, $8 replies, $9 ends of the time their
-- routes give them, in microseconds since 1970 (0: as was promised), $10 attempts so far, with this one if it was one. What was
-- promised stays, for when the route goes.
with ours as (
	select r.*, timestamptz 'epoch' + nullif(r.life, 0) * interval '1 microsecond' as until
	from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bigint[],
		$10::bigint[]) as r (shard, qid, epoch, wait, code, host, reply, life, tried)
	join qshard s on s.shard = r.shard and s.epoch = r.epoch
	limit cardinality($3::bigint[])
), again as (
	update queue_deferred q set notices = q.notices + 1, kills = 0, last_at = now(),
		(attempts, next_at, last_code, last_host, last_text) = (select o.tried, case q.state when 0
			then least(now() + o.wait * interval '1 microsecond', greatest(coalesce(o.until, q.expires), now() + interval '1 second'))
			else 'infinity' end, nullif(o.code, 0), o.host, o.reply from ours o where o.qid = q.qid)
	where q.postoffice + 0 = $1::bigint and q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o)) returning 1
), moved as (
	delete from queue q
	where q.postoffice + 0 = $1::bigint and q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o)) returning q.*
), first as (
	insert into queue_deferred (shard, postoffice, qid, msg, mailbox, sender, domain, rcpt, notify, orcpt, ret, envid, body,
		utf8, tls, prio, state, made, next_at, expires, attempts, notices, kills, last_at, last_code, last_host, last_text, via)
	select m.shard, m.postoffice, m.qid, m.msg, m.mailbox, m.sender, m.domain, m.rcpt, m.notify, m.orcpt, m.ret, m.envid,
		m.body, m.utf8, m.tls, m.prio, m.state, m.made,
		case m.state when 0
			then least(now() + o.wait * interval '1 microsecond', greatest(coalesce(o.until, m.expires), now() + interval '1 second'))
			else 'infinity' end,
		m.expires,
		o.tried, m.notices + 1, 0, now(), nullif(o.code, 0), o.host, o.reply, m.via
	from moved m join ours o on o.shard = m.shard and o.qid = m.qid returning 1
)
select 1 / ((select count(*) from again) + (select count(*) from first) = cardinality($3::bigint[]))::int;

-- statement queue_sent_add
-- A part of deliver_run. $2 mailboxes in rising order, $3 recipients of each
insert into sent as s (postoffice, mailbox, hour, n)
select $1::bigint, m.mailbox, date_trunc('hour', now()), m.n
from unnest($2::bigint[], $3::bigint[]) as m (mailbox, n) order by m.mailbox
on conflict (postoffice, mailbox, hour) do update set n = s.n + excluded.n;

-- statement queue_sent_targets
-- The same where mailboxes have a limit of targets: $4 mailboxes, $5 addresses, one for each that is written to. A target
-- counts in the last hour it was written to, and moves there from the one before.
with given as (
	select distinct t.mailbox, hashtextextended(lower(t.address), 0) as target
	from unnest($4::bigint[], $5::text[]) as t (mailbox, address)
), known as (
	select s.mailbox, s.target, s.hour from given g
	join sent_target s on s.postoffice = $1::bigint and s.mailbox = g.mailbox and s.target = g.target
), noted as (
	insert into sent_target as s (postoffice, mailbox, target, hour)
	select $1::bigint, g.mailbox, g.target, date_trunc('hour', now()) from given g order by g.mailbox, g.target
	on conflict (postoffice, mailbox, target) do update set hour = excluded.hour where s.hour < excluded.hour
	returning s.mailbox, s.target
), counted as (
	select m.mailbox, date_trunc('hour', now()) as hour, m.n, 0 as targets
	from unnest($2::bigint[], $3::bigint[]) as m (mailbox, n)
	union all
	select n.mailbox, date_trunc('hour', now()), 0, 1 from noted n
	union all
	select k.mailbox, k.hour, 0, -1 from noted n join known k on k.mailbox = n.mailbox and k.target = n.target
	where k.hour >= date_trunc('hour', now()) - interval '1 hour'
)
insert into sent as s (postoffice, mailbox, hour, n, targets)
select $1::bigint, c.mailbox, c.hour, sum(c.n), sum(c.targets) from counted c
group by c.mailbox, c.hour order by c.mailbox, c.hour
on conflict (postoffice, mailbox, hour) do update set n = s.n + excluded.n, targets = s.targets + excluded.targets;

-- statement queue_sent
-- $2 mailbox, $3 addresses: recipients of it and of its post office in the last hour, its targets, and how many of these
-- addresses are none of them yet; of the hour before, the share that is left; until when it writes to nobody elsewhere
select coalesce(sum(n * share) filter (where mailbox = $2::bigint), 0)::bigint, coalesce(sum(n * share), 0)::bigint,
	coalesce(sum(targets * share) filter (where mailbox = $2::bigint), 0)::bigint,
	(select count(*) from (select distinct hashtextextended(lower(a.address), 0) as target from unnest($3::text[]) as a (address)) g
		where not exists (select from sent_target t where t.postoffice = $1::bigint and t.mailbox = $2::bigint
			and t.target = g.target and t.hour >= date_trunc('hour', now()) - interval '1 hour')),
	(select r.until from sent_refused r where r.postoffice = $1::bigint and r.mailbox = $2::bigint and r.until > now())
from (select mailbox, n, targets, case when hour = date_trunc('hour', now()) then 1
		else 1 - extract(epoch from now() - date_trunc('hour', now())) / 3600 end as share
	from sent where postoffice = $1::bigint and hour >= date_trunc('hour', now()) - interval '1 hour') s;

-- piece queue_ends_noted
-- Of `given`, rows (postoffice, mailbox, ended, refused, percent, least, pause, audit) of different mailboxes: how their mail
-- ended (T19). Where at least `least` ended in this hour and more than `percent` of them were refused, it is over until `pause`
-- microseconds have passed; then counting begins anew. In the order of the key, so that none waits for another in a circle.
-- Gives those that are over by it, with an audit row each.
noted as (
	insert into sent_refused as s (postoffice, mailbox, since, ended, refused, until)
	select g.postoffice, g.mailbox, now(), g.ended, g.refused,
		case when g.ended >= g.least and g.refused * 100 > g.ended * g.percent then now() + g.pause * interval '1 microsecond' end
	from given g order by g.postoffice, g.mailbox
	on conflict (postoffice, mailbox) do update set (since, ended, refused, until) = (
		select n.since, n.ended, n.refused,
			case when n.ended >= g.least and n.refused * 100 > n.ended * g.percent then now() + g.pause * interval '1 microsecond' end
		from given g cross join lateral (
			select now() as since, g.ended, g.refused where s.until is not null or s.since <= now() - interval '1 hour'
			union all
			select s.since, s.ended + g.ended, s.refused + g.refused where s.until is null and s.since > now() - interval '1 hour') n
		where g.postoffice = s.postoffice and g.mailbox = s.mailbox)
	where s.until is null or s.until <= now()
	returning s.*
), told as (
	insert into audit (postoffice, id, who, place, action, object, detail)
	select n.postoffice, g.audit, 'house', '', 'mailbox.pause', m.name,
		json_build_object('ended', n.ended::text, 'refused', n.refused::text, 'until', n.until::timestamptz(0)::text)
	from noted n join given g on g.postoffice = n.postoffice and g.mailbox = n.mailbox
	join mailbox m on m.postoffice = n.postoffice and m.mailbox = n.mailbox
	where n.until is not null
);

-- statement queue_ends
-- A part of deliver_run, its last, since the rows of all mailboxes it delivers to are locked by then. $2 mailboxes, $3 recipients
-- whose mail ended, $4 that were refused, $5 percent, $6 least, $7 pauses, $8 ids of audit rows.
with given as (
	select $1::bigint as postoffice, g.*
	from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
		as g (mailbox, ended, refused, percent, least, pause, audit)
),
@queue_ends_noted
select n.ended, n.refused, m.name, p.name from noted n
join mailbox m on m.postoffice = n.postoffice and m.mailbox = n.mailbox join postoffice p on p.postoffice = n.postoffice
where n.until is not null;

-- statement queue_ends_any system
-- The same of any post office: $1 post offices, $2 to $8 as there.
with given as (
	select g.*
	from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
		as g (postoffice, mailbox, ended, refused, percent, least, pause, audit)
),
@queue_ends_noted
select n.ended, n.refused, m.name, p.name from noted n
join mailbox m on m.postoffice = n.postoffice and m.mailbox = n.mailbox join postoffice p on p.postoffice = n.postoffice
where n.until is not null;

-- statement queue_refused
-- $2 mailbox: what counts of it now, and until when it writes to nobody elsewhere
select since, ended, refused, until from sent_refused
where postoffice = $1::bigint and mailbox = $2::bigint and (until > now() or (until is null and since > now() - interval '1 hour'));

-- statement queue_refused_release
-- $2 mailbox: it writes again, and is counted anew
with gone as (
	delete from sent_refused where postoffice = $1::bigint and mailbox = $2::bigint and until > now() returning mailbox
)
select m.name from mailbox m join gone g on g.mailbox = m.mailbox where m.postoffice = $1::bigint;

-- statement queue_sent_sweep system
-- What a delivery or a runner has in hand at this moment is left to the next time: they take these rows in their order, and this one
-- does not. A pause that is longer stays.
with t as (
	delete from sent_target where ctid = any (array(
		select ctid from sent_target where hour < now() - interval '3 hours' for update skip locked))
), r as (
	delete from sent_refused where ctid = any (array(
		select ctid from sent_refused where since < now() - interval '3 hours' and (until is null or until < now())
		for update skip locked))
)
delete from sent where hour < now() - interval '3 hours';

-- statement queue_by_index system
-- First in a runner's transactions: all they do finds its rows by key, whatever the tables held when its plans were
-- made. A plan with a sequential scan in a loop took 11 s for 100 results among 300,000 rows.
select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
	set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true);

-- statement qrunner_seen system
-- $1 owner, $2 name: alive
insert into qrunner as r (owner, name) values ($1, $2)
on conflict (owner) do update set seen = clock_timestamp();

-- statement qrunner_alive system
-- $1 microseconds. A process that another of its name has come after is dead, as qshard_take has it: where workers
-- die again and again, their successors would wait for the shards of all of them else.
select count(*) from qrunner r where r.seen > clock_timestamp() - $1::bigint * interval '1 microsecond' and not r.leaving
	and not exists (select from qrunner next where next.name = r.name and next.since > r.since
		and next.since < clock_timestamp() - interval '1 second');

-- statement qrunner_leave system
update qrunner set leaving = true where owner = $1;

-- statement qrunner_gone system
delete from qrunner where owner = $1;

-- statement qrunner_sweep system
delete from qrunner where seen < clock_timestamp() - interval '1 day';

-- statement qrunner_trying system
-- $1 owner, $2 rows it tries at the moment, $3 seconds since it has each in hand
update qrunner set trying = $2::bigint[], ages = $3::bigint[]::smallint[], noted = clock_timestamp(), seen = clock_timestamp()
where owner = $1;

-- statement qshard_renew system
-- $1 owner, $2 microseconds
update qshard set lease = clock_timestamp() + $2::bigint * interval '1 microsecond' where owner = $1
returning shard, epoch;

-- statement qshard_take system
-- $1 owner, $2 most, $3 microseconds, $4 name: those whose lease ran out, and those of a process that this one has
-- come after: what it still has to finish it would have told (leaving). The former owner, 0 when it gave the shard back.
with free as (
	select s.shard, s.owner from qshard s
	where s.owner <> $1 and (s.lease < clock_timestamp() or exists (
		select from qrunner dead join qrunner me on me.owner = $1
		where dead.owner = s.owner and dead.name = $4 and not dead.leaving and dead.since < me.since
			and me.since < clock_timestamp() - interval '1 second'))
	order by s.owner, random() limit $2 for update of s skip locked
)
update qshard s set owner = $1, epoch = s.epoch + 1, lease = clock_timestamp() + $3::bigint * interval '1 microsecond'
from free f where s.shard = f.shard
returning s.shard, s.epoch, f.owner;

-- statement qshard_give_back system
-- $1 owner, $2 shards
update qshard set owner = 0, lease = '-infinity' where owner = $1 and shard = any ($2::bigint[]);

-- statement queue_killed system
-- $1 dead runners, $2 their shards, $3 kills that park a row. What is deferred may stand in their lists a moment longer.
with tried as (
	select distinct unnest(trying) as qid from qrunner where owner = any ($1::bigint[])
), hot as (
	update queue q set kills = q.kills + 1, state = case when q.kills + 1 >= $3::bigint then 2 else q.state end,
		next_at = case when q.kills + 1 >= $3::bigint then 'infinity' else q.next_at end
	where q.shard + 0 = any ($2::bigint[]) and q.qid = any (array (select t.qid from tried t)) returning q.postoffice, q.msg, q.qid, q.kills
), cold as (
	update queue_deferred q set kills = q.kills + 1, state = case when q.kills + 1 >= $3::bigint then 2 else q.state end,
		next_at = case when q.kills + 1 >= $3::bigint then 'infinity' else q.next_at end
	where q.shard + 0 = any ($2::bigint[]) and q.qid = any (array (select t.qid from tried t)) and q.next_at + interval '0' <= now()
	returning q.postoffice, q.msg, q.qid, q.kills
), killed as (
	select * from hot union all select * from cold
), noted as (
	insert into ledger as l (postoffice, slot, parked)
	select k.postoffice, pg_backend_pid(), count(*) from killed k where k.kills >= $3::bigint group by k.postoffice
	on conflict (postoffice, slot) do update set parked = l.parked + excluded.parked
)
select * from killed;

-- statement queue_shards_due system
-- $1 shards: those with something due
select s.shard from unnest($1::bigint[]) as s (shard)
where (select true from queue q where q.shard = s.shard and q.next_at <= now() order by q.next_at limit 1)
	or (select true from queue_deferred q where q.shard = s.shard and q.next_at <= now() order by q.next_at limit 1);

-- piece queue_entry
-- A row q as queue_row reads it.
select q.shard, q.qid, q.postoffice, q.msg, q.mailbox, q.sender, q.domain, q.rcpt, q.notify, q.orcpt, q.ret, q.envid,
	q.body, q.utf8, q.tls, q.prio, q.state, q.made, greatest(q.next_at, q.made), q.expires, q.attempts, q.notices, q.kills,
	q.last_code, q.last_host, q.last_text,
	(select m.size from message m where m.postoffice = q.postoffice and m.msg = q.msg), q.expires <= now(), q.expires < q.made, q.via,
	q.next_at < q.made;

-- statement queue_due system
-- $1 shard, $2 epoch of its lease, $3 the post office to go on behind, $4 rows claimed already, $5 post offices that have
-- enough, $6 most of each post office, $7 most. Steps from post office to post office by the index, so that one
-- with a hundred thousand rows costs no more than one with ten.
with recursive office (postoffice) as (
	(select q.postoffice from queue q where q.shard = $1::bigint and q.postoffice > $3::bigint
		order by q.shard, q.postoffice, q.next_at limit 1)
	union all
	select (select q.postoffice from queue q where q.shard = $1::bigint and q.postoffice > o.postoffice
		order by q.shard, q.postoffice, q.next_at limit 1)
	from office o where o.postoffice is not null
)
@queue_entry
from office o cross join lateral (
	select * from queue d where d.shard = $1::bigint and d.postoffice = o.postoffice and d.next_at <= now()
		and d.qid <> all ($4::bigint[])
	order by d.next_at limit $6::bigint
) q
where o.postoffice <> all ($5::bigint[])
	and exists (select from qshard s where s.shard = $1::bigint and s.epoch = $2::bigint)
limit $7::bigint;

-- statement queue_deferred_due system
-- As queue_due.
with recursive office (postoffice) as (
	(select q.postoffice from queue_deferred q where q.shard = $1::bigint and q.postoffice > $3::bigint
		order by q.shard, q.postoffice, q.next_at limit 1)
	union all
	select (select q.postoffice from queue_deferred q where q.shard = $1::bigint and q.postoffice > o.postoffice
		order by q.shard, q.postoffice, q.next_at limit 1)
	from office o where o.postoffice is not null
)
@queue_entry
from office o cross join lateral (
	select * from queue_deferred d where d.shard = $1::bigint and d.postoffice = o.postoffice and d.next_at <= now()
		and d.qid <> all ($4::bigint[])
	order by d.next_at limit $6::bigint
) q
where o.postoffice <> all ($5::bigint[])
	and exists (select from qshard s where s.shard = $1::bigint and s.epoch = $2::bigint)
limit $7::bigint;

-- statement queue_done system
-- $1 shards, $2 ids, $3 epochs of their leases, $4 how they go (enum queue_gone): the rows that went
with ours as (
	select r.shard, r.qid from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as r (shard, qid, epoch)
	join qshard s on s.shard = r.shard and s.epoch = r.epoch
	limit cardinality($2::bigint[])
), hot as (
	delete from queue q where q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o)) returning q.qid, q.postoffice
), cold as (
	delete from queue_deferred q where q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o)) returning q.qid, q.postoffice
), gone as (
	select r.qid, r.postoffice, ($4::bigint[])[array_position($2::bigint[], r.qid)] as gone
	from (select * from hot union all select * from cold) r
), noted as (
@queue_noted
)
select qid from gone;

-- statement queue_defer system
-- $1 shards, $2 ids, $3 epochs, $4 waits in microseconds (-1: parked), $5 codes, $6 hosts, $7 replies, $8 ends of the
-- time their routes give them, $9 attempts, as in queue_notice: the rows that wait now. The last attempt is made when it
-- is over. What is written twice, since nobody knew whether it was, counts once; what comes so late that a later attempt is
-- written changes nothing.
with ours as (
	select r.*, timestamptz 'epoch' + nullif(r.life, 0) * interval '1 microsecond' as until
	from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::bigint[],
		$9::bigint[]) as r (shard, qid, epoch, wait, code, host, reply, life, tried)
	join qshard s on s.shard = r.shard and s.epoch = r.epoch
	limit cardinality($3::bigint[])
), again as (
	update queue_deferred q set kills = 0, last_at = now(),
		(attempts, state, next_at, last_code, last_host, last_text) = (select o.tried, case when o.wait < 0 then 2 else q.state end,
			case when q.state in (0, 3) and o.wait >= 0
				then least(now() + o.wait * interval '1 microsecond', greatest(coalesce(o.until, q.expires), now() + interval '1 second'))
				else 'infinity' end,
			nullif(o.code, 0), o.host, o.reply from ours o where o.qid = q.qid)
	where q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o))
		and q.attempts <= (select o.tried from ours o where o.qid = q.qid) returning q.qid, q.postoffice
), moved as (
	delete from queue q where q.qid = any (array (select o.qid from ours o))
		and q.shard + 0 = any (array (select o.shard from ours o)) returning q.*
), first as (
	insert into queue_deferred (shard, postoffice, qid, msg, mailbox, sender, domain, rcpt, notify, orcpt, ret, envid, body,
		utf8, tls, prio, state, made, next_at, expires, attempts, notices, kills, last_at, last_code, last_host, last_text, via)
	select m.shard, m.postoffice, m.qid, m.msg, m.mailbox, m.sender, m.domain, m.rcpt, m.notify, m.orcpt, m.ret, m.envid,
		m.body, m.utf8, m.tls, m.prio, case when o.wait < 0 then 2 else m.state end, m.made,
		case when m.state in (0, 3) and o.wait >= 0
			then least(now() + o.wait * interval '1 microsecond', greatest(coalesce(o.until, m.expires), now() + interval '1 second'))
			else 'infinity' end,
		m.expires,
		o.tried, m.notices, 0, now(), nullif(o.code, 0), o.host, o.reply, m.via
	from moved m join ours o on o.shard = m.shard and o.qid = m.qid returning qid, postoffice
), now_later as (
	select * from again union all select * from first
), noted as (
	insert into ledger as l (postoffice, slot, parked)
	select n.postoffice, pg_backend_pid(), count(*) from now_later n
	where ($4::bigint[])[array_position($2::bigint[], n.qid)] < 0
		and not exists (select from queue_deferred b where b.qid = any (array[n.qid]) and b.state = 2)
	group by n.postoffice
	on conflict (postoffice, slot) do update set parked = l.parked + excluded.parked
)
select qid from now_later;

-- statement queue_in_shards system
-- $1 shards
select (select count(*) from queue where shard = any ($1::bigint[])) + (select count(*) from queue_deferred where shard = any ($1::bigint[]));

-- piece queue_wanted
-- Of rows q those that an operator asks for: $3 $4 $5 sender (<> the null sender), recipient and domain as LIKE patterns ('' any), $6 post office
-- (-1 any), $7 older than microseconds (0 any), $8 state (-1 any).
where ($3::text = '' or case q.sender when '' then '<>' else lower(q.sender) end like $3::text) and ($4::text = '' or lower(q.rcpt) like $4::text)
	and ($5::text = '' or q.domain like $5::text) and ($6::bigint = -1 or q.postoffice = $6::bigint)
	and ($7::bigint = 0 or q.made < now() - $7::bigint * interval '1 microsecond')
	and ($8::bigint = -1 or q.state = $8::bigint);

-- statement queue_list system
-- $1 the id to go on behind, $2 most, and those of queue_wanted. Goes by the ids and ends with the last one wanted.
@queue_entry
from (select * from queue union all select * from queue_deferred) q
@queue_wanted
	and q.qid > $1::bigint
order by q.qid limit $2::bigint;

-- statement queue_list_in system
-- As queue_list, of the shards $9 alone; $10 is 1 for those that wait for a word: their next_at is infinite, and the
-- index leads to them. All that these shards hold is read and sorted, so it cannot stand for queue_list too: with 300,000 rows
-- 0.65 s where that takes 0.5 ms.
@queue_entry
from (
	select d.* from unnest($9::bigint[]) as s (shard) cross join lateral (select * from queue d
		where d.shard = s.shard
			and d.next_at >= case $10::bigint when 1 then 'infinity'::timestamptz else '-infinity' end offset 0) d
	union all
	select d.* from unnest($9::bigint[]) as s (shard) cross join lateral (select * from queue_deferred d
		where d.shard = s.shard
			and d.next_at >= case $10::bigint when 1 then 'infinity'::timestamptz else '-infinity' end offset 0) d
) q
@queue_wanted
	and q.qid > $1::bigint
order by q.qid limit $2::bigint;

-- statement queue_list_of system
-- As queue_list, of a row or a message ($9). Messages are found by stepping from post office to post office.
with recursive hot (postoffice) as (
	(select d.postoffice from queue d order by d.postoffice, d.msg limit 1)
	union all
	select (select d.postoffice from queue d where d.postoffice > o.postoffice order by d.postoffice, d.msg limit 1)
	from hot o where o.postoffice is not null
), cold (postoffice) as (
	(select d.postoffice from queue_deferred d order by d.postoffice, d.msg limit 1)
	union all
	select (select d.postoffice from queue_deferred d where d.postoffice > o.postoffice order by d.postoffice, d.msg limit 1)
	from cold o where o.postoffice is not null
)
@queue_entry
from (
	select * from queue where qid = $9::bigint
	union all
	select d.* from hot o cross join lateral (select * from queue d
		where d.postoffice = o.postoffice and d.msg = $9::bigint offset 0) d
	union all
	select * from queue_deferred where qid = $9::bigint
	union all
	select d.* from cold o cross join lateral (select * from queue_deferred d
		where d.postoffice = o.postoffice and d.msg = $9::bigint offset 0) d
) q
@queue_wanted
	and q.qid > $1::bigint
order by q.qid limit $2::bigint;

-- piece queue_ordered
-- Rows q that the order $1 is for: retry for what waits for its time, release for what waits for a word.
and not ($1::bigint = 0 and q.state <> 0) and not ($1::bigint = 2 and q.state = 0) and (q.state <> 3 or $1::bigint = 4);

-- piece queue_changed
-- What an order makes of a row q. Who was to be returned and is not any more has a last attempt. What is due before it was
-- made is wanted now by an operator, however its destination fared a moment ago. A row that is there for a report alone
-- (enum queue_told) becomes no mail.
set state = case when $1::bigint = 1 then 1 when q.notify >> 8 > 0 then 3 else 0 end, kills = 0,
		next_at = case $1::bigint when 0 then '-infinity' when 1 then 'infinity' else now() end,
		expires = case when $1::bigint = 3 then '-infinity'
			when $1::bigint <> 1 and q.expires < q.made then now() else q.expires end;

-- statement queue_order system
-- $1 enum queue_order: 0 retry, 1 hold, 2 release, 3 return, 4 delete; $2 rows by their ids (empty: all), and those of
-- queue_wanted; $9 the id to go on behind, $10 most: how many were changed, how many were looked at, the last of them, and of
-- each that was removed post office, message, id and recipient. What somebody else changed meanwhile is judged anew.
with page as (
	select q.* from (
		(select * from (select * from queue union all select * from queue_deferred) q
		where cardinality($2::bigint[]) = 0 and q.qid > $9::bigint order by q.qid limit $10::bigint)
		union all
		select * from queue where qid = any ($2::bigint[])
		union all
		select * from queue_deferred where qid = any ($2::bigint[])) q
), chosen as (
	select q.qid from page q
@queue_wanted
@queue_ordered
), hot as (
	update queue q
@queue_changed
	where $1::bigint < 4 and q.qid = any (array (select c.qid from chosen c))
@queue_ordered
	returning 1
), cold as (
	update queue_deferred q
@queue_changed
	where $1::bigint < 4 and q.qid = any (array (select c.qid from chosen c))
@queue_ordered
	returning 1
), hot_gone as (
	delete from queue q where $1::bigint = 4 and q.qid = any (array (select c.qid from chosen c))
	returning postoffice, msg, qid, rcpt
), cold_gone as (
	delete from queue_deferred q where $1::bigint = 4 and q.qid = any (array (select c.qid from chosen c))
	returning postoffice, msg, qid, rcpt
), gone as (
	select * from hot_gone union all select * from cold_gone
), noted as (
	insert into ledger as l (postoffice, slot, deleted)
	select g.postoffice, pg_backend_pid(), count(*) from gone g group by g.postoffice
	on conflict (postoffice, slot) do update set deleted = l.deleted + excluded.deleted
)
select (select count(*) from hot) + (select count(*) from cold) + (select count(*) from gone),
	(select count(*) from page), (select max(p.qid) from page p), g.postoffice, g.msg, g.qid, g.rcpt
from (select) as one left join gone g on true;

-- statement queue_counts system
select count(*) filter (where state in (0, 3) and not deferred), count(*) filter (where state in (0, 3) and deferred),
	count(*) filter (where state = 1), count(*) filter (where state = 2), min(made)
from (select state, made, false as deferred from queue union all select state, made, true from queue_deferred) q;

-- statement queue_taken system
-- $1 rows by their ids: those that a runner has in hand, whose they are, and since when. The list of one that has nothing to do is as it was:
-- what is not due any more has been tried.
select t.qid, r.name, r.noted - t.age * interval '1 second'
from qrunner r cross join lateral unnest(r.trying, r.ages) as t (qid, age)
where t.qid = any ($1::bigint[]) and exists (select from qshard s where s.owner = r.owner and s.lease > clock_timestamp())
	and ((select q.next_at from queue q where q.qid = t.qid) <= now()
		or (select q.next_at from queue_deferred q where q.qid = t.qid) <= now());
