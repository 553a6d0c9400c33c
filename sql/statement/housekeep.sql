-- The housekeeper's work. Every statement is a transaction of its own and may be repeated.

-- statement lease_take system
-- $1 name, $2 token, $3 microseconds. No row changes while somebody else holds it.
insert into lease as held (name, token, until)
values ($1, $2, clock_timestamp() + $3 * interval '1 microsecond')
on conflict (name) do update set token = excluded.token, until = excluded.until
where held.until < clock_timestamp() or held.token = excluded.token;

-- statement lease_give_back system
update lease set until = '-infinity' where name = $1 and token = $2;

-- statement retention_ends system
-- $1 spans in microseconds: the whole days (UTC) that ended so long ago
select date_trunc('day', clock_timestamp() - span * interval '1 microsecond', 'UTC')
from unnest($1::bigint[]) with ordinality as s (span, n) order by n;

-- statement partition_ahead system
-- $1 table, $2 day from today, $3 month from this one
select partition_make($1, ((now() at time zone 'UTC')::date + $2::int + $3::int * interval '1 month')::date);

-- statement partition_strays system
-- days of rows that fell to a default partition because theirs had not been made
select 'trace', (at at time zone 'UTC')::date - date '2000-01-01' from trace_rest group by 2
union all
select 'expunged', (at at time zone 'UTC')::date - date '2000-01-01' from expunged_rest group by 2
union all
select 'change', date_trunc('month', at at time zone 'UTC')::date - date '2000-01-01' from change_rest group by 2
union all
select 'audit', date_trunc('month', at at time zone 'UTC')::date - date '2000-01-01' from audit_rest group by 2;

-- statement partition_for_stray system
-- $1 table, $2 day since 2000
select partition_make($1, date '2000-01-01' + $2::int);

-- statement partition_end system
-- $1 table, $2 moment: drops one partition that ended before it; NULL when there is none
select partition_drop($1, $2) - date '2000-01-01';

-- statement change_floor system
-- $1 moment: what is older can be dropped from the change log once the folders know that it will be. $2 $3 the post office
-- and folder to go on behind, $4 how many at once: deliveries wait for the rows of their folders.
with part as materialized (
	select postoffice, folder, max(modseq) as top from change
	where at < date_trunc('month', $1::timestamptz, 'UTC') and (postoffice, folder) > ($2::bigint, $3::bigint)
	group by postoffice, folder order by postoffice, folder limit $4::bigint),
held as materialized ( -- in the order in which deliveries take them
	select f.postoffice, f.folder, p.top from part p
	join folder f on f.postoffice = p.postoffice and f.folder = p.folder and f.log_floor < p.top
	order by f.postoffice, f.folder for no key update of f),
raised as (
	update folder f set log_floor = h.top from held h where f.postoffice = h.postoffice and f.folder = h.folder)
select (select count(*) from part), postoffice, folder from part order by postoffice desc, folder desc limit 1;

-- statement expunged_release system
-- $1 moment, $2 $3 the post office and message to go on behind, $4 most. Of the messages removed
-- before it, those that no folder, no younger removal (packs are), no queue and no open job refers to go with their bodies; those
-- that the queue or a job still refers to are carried to today.
with candidate as materialized (
	select distinct postoffice, msg from expunged
	where at < $1 and (postoffice, msg) > ($2, $3) order by postoffice, msg limit $4),
packed as materialized (
	select c.postoffice, u.msg from (select distinct postoffice from candidate) c
	cross join lateral (select messages from expunged_pack where postoffice = c.postoffice offset 0) p
	cross join lateral unnest(p.messages) as u (msg)),
dead as (
	select c.postoffice, c.msg from candidate c
	where not exists (select from entry e where e.postoffice = c.postoffice and e.msg = c.msg)
	  and not exists (select from expunged x where x.postoffice = c.postoffice and x.msg = c.msg and x.at >= $1)
	  and not exists (select from packed p where p.postoffice = c.postoffice and p.msg = c.msg)
	  and not exists (select from queue q where q.postoffice = c.postoffice and q.msg = c.msg)
	  and not exists (select from queue_deferred q where q.postoffice = c.postoffice and q.msg = c.msg)
	  and not exists (select from job j where j.postoffice = c.postoffice and j.job = c.msg and j.ended is null)),
gone as (
	delete from message m using dead d where m.postoffice = d.postoffice and m.msg = d.msg
	returning m.postoffice, m.msg, m.blob),
views as (
	delete from message_view v using gone g where v.postoffice = g.postoffice and v.msg = g.msg),
sketches as (
	delete from message_sketch s using gone g where s.postoffice = g.postoffice and s.msg = g.msg),
pages as (
	delete from folder_page p using (
		select distinct x.postoffice, x.folder, x.uid / 256 as page
		from gone g cross join lateral (
			select * from expunged where postoffice = g.postoffice and msg = g.msg offset 0) x) d
	where p.postoffice = d.postoffice and p.folder = d.folder and p.page = d.page),
bodies as (
	delete from blob b using gone g where b.postoffice = g.postoffice and b.blob = g.blob returning 1),
pieces as (
	delete from blob_seg s using gone g where s.postoffice = g.postoffice and s.blob = g.blob returning 1),
carried as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, at)
	select c.postoffice, 0, 0, 0, c.msg, 0, now(), now() from candidate c
	where not exists (select from expunged x where x.postoffice = c.postoffice and x.msg = c.msg and x.at >= $1)
	  and (exists (select from queue q where q.postoffice = c.postoffice and q.msg = c.msg)
	    or exists (select from queue_deferred q where q.postoffice = c.postoffice and q.msg = c.msg)
	    or exists (select from job j where j.postoffice = c.postoffice and j.job = c.msg and j.ended is null)))
select (select count(*) from candidate), last.postoffice, last.msg, (select count(*) from gone),
       (select count(*) from bodies), (select count(*) from pieces)
from (select postoffice, msg from candidate order by postoffice desc, msg desc limit 1) last;

-- statement folder_removed_sweep system
-- $1 moment
delete from folder_removed where at < $1::timestamptz;

-- statement segments_orphaned system
-- $1 $2 ids of blobs from and to: pieces stored ahead of a delivery that never came
delete from blob_seg s using (
	select p.postoffice, b.blob from (select postoffice from postoffice union all select 0) p cross join lateral (
		select distinct blob from blob_seg where postoffice = p.postoffice and blob >= $1 and blob < $2) b
	where not exists (select from blob where blob.postoffice = p.postoffice and blob.blob = b.blob)) o
where s.postoffice = o.postoffice and s.blob = o.blob;

-- statement segments_swept system
-- up to when pieces were looked through; no row: never. It stands beside the leases, held by nobody.
select until from lease where name = 'segments-swept';

-- statement segments_swept_note system
-- $1 moment
insert into lease as swept (name, token, until) values ('segments-swept', 0, $1::timestamptz)
on conflict (name) do update set until = greatest(swept.until, excluded.until);

-- statement repeat_sweep system
-- $1 microseconds
delete from repeat where at < clock_timestamp() - $1 * interval '1 microsecond'
	and (fenced is null or fenced < clock_timestamp() - $1 * interval '1 microsecond');

-- statement throttle_sweep system
delete from throttle where last < clock_timestamp() - $1 * interval '1 microsecond';

-- statement session_sweep system
-- Sessions of processes that are no more.
delete from session s
where not exists (select from node n where n.node = s.node and n.token = s.token and n.until > clock_timestamp());

-- statement maildrop_sweep system
delete from maildrop where until < clock_timestamp() - $1 * interval '1 microsecond';

-- statement outcome_sweep system
-- $1 microseconds
delete from outcome where at < clock_timestamp() - $1 * interval '1 microsecond';
