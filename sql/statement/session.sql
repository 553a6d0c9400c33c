-- The lock of POP3 on a mailbox, and the last logons.

-- statement maildrop_lock
-- $1 post office, $2 mailbox, $3 token, $4 lease in microseconds. No row changes while somebody else's lease runs.
insert into maildrop as held (postoffice, mailbox, token, until)
values ($1, $2, $3, clock_timestamp() + $4 * interval '1 microsecond')
on conflict (postoffice, mailbox) do update set token = excluded.token, until = excluded.until
where held.until < clock_timestamp();

-- statement maildrop_renew
-- $1 post office, $2 mailbox, $3 token, $4 lease. A lease that ran out is still ours if nobody took it.
update maildrop set until = clock_timestamp() + $4 * interval '1 microsecond'
where postoffice = $1 and mailbox = $2 and token = $3;

-- statement maildrop_unlock
delete from maildrop where postoffice = $1 and mailbox = $2 and token = $3;

-- statement logon_note
-- $1 post office, $2 mailbox, $3 service: microseconds since the logon before, NULL when there was none
with before as (select at from logon where postoffice = $1 and mailbox = $2 and service = $3),
noted as (insert into logon (postoffice, mailbox, service, at) values ($1, $2, $3, clock_timestamp())
	on conflict (postoffice, mailbox, service) do update set at = excluded.at)
select (select (extract(epoch from clock_timestamp() - at) * 1000000)::bigint from before);
