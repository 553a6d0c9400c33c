-- The last logons.

-- statement logon_note
-- $1 post office, $2 mailbox, $3 service: microseconds since the logon before, NULL when there was none
with before as (select at from logon where postoffice = $1 and mailbox = $2 and service = $3),
noted as (insert into logon (postoffice, mailbox, service, at) values ($1, $2, $3, clock_timestamp())
	on conflict (postoffice, mailbox, service) do update set at = excluded.at)
select (select (extract(epoch from clock_timestamp() - at) * 1000000)::bigint from before);
