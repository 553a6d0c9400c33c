-- Results of TLS with other systems (src/provider/tls_result.h), and who was told of them (src/provider/tls_day.h).

-- statement tls_result_add system
-- $1 domains, $2 policies, $3 hosts, $4 results, $5 our addresses, $6 the hosts', $7 sessions of each
insert into tls_result as t (day, domain, policy, host, result, sender, receiver, sessions)
select (now() at time zone 'UTC')::date, u.domain, u.policy, u.host, u.result, u.sender, u.receiver, u.sessions
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
	as u (domain, policy, host, result, sender, receiver, sessions)
order by u.domain, u.policy, u.host, u.result, u.sender, u.receiver
on conflict (day, domain, policy, host, result, sender, receiver)
do update set sessions = t.sessions + excluded.sessions;

-- statement tls_result_list system
-- $1 domain ('' all), $2 most
select day::timestamp at time zone 'UTC', domain, policy, host, result, sender, receiver, sessions from tls_result
where $1::text = '' or domain = $1::text
order by day desc, domain, policy, host, result, sender, receiver limit $2::bigint;

-- statement tls_result_of_day system
-- $1 moment of that day, $2 domain, $3 most
select day::timestamp at time zone 'UTC', domain, policy, host, result, sender, receiver, sessions from tls_result
where day = ($1::timestamptz at time zone 'UTC')::date and domain = $2::text
order by policy, host, result, sender, receiver limit $3::bigint;

-- statement tls_result_sweep system
-- $1 microseconds
delete from tls_result where day < ((now() - $1::bigint * interval '1 microsecond') at time zone 'UTC')::date;

-- statement tls_day_due system
-- $1 microseconds since the day's end, $2 since the last attempt, $3 most. A day that ended two days before is over.
select r.day::timestamp at time zone 'UTC', r.domain, coalesce(p.told, '')
from (
	select distinct day, domain from tls_result
	where day between ((now() - $1::bigint * interval '1 microsecond') at time zone 'UTC')::date - 2
	              and ((now() - $1::bigint * interval '1 microsecond') at time zone 'UTC')::date - 1
	  and domain <> '*') r
left join tls_report p on p.day = r.day and p.domain = r.domain
where coalesce(p.state, 'open') = 'open'
  and coalesce(p.tried, '-infinity') <= now() - $2::bigint * interval '1 microsecond'
order by r.day, r.domain limit $3::bigint;

-- statement tls_day_note system
-- $1 moment of that day, $2 domain, $3 state, $4 targets that have it, $5 trouble
insert into tls_report (day, domain, state, told, trouble, tried)
values (($1::timestamptz at time zone 'UTC')::date, $2, $3, $4, $5, now())
on conflict (day, domain) do update set state = excluded.state, told = excluded.told, trouble = excluded.trouble,
	tried = excluded.tried;

-- statement tls_day_list system
-- $1 domain ('' all), $2 most
select r.day::timestamp at time zone 'UTC', r.domain, r.good, r.bad, coalesce(p.state, 'open'), coalesce(p.told, ''),
	coalesce(p.trouble, ''), p.tried
from (
	select day, domain, sum(sessions) filter (where result = 'success')::bigint as good,
		sum(sessions) filter (where result <> 'success')::bigint as bad
	from tls_result where ($1::text = '' or domain = $1::text) and domain <> '*' group by day, domain
	order by day desc, domain limit $2::bigint) r
left join tls_report p on p.day = r.day and p.domain = r.domain
order by r.day desc, r.domain;

-- statement tls_day_sweep system
-- $1 microseconds
delete from tls_report where day < ((now() - $1::bigint * interval '1 microsecond') at time zone 'UTC')::date;
