-- Jobs (src/provider/job.h). Leases are compared by the database's clock alone.

-- statement postoffice_job_scope
-- How many mailboxes there are, and the last of them; no row when the post office is disabled or gone.
select count(m.mailbox), coalesce(max(m.mailbox), 0)
from postoffice p left join mailbox m on m.postoffice = p.postoffice
where p.postoffice = $1::bigint and p.state = 0 group by p.postoffice;

-- statement job_add
-- $2 id, $3 mailbox or 0, $4 who, $5 subject, $6 size, $7 total, $8 behind which mailbox it begins, $9 the last one. The
-- message gets a row in `expunged` of its own, so that it goes when nobody has it any more.
with made as (
	insert into job (postoffice, job, mailbox, who, subject, size, total, at, until)
	values ($1::bigint, $2::bigint, $3::bigint, $4::text, $5::text, $6::bigint, $7::bigint, $8::bigint, $9::bigint)
), noted as (
	insert into ledger as l (postoffice, slot, accepted) values ($1::bigint, pg_backend_pid(), 1)
	on conflict (postoffice, slot) do update set accepted = l.accepted + 1
)
insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate)
values ($1::bigint, 0, 0, 0, $2::bigint, 0, now());

-- statement job_claim system
-- $1 node and process, $2 its token, $3 lease in microseconds. Jobs take turns, and wait while their post office is
-- disabled. What a process of the same name was at that came before is free: it is dead.
update job j set owner = $1::text, token = $2::bigint, epoch = j.epoch + 1, tries = j.tries + 1,
	started = coalesce(j.started, clock_timestamp()),
	lease = clock_timestamp() + $3::bigint * interval '1 microsecond'
from (select o.postoffice, o.job from job o
	where o.ended is null and (o.lease < clock_timestamp() or (o.owner = $1::text and o.token <> $2::bigint))
	  and exists (select from postoffice p where p.postoffice = o.postoffice and p.state = 0)
	order by o.stepped, o.job limit 1 for update of o skip locked) d
where j.postoffice = d.postoffice and j.job = d.job
returning j.postoffice, j.job, j.size, j.at, j.until, j.epoch, j.tries;

-- statement job_unclaim
-- $2 job, $3 epoch, $4 tries that do not count: the step was not taken. Who could tell only after somebody else claimed
-- it takes back the try alone. Said twice it is done once, unless somebody claimed it between.
update job set lease = case when epoch = $3::bigint then '-infinity' else lease end,
	stepped = case when epoch = $3::bigint then clock_timestamp() else stepped end,
	tries = greatest(tries - $4::bigint, 0)
where postoffice = $1::bigint and job = $2::bigint
	and ((epoch = $3::bigint and lease > '-infinity') or (epoch > $3::bigint and $4::bigint > 0));

-- statement job_held
-- $2 job, $3 epoch: locks it. When it was cancelled, or somebody else took the step, a division by zero stops the
-- transaction.
select 1 / (count(*) = 1)::int
from (select from job where postoffice = $1::bigint and job = $2::bigint and epoch = $3::bigint and ended is null
	for no key update) j;

-- statement job_mailboxes
-- Those behind $2 up to $3, at most $4; locks them in rising order, as deliveries do.
select mailbox, inbox, name, state, quota, used from mailbox
where postoffice = $1::bigint and mailbox > $2::bigint and mailbox <= $3::bigint
order by mailbox limit $4::bigint for no key update;

-- statement job_mailboxes_add
-- $2 job, $3 mailboxes, $4 outcomes
insert into job_mailbox (postoffice, job, mailbox, outcome)
select $1::bigint, $2::bigint, u.mailbox, u.outcome from unnest($3::bigint[], $4::bigint[]) as u (mailbox, outcome);

-- statement job_step
-- $2 job, $3 the last mailbox of the step, $4 how many of each outcome, $5 that was the end of it
update job set at = $3::bigint, delivered = delivered + ($4::bigint[])[1], is_full = is_full + ($4::bigint[])[2],
	disabled = disabled + ($4::bigint[])[3], failed = failed + ($4::bigint[])[4], tries = 0, lease = '-infinity',
	stepped = clock_timestamp(), ended = case when $5::boolean then clock_timestamp() end
where postoffice = $1::bigint and job = $2::bigint
returning delivered, is_full, disabled, failed;

-- statement job_cancel
-- $2 job
update job set ended = clock_timestamp(), cancelled = true
where postoffice = $1::bigint and job = $2::bigint and ended is null;

-- piece job_row
select j.postoffice, p.name, j.job, coalesce(m.name, ''), j.mailbox, j.who, j.subject, j.size, j.total, j.delivered, j.is_full,
	j.disabled, j.failed, j.made, j.started, j.ended, j.cancelled,
	(extract(epoch from coalesce(j.ended, clock_timestamp()) - j.started) * 1000000)::bigint
from job j join postoffice p on p.postoffice = j.postoffice
left join mailbox m on m.postoffice = j.postoffice and m.mailbox = j.mailbox;

-- statement job_list
-- The newest first, at most $2; $3 job or 0
@job_row
where j.postoffice = $1::bigint and ($3::bigint = 0 or j.job = $3::bigint) order by j.job desc limit $2::bigint;

-- statement job_list_all system
-- The same of all post offices; $1 most, $2 job or 0
@job_row
where $2::bigint = 0 or j.job = $2::bigint order by j.job desc limit $1::bigint;

-- statement job_missed
-- $2 job, $3 most: mailboxes that did not get it
select b.mailbox, coalesce(m.name, ''), b.outcome
from (select mailbox, outcome from job_mailbox
	where postoffice = $1::bigint and job = $2::bigint and outcome <> 0 order by mailbox limit $3::bigint) b
left join lateral (
	select name from mailbox where postoffice = $1::bigint and mailbox = b.mailbox offset 0
) m on true
order by b.mailbox;

-- statement job_sweep system
-- $1 microseconds: the job that ended first, before so long
delete from job where (postoffice, job) = (select postoffice, job from job
	where ended < clock_timestamp() - $1::bigint * interval '1 microsecond' order by ended limit 1);
