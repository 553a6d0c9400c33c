-- Domains.

-- statement domain_insert
insert into domain (postoffice, name) values ($1::bigint, $2::text);

-- statement domain_find system
select name, postoffice, state, abuse, postmaster, catch_all from domain where name = $1::text;

-- statement domain_list
select name, postoffice, state, abuse, postmaster, catch_all from domain where postoffice = $1::bigint order by name;

-- statement domain_change
update domain set state = $3::bigint, abuse = $4::text, postmaster = $5::text, catch_all = $6::text
where postoffice = $1::bigint and name = $2::text;

-- statement domain_remove
delete from domain where postoffice = $1::bigint and name = $2::text;
