-- Addresses that are turned away for a while (src/provider/ban_list.h).

-- statement ban_add system
-- $1 addresses, each once, $2 microseconds of each, $3 who says so, $4 why. The longer one counts. The revision's row is
-- locked until the commit, as for settings.
with risen as (update revision set rev = rev + 1 where kind = 'ban' returning rev)
insert into ban as b (address, until, who, why, rev)
select u.address, now() + u.span * interval '1 microsecond', $3, $4, risen.rev
from unnest($1::text[], $2::bigint[]) as u (address, span), risen order by u.address
on conflict (address) do update set until = greatest(b.until, excluded.until), made = excluded.made, who = excluded.who,
	why = excluded.why, rev = excluded.rev;

-- statement ban_lift system
-- $1 address ('' all). The row stays for a while, so that others hear of it.
with risen as (update revision set rev = rev + 1 where kind = 'ban' returning rev)
update ban set until = now(), rev = risen.rev from risen
where (address = $1::text or $1::text = '') and until > now();

-- statement ban_since system
-- $1 the revision known so far: what came since, with the time that is left; 0 = it was lifted, or is over
select address, greatest((extract(epoch from until - now()) * 1000000)::bigint, 0), rev from ban
where rev > $1::bigint order by rev;

-- statement ban_list system
-- $1 most
select address, until, made, who, why from ban where until > now() order by until desc, address limit $1::bigint;

-- statement ban_sweep system
-- $1 microseconds
delete from ban where until < now() - $1::bigint * interval '1 microsecond';
