-- Domains.

-- statement domain_insert
insert into domain (postoffice, name) values ($1::bigint, $2::text);

-- statement domain_alias_insert
-- $2 the new domain, $3 the one it stands for, which stands for none: else no row
insert into domain (postoffice, name, stands_for)
select d.postoffice, $2::text, d.name from domain d
where d.postoffice = $1::bigint and d.name = $3::text and d.stands_for is null;

-- statement domain_find system
select name, postoffice, state, abuse, postmaster, catch_all, coalesce(stands_for, '') from domain where name = $1::text;

-- statement domain_list
select name, postoffice, state, abuse, postmaster, catch_all, coalesce(stands_for, '') from domain where postoffice = $1::bigint order by name;

-- statement domain_unsure_postmasters system
-- Enabled domains behind $1 by name that stand for no other, at most $2, of which postmaster@ leads neither to an enabled mailbox that has this address nor, as
-- nobody has it and no mask takes any, to the enabled mailbox that is the target or called postmaster: address_route decides.
select d.name
from domain d
join postoffice p on p.postoffice = d.postoffice
left join address a on a.postoffice = d.postoffice and a.addr = 'postmaster@' || d.name
left join mailbox own on own.postoffice = d.postoffice and own.mailbox = a.mailbox
left join mailbox target on target.postoffice = d.postoffice and target.folded = coalesce(nullif(d.postmaster, ''), 'postmaster')
where d.name > $1::text and d.stands_for is null and d.state = 0 and p.state = 0
	and case when a.addr is not null then own.state is distinct from 0
		else target.state is distinct from 0 or exists (
			select from address_mask k where k.postoffice = d.postoffice and k.domain = d.name) end
order by d.name limit $2::bigint;

-- statement domain_change
-- What it was before.
with was as (
	select state, abuse, postmaster, catch_all from domain where postoffice = $1::bigint and name = $2::text for update
)
update domain d set state = $3::bigint, abuse = $4::text, postmaster = $5::text, catch_all = $6::text
from was where d.postoffice = $1::bigint and d.name = $2::text
returning was.state, was.abuse, was.postmaster, was.catch_all;

-- statement domain_remove
delete from domain where postoffice = $1::bigint and name = $2::text;
