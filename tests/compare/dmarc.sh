#!/bin/sh
# DMARC beside OpenDMARC's library; see dmarc.py.
for python in /usr/bin/python3 python3; do
	"$python" -c 'import dkim' 2>/dev/null && break
done
exec "$python" "${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/../..}/tests/compare/dmarc.py"
