-- Mailboxes.

-- statement mailbox_insert
-- $2 ids, $3 names, $4 folded names, $5 local parts of their addresses ('' none), $6 INBOX ids,
-- $7 hashes, $8 SCRAM verifiers, $9 recoverable secrets (empty: none), $10 kind, $11 quota, $12 names and $13 FOLDER_ bits
-- of the other folders each begins with, $14 their ids: all of the first mailbox, then those of the second.
-- Gives how many were made; names that stand already are left alone.
with asked as (
	select * from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bytea[])
		with ordinality as m (mailbox, name, folded, local, inbox, hash, scram, recoverable, place)
), others as (
	select name, special, n from unnest($12::text[], $13::bigint[]) with ordinality as f (name, special, n)
), fresh as (
	insert into mailbox (postoffice, mailbox, name, folded, kind, quota, inbox, uidvalidity)
	select $1::bigint, mailbox, name, folded, $10::bigint, $11::bigint, inbox,
		extract(epoch from now())::bigint + cardinality($12::text[]) from asked
	on conflict (postoffice, folded) do nothing
	returning mailbox
), made as (
	select * from asked join fresh using (mailbox)
), secrets as (
	insert into credential (postoffice, mailbox, hash, scram, recoverable)
	select $1::bigint, mailbox, hash, nullif(scram, ''), nullif(recoverable, '') from made
), inboxes as (
	insert into folder (postoffice, folder, mailbox, name, uidvalidity)
	select $1::bigint, inbox, mailbox, 'INBOX', extract(epoch from now())::bigint from made
), folders as (
	insert into folder (postoffice, folder, mailbox, name, uidvalidity, special)
	select $1::bigint, ($14::bigint[])[(m.place - 1) * cardinality($12::text[]) + o.n], m.mailbox, o.name,
		extract(epoch from now())::bigint + o.n, o.special
	from made m, others o
), subscribed as (
	insert into subscription (postoffice, mailbox, name)
	select $1::bigint, mailbox, 'INBOX' from made
	union all
	select $1::bigint, m.mailbox, o.name from made m, others o
), addresses as (
	insert into address (postoffice, addr, domain, mailbox)
	select $1::bigint, m.local || '@' || d.name, d.name, m.mailbox
	from made m join domain d on d.postoffice = $1::bigint and d.stands_for is null
	where m.local <> ''
	on conflict do nothing
)
select count(*) from made;

-- piece mailbox_row
-- A mailbox m as mailbox_read takes it (mailbox.c); its last logon is that of any of its places.
select m.mailbox, m.postoffice, m.name, p.name, m.kind, m.state, m.quota, m.used, m.nmsg, m.modseq, m.inbox, m.made,
	greatest((select max(l.at) from logon l where l.postoffice = m.postoffice and l.mailbox = m.mailbox),
		(select max(l.at) from logon_place l where l.postoffice = m.postoffice and l.mailbox = m.mailbox))
from mailbox m join postoffice p on p.postoffice = m.postoffice;

-- statement mailbox_find
@mailbox_row
where m.postoffice = $1::bigint and m.folded = $2::text;

-- statement mailbox_by_id
@mailbox_row
where m.postoffice = $1::bigint and m.mailbox = $2::bigint;

-- statement mailbox_list
-- By folded name, behind $2, at most $3.
@mailbox_row
where m.postoffice = $1::bigint and m.folded > $2::text
order by m.folded limit $3::bigint;

-- statement mailbox_set_state
-- Its name, and what it was before.
with was as (select state from mailbox where postoffice = $1::bigint and mailbox = $2::bigint for update)
update mailbox m set state = $3::bigint from was where m.postoffice = $1::bigint and m.mailbox = $2::bigint
returning m.name, was.state;

-- statement mailbox_set_kind
-- Its name, and what it was before.
with was as (select kind from mailbox where postoffice = $1::bigint and mailbox = $2::bigint for update)
update mailbox m set kind = $3::bigint from was where m.postoffice = $1::bigint and m.mailbox = $2::bigint
returning m.name, was.kind;

-- statement mailbox_set_quota
-- Its name, and what it was before.
with was as (select quota from mailbox where postoffice = $1::bigint and mailbox = $2::bigint for update)
update mailbox m set quota = $3::bigint from was where m.postoffice = $1::bigint and m.mailbox = $2::bigint
returning m.name, was.quota;

-- statement mailbox_set_password
insert into credential (postoffice, mailbox, hash, scram, recoverable)
values ($1::bigint, $2::bigint, $3::text, nullif($4::text, ''), nullif($5::bytea, ''))
on conflict (postoffice, mailbox, kind) do update
set hash = excluded.hash, scram = excluded.scram, recoverable = excluded.recoverable, changed = now();

-- statement mailbox_empty
-- All its entries become expunged ones, so that its messages go when the retention is over.
with gone as (
	delete from entry e using folder f
	where f.postoffice = $1::bigint and f.mailbox = $2::bigint
		and e.postoffice = $1::bigint and e.folder = f.folder
	returning e.folder, e.uid, e.msg, e.flags, e.idate, e.zone
), logons as (
	delete from logon where postoffice = $1::bigint and mailbox = $2::bigint
), places as (
	delete from logon_place where postoffice = $1::bigint and mailbox = $2::bigint
), refusals as (
	delete from sent_refused where postoffice = $1::bigint and mailbox = $2::bigint
)
insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone)
select $1::bigint, $2::bigint, folder, uid, msg, flags, idate, zone from gone;

-- statement mailbox_remove
-- What was delivered to it stays in the ledger.
with gone as (
	delete from mailbox where postoffice = $1::bigint and mailbox = $2::bigint returning name, delivered
), noted as (
	insert into ledger as l (postoffice, slot, carried) select $1::bigint, pg_backend_pid(), delivered from gone
	on conflict (postoffice, slot) do update set carried = l.carried + excluded.carried
)
select name from gone;
