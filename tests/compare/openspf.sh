#!/bin/sh
# The public test suite of SPF; see openspf.py. Of Debian's Python, which has the packages.
for python in /usr/bin/python3 python3; do
	"$python" -c 'import yaml' 2>/dev/null && break
done
exec "$python" "${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/../..}/tests/compare/openspf.py"
