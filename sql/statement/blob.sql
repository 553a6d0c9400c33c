-- Bodies: segment 0 in the row, the others in blob_seg.

-- statement blob_find
select codec, rawlen, nseg, data, blob from blob where postoffice = $1::bigint and blob = $2::bigint;

-- statement blob_of_message
-- $2 a message: its body.
select codec, rawlen, nseg, data, blob from blob
where postoffice = $1::bigint and blob = (select blob from message where postoffice = $1::bigint and msg = $2::bigint);

-- statement blob_small
-- $2 blobs, $3 most raw octets: those that are whole in their row, with their places in $2 from 1. The
-- lateral join finds each one's partition by itself.
select u.place, b.codec, b.rawlen, b.data
from unnest($2::bigint[]) with ordinality u (blob, place)
cross join lateral (select codec, rawlen, data from blob
	where postoffice = $1::bigint and blob = u.blob and nseg = 1 and rawlen <= $3::bigint offset 0) b;

-- statement blob_small_of
-- The same by messages. Each place is asked for once, which PostgreSQL is told: else it keeps all bodies in case one is
-- asked for again, which costs as much as reading them.
select u.place, b.codec, b.rawlen, b.data
from unnest($2::bigint[]) with ordinality u (msg, place)
cross join lateral (select blob from message where postoffice = $1::bigint and msg = u.msg offset 0) m
cross join lateral (select codec, rawlen, data from blob
	where postoffice = $1::bigint and blob = m.blob and nseg = 1 and rawlen <= $3::bigint and u.place > 0 offset 0) b;

-- statement blob_segment_find
select data from blob_seg where postoffice = $1::bigint and blob = $2::bigint and seg = $3::bigint;

-- statement blob_segment_store
insert into blob_seg (postoffice, blob, seg, data) values ($1::bigint, $2::bigint, $3::bigint, $4::bytea);
