-- The index of searches (provider/search_index.c, provider/message_sketch.c).

-- statement message_sketches
-- $2 messages, $3 version: sketches of those that have one, with their places in $2 from 1.
select u.place, s.sketch
from unnest($2::bigint[]) with ordinality u (msg, place)
cross join lateral (select sketch from message_sketch
	where postoffice = $1::bigint and msg = u.msg and version = $3::bigint offset 0) s;

-- statement messages_standing
-- $2 messages: the places in $2, from 1, of those that are there.
select u.place
from unnest($2::bigint[]) with ordinality u (msg, place)
cross join lateral (select msg from message where postoffice = $1::bigint and msg = u.msg offset 0) m;

-- statement message_sketches_keep
-- $2 messages, $3 version, $4 sketches. Those of a newer program stay.
insert into message_sketch (postoffice, msg, version, sketch)
select $1::bigint, m.msg, $3::bigint, u.sketch
from unnest($2::bigint[], $4::bytea[]) u (msg, sketch)
cross join lateral (select msg from message where postoffice = $1::bigint and msg = u.msg offset 0) m
order by u.msg -- one order for all, so that nobody waits for each other
on conflict (postoffice, msg) do update set version = excluded.version, sketch = excluded.sketch
where message_sketch.version < excluded.version;

-- statement search_index_offices system
-- $1 behind which, $2 most: post offices, and the version of the index of each
select p.postoffice, p.name, i.version, i.settled, i.reached
from (select postoffice, name from postoffice where postoffice > $1 order by postoffice limit $2) p
left join lateral (select * from search_index where postoffice = p.postoffice offset 0) i on true
order by p.postoffice;

-- statement search_index_begin
-- $2 version, $3 message: what comes from it on is new, the others are old
insert into search_index (postoffice, version, settled, reached) values ($1::bigint, $2::bigint, $3::bigint, $3::bigint)
on conflict (postoffice) do update
set version = excluded.version, settled = excluded.settled, reached = excluded.reached, since = now()
where search_index.version < excluded.version;

-- statement search_index_newer
-- $2 message, $3 most, $4 version: messages from it on, and whether each has its sketch
select m.msg, m.blob, m.size, s.msg is not null
from (select msg, blob, size from message where postoffice = $1::bigint and msg >= $2::bigint order by msg limit $3::bigint) m
left join lateral (select msg from message_sketch
	where postoffice = $1::bigint and msg = m.msg and version = $4::bigint offset 0) s on true
order by m.msg;

-- statement search_index_older
-- The same of those before it, the newest first.
select m.msg, m.blob, m.size, s.msg is not null
from (select msg, blob, size from message where postoffice = $1::bigint and msg < $2::bigint order by msg desc limit $3::bigint) m
left join lateral (select msg from message_sketch
	where postoffice = $1::bigint and msg = m.msg and version = $4::bigint offset 0) s on true
order by m.msg desc;

-- statement search_index_note
-- $2 settled, $3 reached: as they are now, unless it began anew meanwhile
update search_index set settled = $2::bigint, reached = $3::bigint
where postoffice = $1::bigint and version = $4::bigint and settled <= $2::bigint and reached >= $3::bigint;

-- statement search_index_drop
-- $2 the version of one that is to go; gives the name of its post office
update search_index i set version = $2::bigint from postoffice p
where i.postoffice = $1::bigint and p.postoffice = $1::bigint
returning p.name;

-- statement search_index_forget
delete from search_index where postoffice = $1::bigint;
