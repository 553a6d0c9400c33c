-- Keywords: names of flag bits, per mailbox.

-- statement keyword_list
select array_to_string(kwnames, ' ') from mailbox where postoffice = $1::bigint and mailbox = $2::bigint;

-- statement keyword_add
-- After deliver_lock. $2 mailbox, $3 names that had no bit a moment ago, $4 most. No row: there is no room.
update mailbox m set kwnames = m.kwnames || k.fresh
from (select coalesce(array_agg(name order by n), '{}') as fresh
	from unnest($3::text[]) with ordinality as a (name, n)
	where not exists (select from mailbox b, unnest(b.kwnames) as k
		where b.postoffice = $1::bigint and b.mailbox = $2::bigint and lower(k) = lower(a.name))) k
where m.postoffice = $1::bigint and m.mailbox = $2::bigint and cardinality(m.kwnames) + cardinality(k.fresh) <= $4::bigint
returning array_to_string(m.kwnames, ' ');
