-- statement setting_since system
-- $1 the revision known so far; unset ones come with a NULL, so that they are forgotten
select postoffice, scope, object, name, value, rev from setting where rev > $1 order by rev;

-- statement setting_store system
-- $1 post office, $2 scope, $3 object, $4 name, $5 value. The revision's row is locked until the commit: revisions
-- appear in their order, so that nobody's `rev >` skips one. Who listens looks at once.
with risen as (update revision set rev = rev + 1 where kind = 'setting' returning kind, rev),
told as (select pg_notify('pennypost_change', '!' || kind), rev from risen)
insert into setting (postoffice, scope, object, name, value, rev)
select $1, $2, $3, $4, $5, rev from told
on conflict (postoffice, scope, object, name) do update set value = excluded.value, rev = excluded.rev;

-- statement setting_was system
-- $1 post office, $2 scope, $3 object, $4 name. Behind setting's revision, whose row is locked, nobody else changes it
-- before the commit.
select value from setting
where postoffice = $1::bigint and scope = $2::bigint and object = $3::text and name = $4::text and value is not null;

-- statement setting_exceptions system
-- $1 what the names hold, $2 most: what is set for less than the server (scope 1)
select postoffice, scope, object, name, value from setting
where scope > 1 and value is not null and strpos(name, $1::text) > 0
order by name, postoffice, scope, object limit $2::bigint;
