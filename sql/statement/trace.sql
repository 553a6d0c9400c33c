-- statement trace_add system
-- $1 post offices, $2 moments, $3 ids, $4 messages, $5 hashes of Message-IDs (0 none), $6 kinds, $7 node, $8 fields
insert into trace (postoffice, at, id, message, message_id_hash, kind, node, fields)
select postoffice, at, id, message, nullif(hash, 0), kind, $7, fields
from unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $8::text[])
	as t (postoffice, at, id, message, hash, kind, fields);

-- statement trace_of_message system
select postoffice, at, message, kind, node, fields from trace where message = $1 order by at, id limit 10000;

-- statement trace_of_message_id system
-- $1 hash of the Message-ID
select postoffice, at, message, kind, node, fields from trace
where message_id_hash = $1
   or message in (select message from trace where message_id_hash = $1 and message <> 0)
order by at, id limit 10000;
