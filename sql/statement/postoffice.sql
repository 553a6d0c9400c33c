-- Post offices.

-- statement postoffice_insert
insert into postoffice (postoffice, name) values ($1::bigint, $2::text);

-- statement postoffice_find system
select postoffice, name, state, made, 0, 0, 0 from postoffice where name = $1::text;

-- statement postoffice_by_id
select postoffice, name, state, made, 0, 0, 0 from postoffice where postoffice = $1::bigint;

-- statement postoffice_all system
select postoffice from postoffice order by postoffice;

-- statement postoffice_list system
-- By name, behind $1, at most $2, with what stands in them.
select p.postoffice, p.name, p.state, p.made, m.n, d.n, m.bytes
from (select * from postoffice where name > $1::text order by name limit $2::bigint) p
cross join lateral (select count(*) as n, coalesce(sum(used), 0)::bigint as bytes
	from mailbox where mailbox.postoffice = p.postoffice) m
cross join lateral (select count(*) as n from domain where domain.postoffice = p.postoffice) d
order by p.name;

-- statement postoffice_set_state
-- Its name, and what it was before.
with was as (select state from postoffice where postoffice = $1::bigint for update)
update postoffice p set state = $2::bigint from was where p.postoffice = $1::bigint returning p.name, was.state;

-- Removing: first what no key ties to the post office, a bounded number of rows at a time.
-- statement postoffice_empty_entries
with part as (select folder, uid from entry where postoffice = $1::bigint limit $2::bigint)
delete from entry e using part s where e.postoffice = $1::bigint and e.folder = s.folder and e.uid = s.uid;

-- statement postoffice_empty_packs
with picked as (select mailbox, modseq, part from expunged_pack where postoffice = $1::bigint limit $2::bigint)
delete from expunged_pack e using picked s
where e.postoffice = $1::bigint and e.mailbox = s.mailbox and e.modseq = s.modseq and e.part = s.part;

-- statement postoffice_empty_expunged
with part as (select msg, folder, uid, at from expunged where postoffice = $1::bigint limit $2::bigint)
delete from expunged e using part s
where e.postoffice = $1::bigint and e.msg = s.msg and e.folder = s.folder and e.uid = s.uid and e.at = s.at;

-- statement postoffice_empty_changes
with part as (select folder, modseq, kind, at from change where postoffice = $1::bigint limit $2::bigint)
delete from change c using part s
where c.postoffice = $1::bigint and c.folder = s.folder and c.modseq = s.modseq and c.kind = s.kind and c.at = s.at;

-- statement postoffice_empty_messages
with part as (select msg from message where postoffice = $1::bigint limit $2::bigint)
delete from message m using part s where m.postoffice = $1::bigint and m.msg = s.msg;

-- statement postoffice_empty_message_views
with part as (select msg from message_view where postoffice = $1::bigint limit $2::bigint)
delete from message_view m using part s where m.postoffice = $1::bigint and m.msg = s.msg;

-- statement postoffice_empty_sketches
with part as (select msg from message_sketch where postoffice = $1::bigint limit $2::bigint)
delete from message_sketch s using part p where s.postoffice = $1::bigint and s.msg = p.msg;

-- statement postoffice_empty_outcomes
with part as (select id from outcome where postoffice = $1::bigint limit $2::bigint)
delete from outcome o using part s where o.postoffice = $1::bigint and o.id = s.id;

-- statement postoffice_empty_blobs
with part as (select blob from blob where postoffice = $1::bigint limit $2::bigint)
delete from blob b using part s where b.postoffice = $1::bigint and b.blob = s.blob;

-- statement postoffice_empty_segments
with part as (select blob, seg from blob_seg where postoffice = $1::bigint limit $2::bigint)
delete from blob_seg b using part s where b.postoffice = $1::bigint and b.blob = s.blob and b.seg = s.seg;

-- statement postoffice_empty_logons
with l as (delete from logon where postoffice = $1::bigint), p as (delete from logon_place where postoffice = $1::bigint)
delete from maildrop where postoffice = $1::bigint;

-- statement postoffice_empty_queue
-- What was sent goes behind its targets, in the order in which deliveries take them.
with q as (
	delete from queue where postoffice = $1::bigint returning 1
), d as (
	delete from queue_deferred where postoffice = $1::bigint returning 1
), noted as (
	insert into ledger as l (postoffice, slot, deleted)
	select $1::bigint, pg_backend_pid(), count(*) from (select from q union all select from d) g having count(*) > 0
	on conflict (postoffice, slot) do update set deleted = l.deleted + excluded.deleted
), targets as (
	delete from sent_target where postoffice = $1::bigint returning 1
)
delete from sent where postoffice = $1::bigint and (select count(*) from targets) >= 0;

-- statement postoffice_empty_refusals
-- Apart from the queue: who writes results has rows of that and waits for these.
delete from sent_refused where postoffice = $1::bigint;

-- statement postoffice_empty_ledger
with b as (delete from ledger_breach where postoffice = $1::bigint)
delete from ledger where postoffice = $1::bigint;

-- statement postoffice_remove
-- Domains, mailboxes, folders, credentials and addresses go with it; its ledger too, which tells of those mailboxes.
with l as (delete from ledger where postoffice = $1::bigint)
delete from postoffice where postoffice = $1::bigint returning name;

-- statement postoffice_settings_remove system
delete from setting where postoffice = $1::bigint;

-- statement postoffice_sketched
-- How many messages it has, and how many of them a sketch of version $2.
select (select count(*) from message where postoffice = $1::bigint),
	(select count(*) from message_sketch where postoffice = $1::bigint and version = $2::bigint);
