-- Keys of messages whose answer may not have been read (src/provider/repeat.h).

-- statement repeat_add global
-- $1 keys, $2 their messages, $3 the node numbers that hold them
insert into repeat (key, message, owner)
select key, message, owner from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as k (key, message, owner);

-- statement repeat_forget global
delete from repeat where key = any ($1::bytea[]);

-- statement repeat_break global
update repeat set broken = true where key = any ($1::bytea[]);

-- statement repeat_doubt
-- A message that was given up with its commit's outcome unknown, $2 of the post office $1, with its key $3 and the node
-- number $4: when it stands, its repetition shall be known. A crash of PostgreSQL took the key away, or the
-- message was stored after its conversation ended, with a key that looks alive.
insert into repeat as r (key, message, owner, broken)
select $3::bytea, msg, $4::bigint, true from message where postoffice = $1 and msg = $2::bigint
on conflict (key) do update set broken = true where r.message = excluded.message;

-- statement repeat_find global
-- A key is broken too when its owner is dead: its lease ended, or a process with the same name and role
-- came after it, or its number has been taken since. Then nobody will tell any more. One that has not renewed its lease for
-- $3 microseconds cannot tell either.
-- $2 microseconds a key is good for
select r.message,
	r.broken or n.node is null or n.since > r.at or n.seen < clock_timestamp() - $3::bigint * interval '1 microsecond'
		or exists (select from node s where s.name = n.name and s.role = n.role and s.since > n.since),
	r.at < now() - $2::bigint * interval '1 microsecond'
from repeat r left join node n on n.node = r.owner and n.until > now()
where r.key = $1::bytea;

-- statement repeat_noted
-- A message was known: it is counted where it would have been stored.
insert into ledger as l (postoffice, slot, repeated) values ($1::bigint, pg_backend_pid(), 1)
on conflict (postoffice, slot) do update set repeated = l.repeated + 1;

-- statement repeat_drop global
delete from repeat where key = $1::bytea and message = $2::bigint;
