-- The ledger: its figures, and what they are held against (src/provider/ledger.h). Each look is one statement, so it sees
-- one moment and is exact while mail comes and goes. They follow queue_by_index: a post office's rows are found by key.

-- statement ledger_look system
-- $1 the post office to go on behind, $2 most, $3 whether parked rows are counted. A post office for which nothing was ever
-- counted is looked at too, one that is gone no more: nobody could settle it.
with office as materialized (
	select o.postoffice from (
		(select 0::bigint as postoffice where $1::bigint < 0)
		union
		(select p.postoffice from postoffice p where p.postoffice > $1::bigint order by p.postoffice limit $2::bigint)) o
	order by o.postoffice limit $2::bigint
)
select o.postoffice, coalesce((select p.name from postoffice p where p.postoffice = o.postoffice), ''), l.*, q.n, d.n,
	case when $3::boolean then (
		select (select count(*) from qshard s cross join lateral (select from queue w
				where w.shard = s.shard and w.postoffice = o.postoffice and w.next_at = 'infinity' and w.state = 2 offset 0) w)
			+ (select count(*) from qshard s cross join lateral (select from queue_deferred w
				where w.shard = s.shard and w.postoffice = o.postoffice and w.next_at = 'infinity' and w.state = 2 offset 0) w))
		else 0 end, m.n, m.delivered
from office o
cross join lateral (select count(*), coalesce(sum(accepted), 0)::bigint, coalesce(sum(addressed), 0)::bigint,
		coalesce(sum(put), 0)::bigint, coalesce(sum(sent), 0)::bigint, coalesce(sum(returned), 0)::bigint,
		coalesce(sum(told), 0)::bigint, coalesce(sum(dropped), 0)::bigint, coalesce(sum(deleted), 0)::bigint,
		coalesce(sum(parked), 0)::bigint, coalesce(sum(repeated), 0)::bigint, coalesce(sum(carried), 0)::bigint,
		coalesce(sum(settled_queue), 0)::bigint, coalesce(sum(settled_mail), 0)::bigint
	from ledger where postoffice = o.postoffice) l
cross join lateral (select count(*) as n from queue where postoffice = o.postoffice) q
cross join lateral (select count(*) as n from queue_deferred where postoffice = o.postoffice) d
cross join lateral (select count(*) as n, coalesce(sum(delivered), 0)::bigint as delivered from mailbox where postoffice = o.postoffice) m
order by o.postoffice;

-- statement ledger_mailboxes system
-- $1 $2 the post office and mailbox to go on behind, $3 most, $4 entries after which no more are begun; besides them $5 $6 post
-- offices and mailboxes, as many of them by the same measure, or by what was found there: what their rows say and what
-- stands in their folders. A disabled post office may be on its way out, and
-- loses its mail before its mailboxes.
with page as materialized (
	select m.*, sum(m.nmsg) over (order by m.postoffice, m.mailbox) - m.nmsg as before
	from (select b.postoffice, b.mailbox, b.used, b.nmsg from mailbox b
		where (b.postoffice, b.mailbox) > ($1::bigint, $2::bigint) order by b.postoffice, b.mailbox limit $3::bigint) m
), chosen as materialized (
	select p.postoffice, p.mailbox, p.used, p.nmsg, true as turn from page p where p.before < $4::bigint
	union all
	select b.postoffice, b.mailbox, b.used, b.nmsg, false from (
		select w.*, sum(w.n) over (order by w.postoffice, w.mailbox) - w.n as before
		from unnest($5::bigint[], $6::bigint[]) as a (postoffice, mailbox) cross join lateral (
			select m.postoffice, m.mailbox, m.used, m.nmsg, greatest(m.nmsg, 1, (select k.found from ledger_breach k
				where k.postoffice = m.postoffice and k.what = 3 and k.mailbox = m.mailbox)) as n
			from mailbox m where m.postoffice = a.postoffice and m.mailbox = a.mailbox offset 0) w) b
	where b.before < $4::bigint
)
select c.postoffice, c.mailbox, c.turn, coalesce((select p.state from postoffice p where p.postoffice = c.postoffice), 1),
	c.used, f.bytes, c.nmsg, f.n, f.folders, f.alike
from chosen c cross join lateral (
	select coalesce(sum(e.bytes), 0)::bigint as bytes, coalesce(sum(e.n), 0)::bigint as n,
		count(*) as folders, count(*) filter (where f.nmsg = e.n and f.nbytes = e.bytes) as alike
	from folder f cross join lateral (
		select count(*) as n, coalesce(sum(size), 0)::bigint as bytes
		from entry where postoffice = f.postoffice and folder = f.folder) e
	where f.postoffice = c.postoffice and f.mailbox = c.mailbox) f
order by c.turn, c.postoffice, c.mailbox;

-- statement ledger_apart system
-- $1 rows of a post office from which on they are gathered: those that have more.
select postoffice from ledger group by postoffice having count(*) > $1::bigint order by postoffice;

-- statement ledger_gather system
-- $1 post offices: what was counted apart goes to slot 0. Rows that somebody counts in at the moment stay as they are.
with apart as (
	select l.postoffice, l.slot from ledger l where l.postoffice = any ($1::bigint[]) and l.slot <> 0
	order by l.postoffice, l.slot for update skip locked
), gone as (
	delete from ledger l using apart a where l.postoffice = a.postoffice and l.slot = a.slot returning l.*
)
insert into ledger as l (postoffice, slot, accepted, addressed, put, sent, returned, told, dropped, deleted, parked, repeated,
	carried, settled_queue, settled_mail)
select postoffice, 0, sum(accepted), sum(addressed), sum(put), sum(sent), sum(returned), sum(told), sum(dropped), sum(deleted),
	sum(parked), sum(repeated), sum(carried), sum(settled_queue), sum(settled_mail)
from gone group by postoffice order by postoffice
on conflict (postoffice, slot) do update set accepted = l.accepted + excluded.accepted, addressed = l.addressed + excluded.addressed,
	put = l.put + excluded.put, sent = l.sent + excluded.sent, returned = l.returned + excluded.returned,
	told = l.told + excluded.told, dropped = l.dropped + excluded.dropped, deleted = l.deleted + excluded.deleted,
	parked = l.parked + excluded.parked, repeated = l.repeated + excluded.repeated, carried = l.carried + excluded.carried,
	settled_queue = l.settled_queue + excluded.settled_queue, settled_mail = l.settled_mail + excluded.settled_mail;

-- statement ledger_breaches system
-- $1 the post office, -1 for all, $2 most: what is not as it must be; of the mailboxes those that are still there.
select b.postoffice, coalesce((select p.name from postoffice p where p.postoffice = b.postoffice), ''), b.what, b.mailbox,
	coalesce((select m.name from mailbox m where m.postoffice = b.postoffice and m.mailbox = b.mailbox), ''), b.counted, b.found, b.since
from ledger_breach b
where ($1::bigint = -1 or b.postoffice = $1::bigint)
	and (b.mailbox = 0 or exists (select from mailbox m where m.postoffice = b.postoffice and m.mailbox = b.mailbox))
order by b.postoffice, b.mailbox, b.what limit $2::bigint;

-- statement ledger_breach_note system
-- $1 post office, $2 what, $3 mailbox, $4 what was counted, $5 what was found. Nothing changes while the difference is the same.
insert into ledger_breach as b (postoffice, what, mailbox, counted, found)
values ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bigint)
on conflict (postoffice, what, mailbox) do update set counted = excluded.counted, found = excluded.found
where b.counted - b.found <> excluded.counted - excluded.found;

-- statement ledger_breach_over system
delete from ledger_breach where postoffice = $1::bigint and what = $2::bigint and mailbox = $3::bigint;

-- statement ledger_breach_sweep system
-- Of mailboxes and post offices that are gone.
delete from ledger_breach b where case when b.mailbox <> 0
	then not exists (select from mailbox m where m.postoffice = b.postoffice and m.mailbox = b.mailbox)
	else b.postoffice <> 0 and not exists (select from postoffice p where p.postoffice = b.postoffice) end;

-- statement ledger_settle
-- What is missing or too much is written down as known: the differences stay as they are while mail comes and goes.
insert into ledger as l (postoffice, slot, settled_queue, settled_mail)
select $1::bigint, 0,
	(select coalesce(sum(sent + returned + told + dropped + deleted - put - settled_queue), 0) from ledger where postoffice = $1::bigint)
		+ (select count(*) from queue where postoffice = $1::bigint)
		+ (select count(*) from queue_deferred where postoffice = $1::bigint),
	(select coalesce(sum(carried - addressed - settled_mail), 0) from ledger where postoffice = $1::bigint)
		+ (select coalesce(sum(delivered), 0) from mailbox where postoffice = $1::bigint)
on conflict (postoffice, slot) do update set settled_queue = l.settled_queue + excluded.settled_queue,
	settled_mail = l.settled_mail + excluded.settled_mail;

-- statement ledger_recount
-- Behind deliver_lock. $2 mailbox: its folders and itself say again what stands in them.
with counted as (
	select f.folder, e.* from folder f cross join lateral (
		select count(*) as n, coalesce(sum(size), 0)::bigint as bytes, count(*) filter (where flags & 1 = 0) as unseen,
			count(*) filter (where flags & 8 <> 0) as deleted
		from entry where postoffice = $1::bigint and folder = f.folder) e
	where f.postoffice = $1::bigint and f.mailbox = $2::bigint
), folders as (
	update folder f set nmsg = c.n, nbytes = c.bytes, nunseen = c.unseen, ndeleted = c.deleted from counted c
	where f.postoffice = $1::bigint and f.folder = c.folder
		and (f.nmsg, f.nbytes, f.nunseen, f.ndeleted) <> (c.n, c.bytes, c.unseen, c.deleted)
)
update mailbox set used = (select coalesce(sum(bytes), 0) from counted), nmsg = (select coalesce(sum(n), 0) from counted)
where postoffice = $1::bigint and mailbox = $2::bigint;
