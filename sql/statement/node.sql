-- Numbers of processes. Leases are compared by the database's clock alone.

-- statement node_take global
-- $1 name, $2 role, $3 token, $4 lease in microseconds, $5 schema version known. The number that has been free for the longest;
-- no row when somebody else took it in this moment: ask again.
insert into node as held (node, name, role, token, schema, since, seen, until)
select n, $1, $2, $3, $5, clock_timestamp(), clock_timestamp(), clock_timestamp() + $4 * interval '1 microsecond'
from generate_series(1, 1023) n left join node old on old.node = n
where old.until is null or old.until < clock_timestamp()
order by coalesce(old.until, '-infinity'), random() limit 1
on conflict (node) do update set name = excluded.name, role = excluded.role, token = excluded.token,
	schema = excluded.schema, since = excluded.since, seen = excluded.seen, until = excluded.until
where held.until < clock_timestamp()
returning node;

-- statement node_renew global
-- $1 number, $2 token, $3 lease in microseconds
update node set seen = clock_timestamp(), until = clock_timestamp() + $3 * interval '1 microsecond'
where node = $1 and token = $2;

-- statement node_give_back global
-- $1 number, $2 token
update node set until = clock_timestamp() where node = $1 and token = $2;

-- statement node_all global
select node, name, role, seen, schema from node where until > clock_timestamp() order by name, role, node;
