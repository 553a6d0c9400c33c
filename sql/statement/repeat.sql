-- Keys of messages whose answer may not have been read (src/provider/repeat.h).

-- statement repeat_add global
-- $1 keys, $2 their messages, $3 the node numbers that hold them
insert into repeat (key, message, owner)
select key, message, owner from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as k (key, message, owner);

-- statement repeat_forget global
delete from repeat where key = any ($1::bytea[]);

-- statement repeat_break global
update repeat set broken = true where key = any ($1::bytea[]);

-- statement repeat_find global
-- A key is broken too when its owner is dead: its lease ended, or a process with the same name and role
-- came after it, or its number has been taken since. Then nobody will tell any more.
-- $2 microseconds a key is good for
select r.message,
	r.broken or n.node is null or n.since > r.at
		or exists (select from node s where s.name = n.name and s.role = n.role and s.since > n.since),
	r.at < now() - $2::bigint * interval '1 microsecond'
from repeat r left join node n on n.node = r.owner and n.until > now()
where r.key = $1::bytea;

-- statement repeat_drop global
delete from repeat where key = $1::bytea and message = $2::bigint;
