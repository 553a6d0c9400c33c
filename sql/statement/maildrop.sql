-- The maildrop: POP3's lock on a mailbox, and the entries of its INBOX.

-- statement maildrop_lock
-- $1 post office, $2 mailbox, $3 token, $4 lease in microseconds. No row changes while somebody else's lease runs.
insert into maildrop as held (postoffice, mailbox, token, until)
values ($1, $2, $3, clock_timestamp() + $4 * interval '1 microsecond')
on conflict (postoffice, mailbox) do update set token = excluded.token, until = excluded.until
where held.until < clock_timestamp();

-- statement maildrop_logon
-- $1 post office, $2 mailbox, $3 service, $4 token, $5 delay: microseconds since the logon before, NULL when there was
-- none. Noted is a logon that got the lock and came late enough: else who asks too often would
-- never be let in again.
with before as (select at from logon where postoffice = $1 and mailbox = $2 and service = $3),
noted as (insert into logon (postoffice, mailbox, service, at)
	select $1, $2, $3, clock_timestamp()
	where exists (select from maildrop where postoffice = $1 and mailbox = $2 and token = $4)
	on conflict (postoffice, mailbox, service) do update set at = excluded.at
	where logon.at <= clock_timestamp() - $5 * interval '1 microsecond')
select (select (extract(epoch from clock_timestamp() - at) * 1000000)::bigint from before);

-- statement maildrop_renew
-- $1 post office, $2 mailbox, $3 token, $4 lease. A lease that ran out is still ours if nobody took it.
update maildrop set until = clock_timestamp() + $4 * interval '1 microsecond'
where postoffice = $1 and mailbox = $2 and token = $3;

-- statement maildrop_unlock
-- $1 post office, $2 mailbox, $3 token. When the lock was lost, the division by zero stops the transaction.
with ours as (delete from maildrop where postoffice = $1 and mailbox = $2 and token = $3 returning 1)
select 1 / count(*)::int from ours;

-- statement maildrop_entries
-- $1 post office, $2 mailbox, $3 folder: its UIDVALIDITY, and what is in it as three arrays in the order of UIDs
-- (NULL when empty), which cost a fraction of as many rows.
select f.uidvalidity, l.uids, l.messages, l.sizes
from folder f cross join lateral (
	select array_agg(e.uid) as uids, array_agg(e.msg) as messages, array_agg(e.size) as sizes
	from (select uid, msg, size from entry where postoffice = $1::bigint and folder = $3::bigint order by uid) e
) l
where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.folder = $3::bigint;
