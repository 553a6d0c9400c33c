-- Routes (src/provider/route.h).

-- statement route_set system
-- $1 pattern, $2 target, $3 name, $4 password (encrypted), $5 TLS, $6 at once, $7 microseconds apart, $8 retry times,
-- $9 microseconds of lifetime, $10 attempts
insert into route (pattern, target, login, secret, tls, at_once, apart, retry, lifetime, tries)
values ($1, $2, $3, $4, $5, $6::bigint, $7, $8, $9, $10::bigint)
on conflict (pattern) do update set target = excluded.target, login = excluded.login, secret = excluded.secret,
	tls = excluded.tls, at_once = excluded.at_once, apart = excluded.apart, retry = excluded.retry,
	lifetime = excluded.lifetime, tries = excluded.tries, made = now();

-- statement route_remove system
delete from route where pattern = $1;

-- statement route_list system
select pattern, target, login, secret, made, tls, at_once, apart, retry, lifetime, tries from route order by pattern;
