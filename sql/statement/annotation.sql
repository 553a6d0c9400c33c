-- Annotations of folders and mailboxes (src/provider/annotation.h).

-- statement annotation_list
-- $2 mailbox, $3 folders (0: the mailbox itself), $4 names, $5 how many levels below them count too (2: all).
select a.folder, a.name, a.value
from unnest($3::bigint[]) u (folder)
cross join lateral (select folder, name, value from annotation
	where postoffice = $1::bigint and mailbox = $2::bigint and folder = u.folder offset 0) a
where exists (select from unnest($4::text[]) n (name)
	where a.name = n.name or $5::bigint > 0 and starts_with(a.name, n.name || '/')
		and ($5::bigint > 1 or strpos(substr(a.name, length(n.name) + 2), '/') = 0))
order by a.folder, a.name collate "C";

-- statement annotation_marks
-- $2 mailbox: all there are, and when they were set; $3 others that share something with it, $4 which folders: what all readers see.
select folder, name, modseq from (
	select folder, name, modseq from annotation where postoffice = $1::bigint and mailbox = $2::bigint
	union all
	select a.* from unnest($3::bigint[], $4::bigint[]) u (mailbox, folder)
	cross join lateral (select folder, name, modseq from annotation
		where postoffice = $1::bigint and mailbox = u.mailbox and folder = u.folder offset 0) a
	where starts_with(a.name, '/shared/')
) m
order by folder, name collate "C";

-- Changing them: after deliver_lock, so that their number is known.

-- statement annotation_place
-- $2 its owner, $3 folder: stops the transaction when it is not there.
select 1 / count(*) from folder where postoffice = $1::bigint and mailbox = $2::bigint and folder = $3::bigint;

-- statement annotation_turn
-- $2 mailbox: the next modseq, $3 folder: its own too, where it is the mailbox's (RFC 7162 3.2).
with turned as (
	update mailbox set modseq = modseq + 1 where postoffice = $1::bigint and mailbox = $2::bigint
	returning modseq
)
update folder f set modseq = t.modseq from turned t
where f.postoffice = $1::bigint and f.mailbox = $2::bigint and f.folder = $3::bigint;

-- statement annotation_remove
-- $2 mailbox, $3 folder, $4 names
delete from annotation
where postoffice = $1::bigint and mailbox = $2::bigint and folder = $3::bigint and name = any ($4::text[]);

-- statement annotation_put
-- $2 mailbox, $3 folder, $4 names, each once, $5 their values
insert into annotation (postoffice, mailbox, folder, name, value, modseq)
select $1::bigint, $2::bigint, $3::bigint, u.name, u.value, m.modseq
from unnest($4::text[], $5::bytea[]) u (name, value), mailbox m
where m.postoffice = $1::bigint and m.mailbox = $2::bigint
on conflict (postoffice, mailbox, folder, name) do update set value = excluded.value, modseq = excluded.modseq;

-- statement annotation_fits
-- $2 mailbox, $3 most of them: stops the transaction when there are more.
select 0 / (count(*) <= $3::bigint)::int from annotation where postoffice = $1::bigint and mailbox = $2::bigint;
