-- Results of TLS with other systems (src/provider/tls_result.h).

-- statement tls_result_add system
-- $1 domains, $2 policies, $3 hosts, $4 results, $5 sessions of each
insert into tls_result as t (day, domain, policy, host, result, sessions)
select (now() at time zone 'UTC')::date, u.domain, u.policy, u.host, u.result, u.sessions
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) as u (domain, policy, host, result, sessions)
order by u.domain, u.policy, u.host, u.result
on conflict (day, domain, policy, host, result) do update set sessions = t.sessions + excluded.sessions;

-- statement tls_result_list system
-- $1 domain ('' all), $2 most
select day::timestamp at time zone 'UTC', domain, policy, host, result, sessions from tls_result
where $1::text = '' or domain = $1::text
order by day desc, domain, policy, host, result limit $2::bigint;

-- statement tls_result_sweep system
-- $1 microseconds
delete from tls_result where day < ((now() - $1::bigint * interval '1 microsecond') at time zone 'UTC')::date;
