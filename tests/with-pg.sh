#!/bin/sh
# with-pg.sh COMMAND ...: runs a command beside a PostgreSQL of its own, which is gone afterwards. The
# log compiler of tests called *.pg. The command finds in its environment
#	PENNYPOST_TEST_SUPERURI    URI of the superuser
#	PENNYPOST_TEST_PGURI, PENNYPOST_TEST_PGURI_SYSTEM, PENNYPOST_TEST_PGURI_OWNER
#	                           URIs of the house's three roles for the empty database `pennypost`
#	PENNYPOST_TEST_PGDIR       the folder for contrib/private-pg (stop, kill, start)
set -eu
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/..}
[ $# -gt 0 ] || {
	echo "usage: with-pg.sh COMMAND ..." >&2
	exit 64
}

# In memory where there is room for it: fsync stays on, but costs nothing.
where=${TMPDIR:-/tmp}
if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -ge 1000000 ]; then
	where=/dev/shm
fi
dir=$(mktemp -d "$where/pennypost-test.XXXXXX")
chmod 0755 "$dir"
finish() {
	"$top/contrib/private-pg" stop "$dir" || "$top/contrib/private-pg" kill "$dir"
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# Units look at plans, which must not depend on whether tables happened to be counted meanwhile.
case $1 in
*unit_*) echo 'autovacuum = off' >"$dir/extra.conf" ;;
esac
lines=$("$top/contrib/private-pg" start "$dir" fast) || exit 99
eval "$lines"
lines=$("$top/contrib/private-pg" database "$dir" pennypost) || exit 99
eval "$lines"
export PENNYPOST_TEST_SUPERURI="$PG_SUPERURI" PENNYPOST_TEST_PGDIR="$dir" \
	PENNYPOST_TEST_PGURI="$PGURI" PENNYPOST_TEST_PGURI_SYSTEM="$PGURI_SYSTEM" \
	PENNYPOST_TEST_PGURI_OWNER="$PGURI_OWNER"
"$@"
