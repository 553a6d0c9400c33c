-- statement audit_add
-- $1 post office, $2 id, $3 who, $4 from where, $5 action, $6 object, $7 detail
insert into audit (postoffice, id, who, place, action, object, detail) values ($1, $2, $3, $4, $5, $6, $7);

-- statement audit_add_system system
insert into audit (postoffice, id, who, place, action, object, detail) values ($1, $2, $3, $4, $5, $6, $7);

-- The name of a post office that was removed stands in the row that tells of it, as the object, which is kept longer than all
-- that came before.
-- statement audit_of_postoffice
-- $2 most
select a.postoffice, a.at, a.who, a.place, a.action, a.object, a.detail, p.name from audit a
join postoffice p on p.postoffice = a.postoffice
where a.postoffice = $1 order by a.at desc, a.id desc limit $2;

-- statement audit_of_removed system
-- $1 name of post offices that are no more, $2 most
select postoffice, at, who, place, action, object, detail, $1::text from audit
where postoffice in (select postoffice from audit where action = 'postoffice.remove' and object = $1::text)
order by at desc, id desc limit $2;

-- statement audit_of_all system
-- $1 most
select a.postoffice, a.at, a.who, a.place, a.action, a.object, a.detail, coalesce(p.name,
	case when a.postoffice <> 0 then (select r.object from audit r
		where r.postoffice = a.postoffice and r.action = 'postoffice.remove'
		order by r.at desc, r.id desc limit 1) end, '') -- one of its last rows
from (select * from audit order by at desc, id desc limit $1) a
left join postoffice p on p.postoffice = a.postoffice
order by a.at desc, a.id desc;
