-- The maildrop: POP3's lock on a mailbox, and the entries of its INBOX.

-- statement maildrop_lock
-- $1 post office, $2 mailbox, $3 token, $4 lease in microseconds. No row changes while somebody else's lease runs.
insert into maildrop as held (postoffice, mailbox, token, until)
values ($1, $2, $3, clock_timestamp() + $4 * interval '1 microsecond')
on conflict (postoffice, mailbox) do update set token = excluded.token, until = excluded.until
where held.until < clock_timestamp() or held.token = excluded.token;

-- statement maildrop_logon
-- $1 post office, $2 mailbox, $3 service, $4 token, $5 delay, $6 revision of logons that a remembered one is true as of,
-- else 0: microseconds since the logon before, NULL when there was none. Noted is a logon that got the lock, came late
-- enough (else who asks too often would never be let in again) and need not be asked for anew.
with before as (select at from logon where postoffice = $1 and mailbox = $2 and service = $3),
noted as (insert into logon (postoffice, mailbox, service, at)
	select $1, $2, $3, clock_timestamp()
	where exists (select from maildrop where postoffice = $1 and mailbox = $2 and token = $4)
		and ($6::bigint = 0 or $6::bigint = (select rev from revision where kind = 'auth'))
	on conflict (postoffice, mailbox, service) do update set at = excluded.at
	where logon.at <= clock_timestamp() - $5 * interval '1 microsecond')
select (select (extract(epoch from clock_timestamp() - at) * 1000000)::bigint from before);

-- statement maildrop_renew
-- $1 post office, $2 mailbox, $3 token, $4 lease. A lease that ran out is still ours if nobody took it.
update maildrop set until = clock_timestamp() + $4 * interval '1 microsecond'
where postoffice = $1 and mailbox = $2 and token = $3;

-- statement maildrop_unlock
-- $1 post office, $2 mailbox, $3 token. No row changes when the lock was lost.
delete from maildrop where postoffice = $1 and mailbox = $2 and token = $3;

-- statement maildrop_expunge
-- What several conversations remove at their ends, and their locks. Per conversation: $2 mailbox, $3 token, $4 INBOX. Per
-- removed entry: $5 place of its conversation, from 1, $6 UID. Gives the places of those that still held their locks;
-- nothing was removed for the others. Like every statement that removes it locks the mailboxes first, in the order of
-- $2, which rises. That the INBOX is the mailbox's was seen by maildrop_entries.
with held as (
	select h.mailbox from unnest($2::bigint[]) as a (mailbox) cross join lateral (
		select m.mailbox from mailbox m where m.postoffice = $1::bigint and m.mailbox = a.mailbox for no key update) h
), freed as (
	delete from maildrop d
	using (
		select u.mailbox, u.token from unnest($2::bigint[], $3::bigint[]) as u (mailbox, token)
		where (select count(*) from held) > 0 limit cardinality($2::bigint[])) as o
	where d.postoffice = $1::bigint and d.mailbox = o.mailbox and d.token = o.token
	returning d.mailbox
), ours as (
	select a.place, a.mailbox, a.folder from freed
	join unnest($2::bigint[], $4::bigint[]) with ordinality as a (mailbox, folder, place) using (mailbox)
), gone as (
	delete from entry e
	using (
		select o.mailbox, o.folder, u.uid from ours o join unnest($5::bigint[], $6::bigint[]) as u (place, uid) using (place)
		limit cardinality($6::bigint[])) as o
	where e.postoffice = $1::bigint and e.folder = o.folder and e.uid = o.uid
	returning o.mailbox, o.folder, e.uid, e.msg, e.flags, e.idate, e.size, e.zone
), kept as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone)
	select $1::bigint, mailbox, folder, uid, msg, flags, idate, zone from gone
), total as (
	select mailbox, folder, count(*) as n, sum(size)::bigint as bytes, count(*) filter (where flags & 1 = 0) as unseen,
		count(*) filter (where flags & 8 <> 0) as deleted, range_agg(int8range(uid, uid + 1)) as uids
	from gone group by mailbox, folder
), counted as (
	update mailbox m set modseq = m.modseq + 1, used = m.used - t.bytes, nmsg = m.nmsg - t.n
	from total t
	where m.postoffice = $1::bigint and m.mailbox = t.mailbox
	returning m.modseq, t.folder, t.n, t.bytes, t.unseen, t.deleted, t.uids
), numbered as (
	update folder f set modseq = c.modseq, nmsg = f.nmsg - c.n, nunseen = f.nunseen - c.unseen,
		ndeleted = f.ndeleted - c.deleted, nbytes = f.nbytes - c.bytes
	from counted c
	where f.postoffice = $1::bigint and f.folder = c.folder
	returning f.folder, f.modseq, c.uids
), told as (
	insert into change (postoffice, folder, modseq, kind, uids)
	select $1::bigint, folder, modseq, 'v', uids from numbered
)
select place from ours;

-- statement maildrop_left
-- $2 folder, $3 UIDs: how many of them are still there.
select count(*) from unnest($3::bigint[]) as u cross join lateral (
	select from entry where postoffice = $1::bigint and folder = $2::bigint and uid = u offset 0) e;

-- statement maildrop_entries
-- $1 post office, $2 mailbox, $3 folder, $4 few: its UIDVALIDITY, and what is in it as three arrays in the order of
-- UIDs (NULL when empty), which cost a fraction of as many rows. The body of the first is told too, since most
-- clients begin with it: with its id at hand PostgreSQL opens one partition of blob, else all of them. Of a folder
-- with $4 entries at most the id is also left for maildrop_first, which follows in the same round trip. Last the
-- revision of logons, by which a remembered one shows to be true still.
select f.uidvalidity, l.uids, l.messages, l.sizes, b.blob,
	set_config('pennypost.first', case when cardinality(l.uids) <= $4::bigint then b.blob::text else '' end, true),
	(select rev from revision where kind = 'auth')
from folder f cross join lateral (
	select array_agg(e.uid) as uids, array_agg(e.msg) as messages, array_agg(e.size) as sizes
	from (select uid, msg, size from entry where postoffice = $1::bigint and folder = $3::bigint order by uid) e
) l left join message b on b.postoffice = $1::bigint and b.msg = l.messages[1]
where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.folder = $3::bigint;

-- statement maildrop_first
-- The body maildrop_entries chose, when all of it is in its row ($2 octets at most). A setting is known when the plan
-- starts, so one partition is opened.
select codec, rawlen, nseg, data, blob from blob
where postoffice = $1::bigint and blob = nullif(current_setting('pennypost.first', true), '')::bigint
	and nseg = 1 and octet_length(data) <= $2::bigint;
