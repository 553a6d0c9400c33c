#!/bin/sh
# idle.sh [CONNECTIONS]: what an idle connection costs a worker, without and with TLS. Run in a build
# tree with idle_hold made, by `make idle`. Wanted at 10,000: under 24 KB each without TLS, under 60 with.
set -eu
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/../..}
connections=${1:-10000}
ulimit -n "$(ulimit -H -n)"
if [ "$(ulimit -n)" != unlimited ] && [ "$(ulimit -n)" -lt $((connections + 200)) ]; then
	echo "idle: $connections connections need $((connections + 200)) descriptors, the limit is" \
		"$(ulimit -n)" >&2
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM HUP
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-keyout "$dir/default.key" -out "$dir/default.crt" 2>/dev/null
failed=0
"$top/tests/with-pg.sh" ./idle_hold "$connections" 24 || failed=$?
"$top/tests/with-pg.sh" ./idle_hold "$connections" 60 "$dir" || failed=$?
exit "$failed"
