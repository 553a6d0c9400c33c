-- Keys of messages whose answer may not have been read (src/provider/repeat.h).

-- statement repeat_add global
-- $1 keys, $2 their messages, $3 the node numbers that hold them
insert into repeat (key, message, owner)
select key, message, owner from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as k (key, message, owner);

-- statement repeat_yield global
-- A fence $1 of the moment $2 makes room for a message in this transaction, which makes it a fence again: of two that saw it,
-- or of one that comes late, one only finds it.
delete from repeat where key = $1::bytea and message = 0 and fenced = $2::timestamptz;

-- statement repeat_take global
-- $1 key, $2 its message, $3 the node number that holds it
insert into repeat (key, message, owner, fenced) values ($1::bytea, $2::bigint, $3::bigint, clock_timestamp());

-- statement repeat_forget global
delete from repeat where key = any ($1::bytea[]) and fenced is null;

-- statement repeat_spend global
-- Those of them that are fences stay, for no message.
update repeat set message = 0, broken = false, at = '-infinity', fenced = clock_timestamp()
where key = any ($1::bytea[]) and fenced is not null and message <> 0;

-- statement repeat_break global
update repeat set broken = true where key = any ($1::bytea[]);

-- statement repeat_doubt
-- A message that was given up with its commit's outcome unknown, $2 of the post office $1, with its key $3 and the node
-- number $4: when it stands, its repetition shall be known. A crash of PostgreSQL took the key away, or the
-- message was stored after its conversation ended, with a key that looks alive. Its client was told to come again, and does
-- so when it likes: its window begins $5 microseconds from now.
insert into repeat as r (key, message, owner, broken, at)
select $3::bytea, msg, $4::bigint, true, now() + $5::bigint * interval '1 microsecond' from message where postoffice = $1 and msg = $2::bigint
on conflict (key) do update set broken = true, message = excluded.message, at = greatest(r.at, excluded.at)
where r.message in (excluded.message, 0);

-- statement repeat_fence global
-- Of one that does not stand: whatever backend still has it meets its key $1. Gives the message that stands with it.
insert into repeat as r (key, message, at, fenced) values ($1::bytea, 0, '-infinity', clock_timestamp())
on conflict (key) do update set fenced = clock_timestamp()
returning message;

-- statement repeat_find global
-- A key is broken too when its owner is dead: its lease ended, or a process with the same name and role
-- came after it, or its number has been taken since. Then nobody will tell any more. One that has not renewed its lease for
-- $3 microseconds cannot tell either.
-- $2 microseconds a key is good for. The last column: it is a fence of that moment, for no message.
select r.message,
	r.broken or n.node is null or n.since > r.at or n.seen < clock_timestamp() - $3::bigint * interval '1 microsecond'
		or exists (select from node s where s.name = n.name and s.role = n.role and s.since > n.since),
	r.at < now() - $2::bigint * interval '1 microsecond', case when r.message = 0 then r.fenced end
from repeat r left join node n on n.node = r.owner and n.until > now()
where r.key = $1::bytea;

-- statement repeat_noted
-- A message was known: it is counted where it would have been stored.
insert into ledger as l (postoffice, slot, repeated) values ($1::bigint, pg_backend_pid(), 1)
on conflict (postoffice, slot) do update set repeated = l.repeated + 1;

-- statement repeat_drop global
delete from repeat where key = $1::bytea and message = $2::bigint;
