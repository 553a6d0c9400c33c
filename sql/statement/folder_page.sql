-- Pages of envelopes of big folders (provider/folder_page.c).

-- statement folder_page_list
-- $2 folder, $3 versions: which pages there are.
select array_agg(page order by page) from folder_page
where postoffice = $1::bigint and folder = $2::bigint and version = any($3::bigint[]);

-- statement folder_page_read
-- $2 folder, $3 versions, $4 $5 first and last page.
select version, facts from folder_page
where postoffice = $1::bigint and folder = $2::bigint and version = any($3::bigint[]) and page between $4::bigint and $5::bigint
order by page;

-- statement folder_page_keep
-- $2 folder, $3 page, $4 version, $5 facts, $6 MODSEQ at which its messages were in the folder: nothing when one has left since,
-- for whatever takes it away took the page along already. A page of a later version, which knows more, stays.
insert into folder_page (postoffice, folder, page, version, facts)
select $1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bytea
where exists (select from folder where postoffice = $1::bigint and folder = $2::bigint)
	and not exists (select from change
		where postoffice = $1::bigint and folder = $2::bigint and modseq > $6::bigint and kind = 'v')
on conflict (postoffice, folder, page) do update set version = excluded.version, facts = excluded.facts
where excluded.version >= folder_page.version;
