#!/bin/sh
# contrib/private-pg: a cluster starts, keeps what was committed over kill -9, and leaves nothing
# running. Skipped where there is no PostgreSQL server.
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/..}
pg=$top/contrib/private-pg
dir=$(mktemp -d "${TMPDIR:-/tmp}/pennypost-test.XXXXXX") || exit 99
chmod 0755 "$dir"
trap '"$pg" kill "$dir"; rm -rf "$dir"' EXIT
. "$top/tests/says.sh"
unset PRIVATE_PG_MOULD

start() {
	lines=$("$pg" start "$dir" fast) || return
	eval "$lines"
}
running() {
	ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -cF -- "-> $dir/"
}

start
case $? in
69) exit 77 ;;
0) ;;
*) exit 99 ;;
esac
eval "$("$pg" database "$dir" pennypost)"
says 'fsync is on' on "$(psql -XAt "$PGURI" -c 'show fsync')"
says 'the run-time role is no superuser' 'pennypost_run|f|f' "$(psql -XAt "$PGURI" -c \
	'select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user')"
says 'the database belongs to its owner role' pennypost_owner "$(psql -XAt "$PGURI_OWNER" -c \
	'select datdba::regrole from pg_database where datname = current_database()')"
says 'it listens on no TCP port' '' "$(psql -XAt "$PGURI" -c 'show listen_addresses')"
says 'started again it is the same' "$PG_PID" "$("$pg" start "$dir" | sed -n 's/^PG_PID=//p')"
says 'another password is refused' 2 "$(psql -XAt "$(echo "$PGURI" | sed 's/run:./run:z/')" -c '' \
	>/dev/null 2>&1; echo $?)"
psql -XAtq "$PGURI_OWNER" -c 'create table kept as select 42 as answer'
before=$PG_PID
"$pg" kill "$dir"
says 'kill -9 leaves no process' 0 "$(running)"
start
says 'after kill -9 another one runs' yes "$([ "$PG_PID" != "$before" ] && echo yes)"
says 'what was committed is there' 42 "$(psql -XAt "$PGURI_OWNER" -c 'select answer from kept')"
says 'database may be repeated' "PGURI='$PGURI'" "$("$pg" database "$dir" pennypost | sed -n 1p)"
"$pg" hang "$dir"
says 'hung, it refuses nothing and says nothing' 137 "$(timeout -s KILL 1 psql -XAt "$PGURI_OWNER" -c 'select 1' \
	>/dev/null 2>&1; echo $?)"
"$pg" resume "$dir"
says 'resumed, it goes on' 42 "$(psql -XAt "$PGURI_OWNER" -c 'select answer from kept')"
"$pg" stop "$dir"
says 'stop leaves no process' 0 "$(running)"
says 'stop may be repeated' 0 "$("$pg" stop "$dir"; echo $?)"

# Killed with all it called, while the cluster is being made.
"$pg" start "$dir/other" fast >/dev/null 2>&1 &
maker=$!
until ls "$dir"/other/data*/PG_VERSION >/dev/null 2>&1 || ! kill -0 "$maker" 2>/dev/null; do
	sleep 0.02
done
kill -KILL $(grep -lsF "$dir/other" /proc/[0-9]*/cmdline | cut -d / -f 3) 2>/dev/null
wait "$maker" 2>/dev/null
while ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -qF -- "-> $dir/other"; do
	sleep 0.1
done
says 'a cluster that was half made is made anew' 0 "$("$pg" start "$dir/other" fast >/dev/null 2>&1; echo $?)"
"$pg" stop "$dir/other"

mkdir -p "$dir/left/data/base"
says 'a folder that was left without a cluster is taken' 0 "$("$pg" start "$dir/left" fast >/dev/null 2>&1; echo $?)"
says 'with the cluster in it' yes "$([ -s "$dir/left/data/PG_VERSION" ] && echo yes)"
"$pg" stop "$dir/left"

# Two that run at the same time, copies of one.
whose() { # whose FOLDER [fast]: which cluster that is, and what was written there
	(
		eval "$("$pg" start "$dir/$1" ${2:-})"
		psql -XAtq "$PG_SUPERURI" -c 'create table if not exists told (by text)' -c "insert into told values ('$1')" \
			-c "select system_identifier, string_agg(by, ' ') from pg_control_system(), told group by 1"
	)
}
export PRIVATE_PG_MOULD="$dir/mould"
one=$(whose one fast)
two=$(whose two fast)
three=$(whose three)
says 'a cluster that was copied is the same one' "${one%|*}" "${two%|*}"
says 'what one of them writes the other does not find' 'one two' "${one##*|} ${two##*|}"
says 'a cluster that is to last is no copy' yes "$([ "${three##*|}" = three ] && [ "${three%|*}" != "${one%|*}" ] && echo yes)"
for name in one two three; do
	"$pg" stop "$dir/$name"
done
rm -rf "$dir/mould/data"
says 'without what is to be copied one is made' four "$(four=$(whose four fast); echo "${four##*|}")"
"$pg" stop "$dir/four"
: >"$dir/file"
PRIVATE_PG_MOULD="$dir/file/mould"
says 'nor does it matter that none can be kept' five "$(five=$(whose five fast); echo "${five##*|}")"
"$pg" stop "$dir/five"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
