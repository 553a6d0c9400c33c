-- Keys that sign (src/provider/dkim_key.h).

-- statement dkim_key_add
-- $1 post office, $2 domain, $3 selector, $4 algorithm, $5 public key, $6 private key (encrypted)
insert into dkim_key (postoffice, domain, selector, algorithm, public, secret)
values ($1::bigint, $2::text, $3::text, $4::bigint, $5::bytea, $6::bytea);

-- statement dkim_key_list
-- $1 post office, $2 domain, '' for all
select domain, selector, algorithm, state, public, made, changed from dkim_key
where postoffice = $1::bigint and ($2::text = '' or domain = $2::text) order by domain, made, selector;

-- statement dkim_key_signing
select domain, selector, algorithm, state, public, made, changed, secret from dkim_key
where postoffice = $1::bigint and domain = $2::text and state = 1 order by algorithm, selector;

-- statement dkim_key_retire
-- Keys give way to one of their algorithm that waits.
update dkim_key set state = 2, changed = now()
where postoffice = $1::bigint and domain = $2::text and state = 1 and algorithm in
	(select algorithm from dkim_key where postoffice = $1::bigint and domain = $2::text and state = 0);

-- statement dkim_key_start
update dkim_key set state = 1, changed = now()
where postoffice = $1::bigint and domain = $2::text and state = 0;

-- statement dkim_key_remove
delete from dkim_key where postoffice = $1::bigint and domain = $2::text and selector = $3::text;
