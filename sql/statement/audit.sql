-- statement audit_add
-- $1 post office, $2 id, $3 who, $4 from where, $5 action, $6 object, $7 detail
insert into audit (postoffice, id, who, place, action, object, detail) values ($1, $2, $3, $4, $5, $6, $7);

-- statement audit_add_system system
insert into audit (postoffice, id, who, place, action, object, detail) values ($1, $2, $3, $4, $5, $6, $7);

-- statement audit_of_postoffice
-- $2 most
select postoffice, at, who, place, action, object, detail from audit
where postoffice = $1 order by at desc, id desc limit $2;

-- statement audit_of_all system
-- $1 most
select postoffice, at, who, place, action, object, detail from audit order by at desc, id desc limit $1;
