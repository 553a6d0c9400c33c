#!/bin/sh
# The generators of the statement and migration tables: what they make of good files, and that they
# refuse the bad ones with file, line and reason.
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/..}
top=$(cd "$top" && pwd)
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
passed=0 failed=0

verdict() { # verdict OK? WHAT
	if [ "$1" = yes ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $2"
		cat out err
	fi
}
accepts() { # accepts WHAT SCRIPT MODE FILE WANTED-LINE
	awk -v want="$3" -f "$top/sql/$2" "$4" >out 2>err && grep -qF -- "$5" out && ok=yes || ok=no
	verdict $ok "$1"
}
refuses() { # refuses WHAT SCRIPT FILE WANTED-COMPLAINT
	awk -v want=table -f "$top/sql/$2" "$3" >out 2>err && ok=no || ok=yes
	grep -qF -- "$4" err || ok=no
	verdict $ok "$1"
}

cat >good.sql <<'END'
-- statement folder_by_name
-- $1 post office, $2 name
select id, '\x' || "name"
from folder where postoffice = $1 and name = $2;

-- statement nodes_seen global
select count(*) from node;
END
accepts 'the enum has a name per statement' statements.awk header good.sql 'SQL_FOLDER_BY_NAME,'
accepts 'parameters are counted' statements.awk table good.sql \
	'[SQL_FOLDER_BY_NAME] = {"folder_by_name", STATEMENT_TENANT, 2,'
accepts 'flags are kept' statements.awk table good.sql '{"nodes_seen", STATEMENT_GLOBAL, 0,'
accepts 'quotes and backslashes are escaped' statements.awk table good.sql \
	"\"select id, '\\\\x' || \\\"name\\\"\\n\""
accepts 'the semicolon is left out' statements.awk table good.sql '"select count(*) from node\n"'

cat >reads.sql <<'END'
-- statement look_with
with f as (select id, updated from folder where postoffice = $1)
select count(*) from f;
-- statement change_with
with f as (
	update folder set name = 'x' where postoffice = $1 returning 1)
select count(*) from f;
-- statement change_plain
delete from folder where postoffice = $1;
-- statement change_table system
select partition_make($1, $2);
-- statement change_table_with system
with d as (select $2::date as day) select partition_drop($1, day) from d;
END
accepts 'what begins with select only reads' statements.awk table good.sql '{"nodes_seen", STATEMENT_GLOBAL, 0, true,'
accepts 'what begins with "with" reads where nothing behind it changes' statements.awk table reads.sql \
	'{"look_with", STATEMENT_TENANT, 1, true,'
accepts 'and changes where something does' statements.awk table reads.sql '{"change_with", STATEMENT_TENANT, 1, false,'
accepts 'what changes by its first word does not read' statements.awk table reads.sql \
	'{"change_plain", STATEMENT_TENANT, 1, false,'
accepts 'what makes a partition does not read' statements.awk table reads.sql '{"change_table", STATEMENT_SYSTEM, 2, false,'
accepts 'nor what drops one' statements.awk table reads.sql '{"change_table_with", STATEMENT_SYSTEM, 2, false,'

cat >piece.sql <<'END'
-- piece mine
where postoffice = $1
	and id = $2;
-- statement first_of_it
select id from folder
@mine
order by id;
-- statement all_of_it
delete from folder
@mine
;
END
accepts 'a piece stands in the first statement' statements.awk table piece.sql '"	and id = $2\n"'
accepts 'what follows it too' statements.awk table piece.sql '"order by id\n"'
accepts 'its parameters count' statements.awk table piece.sql '{"all_of_it", STATEMENT_TENANT, 2,'
printf -- '-- statement a\nselect id from folder\n@none\nwhere postoffice = $1;\n' >none.sql
refuses 'a piece that is not there' statements.awk none.sql 'none.sql:3: statement a has a piece that is not there: @none'
printf -- '-- statement a global\nselect 1;\n-- statement a global\nselect 2;\n' >twice.sql
refuses 'a name given twice' statements.awk twice.sql 'twice.sql:3: statement a exists already'
printf -- '-- statement a tenants\nselect 1;\n' >flag.sql
refuses 'an unknown flag' statements.awk flag.sql 'unknown flag: tenants'
printf -- '-- statement a global\nselect 1\n' >open.sql
refuses 'a statement without end' statements.awk open.sql 'has no end'
printf -- '-- statement a global\nselect $1, $3;\n' >gap.sql
refuses 'a gap in the parameters' statements.awk gap.sql 'uses $3 but not $2'
printf -- '-- statement a\nselect body from blob where blob = $1;\n' >foreign.sql
refuses 'tenant data without a post office' statements.awk foreign.sql 'does not name the post office'
printf 'select 1;\n' >outside.sql
refuses 'text outside a statement' statements.awk outside.sql 'outside.sql:1: text outside'

printf 'create table t (a text default '"'"'\\n'"'"');\n' >0001-first-things.sql
cp 0001-first-things.sql 0003-gap.sql
cp 0001-first-things.sql first.sql
accepts 'a migration' migrations.awk table 0001-first-things.sql '{1, "first-things",'
refuses 'a gap in the numbers' migrations.awk 0003-gap.sql 'expected number 1'
refuses 'a migration without number' migrations.awk first.sql 'NNNN-name.sql'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
