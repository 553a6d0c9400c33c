-- Secrets behind rewritten senders (src/provider/srs_key.h).

-- statement srs_secrets system
-- $1 microseconds: the one that signs, then those that were replaced no longer ago
select id, secret, made, replaced from srs_secret
where replaced is null or replaced > now() - $1 * interval '1 microsecond'
order by replaced is not null, id desc;

-- statement srs_rotate system
-- $1 id, $2 secret
with former as (
	update srs_secret set replaced = now() where replaced is null
)
insert into srs_secret (id, secret) values ($1, $2);

-- statement srs_sweep system
-- $1 microseconds
delete from srs_secret where replaced < now() - $1 * interval '1 microsecond';
