-- Logons.

-- statement auth_find system
-- Who a name is, the kept secrets, and what is known against the attempt; always one row.
-- $1 folded mailbox name or local part, $2 folded realm, $3 realm as a domain or '', $4 throttle key of
-- the address, $5 of the name as written, $6 place, $7 span of failures in microseconds, $8 key of all failures
select f.postoffice, f.mailbox, f.inbox, f.postoffice_name, f.name, f.kind, f.usable, c.hash, c.scram, c.recoverable,
	k.account, k.pair,
	(select failures from throttle where key = $4::bytea and since > k.starts),
	(select failures from throttle where key = k.account and since > k.starts),
	(select failures from throttle where key = k.pair and since > k.starts),
	l.at is not null, coalesce(l.at > now() - interval '1 day', false), (select rev from revision where kind = 'auth'),
	(select failures from throttle where key = $8::bytea and since > k.starts)
from (values (1)) one (n)
left join lateral (
	select m.postoffice, m.mailbox, m.inbox, p.name as postoffice_name, m.name, m.kind, m.state = 0 and p.state = 0 as usable
	from (
		select postoffice, mailbox, min(rank) as rank from (
			select m.postoffice, m.mailbox, 0 as rank
			from postoffice p join mailbox m on m.postoffice = p.postoffice and m.folded = $1::text
			where p.name = $2::text
			union all
			select a.postoffice, a.mailbox, 1
			from domain d join address a on a.postoffice = d.postoffice and a.addr = $1::text || '@' || coalesce(d.stands_for, d.name)
			where d.name = $3::text and d.state = 0 and a.mailbox is not null
				and (d.stands_for is null or exists (select from domain x
					where x.postoffice = d.postoffice and x.name = d.stands_for and x.state = 0))
			union all
			select m.postoffice, m.mailbox, 2
			from domain d join mailbox m on m.postoffice = d.postoffice and m.folded = $1::text
			where d.name = $3::text and d.state = 0
		) ways group by postoffice, mailbox order by 3 limit 1
	) way
	join mailbox m on m.postoffice = way.postoffice and m.mailbox = way.mailbox
	join postoffice p on p.postoffice = way.postoffice
) f on true
left join credential c on c.postoffice = f.postoffice and c.mailbox = f.mailbox and c.kind = 0
cross join lateral (
	select a.account, '\x70'::bytea || substr($4::bytea, 2) || a.account as pair, now() - $7::bigint * interval '1 microsecond' as starts
	from (select coalesce('\x6d'::bytea || int8send(f.postoffice) || int8send(f.mailbox), $5::bytea) as account) a
) k
left join logon_place l on l.postoffice = f.postoffice and l.mailbox = f.mailbox and l.place = $6::text;

-- statement auth_revision global
-- What remembered logons are measured by.
select rev from revision where kind = 'auth';

-- statement auth_failed global
-- One more failure under each key (address, account, pair, all: always in this order, so that two attempts
-- never wait for each other, and the one that all share last). $2 span in microseconds, $3 whom each is about
insert into throttle as t (key, failures, since, last, subject)
select key, 1, now(), now(), subject from unnest($1::bytea[], $3::text[]) with ordinality as k (key, subject, place) order by place
on conflict (key) do update set last = now(), subject = excluded.subject,
	failures = case when t.since > now() - $2::bigint * interval '1 microsecond' then t.failures + 1 else 1 end,
	since = case when t.since > now() - $2::bigint * interval '1 microsecond' then t.since else now() end;

-- statement auth_passed
-- The place is a known one from now on; what failed there is forgiven. $2 mailbox, $3 place, $4 key of the pair
with forgiven as (
	delete from throttle where key = $4::bytea
), forgotten as (
	delete from logon_place where postoffice = $1::bigint and mailbox = $2::bigint and place <> $3::text
		and at < now() - interval '180 days'
)
insert into logon_place (postoffice, mailbox, place, at) values ($1::bigint, $2::bigint, $3::text, now())
on conflict (postoffice, mailbox, place) do update set at = now();

-- statement auth_rehash
-- Unless somebody set another password meanwhile. $2 mailbox, $3 hash before, $4 hash, $5 verifier, $6 recoverable
update credential set hash = $4::text, scram = $5::text, recoverable = coalesce(nullif($6::bytea, ''), recoverable)
where postoffice = $1::bigint and mailbox = $2::bigint and kind = 0 and hash = $3::text;

-- statement auth_house_key system
select value from house_key where name = $1::text;

-- statement auth_house_key_make system
insert into house_key (name, value) values ($1::text, $2::bytea) on conflict do nothing;

-- statement auth_sealed
-- What the secret file encrypted last for a post office, of each kind: a key that signs, a recoverable secret.
select secret from (select secret from dkim_key where postoffice = $1::bigint order by made desc limit 1) k
union all
select recoverable from (select recoverable from credential
	where postoffice = $1::bigint and recoverable <> ''::bytea order by changed desc limit 1) c;

-- statement auth_failure_list system
-- Failures that count now, those that shut out first; of pairs these alone. $1 most, $2 span in microseconds, failures from
-- which on an address or an account ($3), a pair ($4) is shut out, and strangers wait ($5); $6 only these. A key is a
-- letter and a digest, or of an account its two ids (auth_find); of a pair the address's digest stands before the account.
select letter, subject, ('x' || encode(substr(whose, 1, 8), 'hex'))::bit(64)::bigint,
	('x' || encode(substr(whose, 9, 8), 'hex'))::bit(64)::bigint, failures, since, last,
	since + $2::bigint * interval '1 microsecond', acts
from (
	select k.*, case when letter = 'm' then substr(key, 2) when letter = 'p' and length(key) = 34 and get_byte(key, 17) = 109
			then substr(key, 19) else ''::bytea end as whose,
		failures >= case letter when 'p' then $4::bigint when 'g' then $5::bigint else $3::bigint end as acts
	from (select *, chr(get_byte(key, 0)) as letter from throttle where since > now() - $2::bigint * interval '1 microsecond') k
) t
where acts or (letter <> 'p' and not $6::boolean)
order by acts desc, failures desc, last desc, key limit $1::bigint;

-- statement auth_failure_lift system
-- Forgets what failed: $1 key of an address or an account with its pairs, '' all; $2 span in microseconds. How many of them
-- still counted. Locked in the order of auth_failed.
with meant as (
	select key from throttle
	where $1::bytea = ''::bytea or key = $1::bytea or (get_byte(key, 0) = 112
		and (substr(key, 18) = $1::bytea or substr(key, 2, 16) = substr($1::bytea, 2) and get_byte($1::bytea, 0) = 97))
	order by position(chr(get_byte(key, 0)) in 'amnpg'), key for update
), gone as (
	delete from throttle where key in (select key from meant) returning since
)
select count(*) from gone where since > now() - $2::bigint * interval '1 microsecond';
