-- MTA-STS policies of other domains (src/provider/sts_policy.h).

-- statement sts_policy_find system
-- $1 domain
select domain, id, body, fetched, expires, coalesce(expires <= now(), true),
	coalesce((extract(epoch from now() - fetched) * 1000000)::bigint, 0), tried_id, trouble, tried,
	coalesce((extract(epoch from now() - tried) * 1000000)::bigint, 0)
from sts_policy where domain = $1;

-- statement sts_policy_keep system
-- $1 domain, $2 id, $3 the policy's text, $4 seconds
insert into sts_policy (domain, id, body, fetched, expires)
values ($1, $2, $3, now(), now() + $4::bigint * interval '1 second')
on conflict (domain) do update set id = excluded.id, body = excluded.body, fetched = excluded.fetched,
	expires = excluded.expires, tried_id = '', trouble = '', tried = null;

-- statement sts_policy_missed system
-- $1 domain, $2 id that was looked for, $3 result
insert into sts_policy (domain, tried_id, trouble, tried) values ($1, $2, $3, now())
on conflict (domain) do update set tried_id = excluded.tried_id, trouble = excluded.trouble, tried = excluded.tried;

-- statement sts_policy_list system
-- $1 domain ('' all), $2 most
select domain, id, body, fetched, expires, coalesce(expires <= now(), true),
	coalesce((extract(epoch from now() - fetched) * 1000000)::bigint, 0), tried_id, trouble, tried,
	coalesce((extract(epoch from now() - tried) * 1000000)::bigint, 0)
from sts_policy where $1::text = '' or domain = $1::text order by domain limit $2::bigint;

-- statement sts_policy_forget system
-- $1 domain ('' all)
delete from sts_policy where $1::text = '' or domain = $1::text;

-- statement sts_policy_sweep system
-- $1 microseconds: forgets what has not counted, and was not looked for, for so long
delete from sts_policy
where coalesce(expires, '-infinity') < now() - $1::bigint * interval '1 microsecond'
  and coalesce(tried, '-infinity') < now() - $1::bigint * interval '1 microsecond';
