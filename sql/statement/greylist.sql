-- Who was asked to come again (src/provider/greylist.h).

-- statement greylist_meet
-- $2 key; microseconds: $3 how long the first one is kept waiting, $4 until when it must have come again, $5 how long
-- one that passed is known without coming. One that is too old begins anew. Gives the microseconds that are
-- left; 0 = it passes.
insert into greylist as g (postoffice, key, first, last)
values ($1::bigint, $2::bytea, clock_timestamp(), clock_timestamp())
on conflict (postoffice, key) do update set
	first = case when g.last < clock_timestamp() - case when g.passed then $5::bigint else $4::bigint end * interval '1 microsecond'
		then clock_timestamp() else g.first end,
	passed = g.last >= clock_timestamp() - case when g.passed then $5::bigint else $4::bigint end * interval '1 microsecond'
		and (g.passed or g.first <= clock_timestamp() - $3::bigint * interval '1 microsecond'),
	last = clock_timestamp()
returning case when passed then 0 else greatest(1,
	($3::bigint - extract(epoch from clock_timestamp() - first) * 1000000)::bigint) end;

-- statement greylist_sweep system
-- $1 microseconds
delete from greylist where last < clock_timestamp() - $1 * interval '1 microsecond';
