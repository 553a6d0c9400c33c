-- News: what changed in folders that readers watch.

-- statement news_poll system
-- $1 post offices, $2 their mailboxes, $3 folders (0: the mailbox itself): the modseq of each, in this order.
select coalesce(case when w.folder = 0 then m.modseq else f.modseq end, 0)
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality as w (postoffice, mailbox, folder, n)
left join mailbox m on w.folder = 0 and m.postoffice = w.postoffice and m.mailbox = w.mailbox
left join folder f on w.folder <> 0 and f.postoffice = w.postoffice and f.folder = w.folder
order by w.n;

-- statement news_notify global
-- $1 places, as news_bell.c writes them. A hint need not be on disk when it is told.
select set_config('synchronous_commit', 'off', true), pg_notify('pennypost_news', $1::text);

-- statement news_backend global
-- which backend runs this transaction
select pg_backend_pid();
