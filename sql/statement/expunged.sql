-- What was removed and can be had back: rows of `expunged`, and those of big removals (expunged_pack), which become such rows.
-- Whoever reads `expunged` reads packs too, or unpacks those of the mailbox first.

-- piece expunged_of_pack
-- One pack at a time, each a transaction: with the table `one` before it. Gives whether there was one, though somebody else may
-- have been at it: who waited for him finds the rows in his next statement.
, gone as (
	delete from expunged_pack p using one o
	where p.postoffice = o.postoffice and p.mailbox = o.mailbox and p.modseq = o.modseq and p.part = o.part
	returning p.*
), made as (
	insert into expunged (postoffice, mailbox, folder, uid, msg, flags, idate, zone, at)
	select g.postoffice, g.mailbox, g.folder, u.uid, u.msg, u.flags, u.idate, u.zone, g.at
	from gone g cross join lateral unnest(g.uids, g.messages, g.flags, g.idates, g.zones) as u (uid, msg, flags, idate, zone)
);

-- statement expunged_unpack
-- $2 mailbox
with one as materialized (
	select postoffice, mailbox, modseq, part from expunged_pack
	where postoffice = $1::bigint and mailbox = $2::bigint order by modseq, part limit 1
)
@expunged_of_pack
select count(*) from one;

-- statement expunged_unpack_any system
with one as materialized (
	select postoffice, mailbox, modseq, part from expunged_pack order by postoffice, mailbox, modseq, part limit 1
)
@expunged_of_pack
select count(*) from one;
