-- Routes (src/provider/route.h).

-- statement route_set system
-- $1 pattern, $2 target, $3 name, $4 password (encrypted)
insert into route (pattern, target, login, secret) values ($1, $2, $3, $4)
on conflict (pattern) do update set target = excluded.target, login = excluded.login, secret = excluded.secret, made = now();

-- statement route_remove system
delete from route where pattern = $1;

-- statement route_list system
select pattern, target, login, secret, made from route order by pattern;
