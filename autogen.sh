#!/bin/sh
# Makes configure and the Makefile.in of a fresh clone. Names what is missing before autoconf would
# stumble over it.
set -eu
cd "$(dirname "$0")"
missing=
for pair in autoconf:autoconf automake:automake pkg-config:pkg-config; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
	echo "autogen.sh: install first: apt-get install$missing" >&2
	exit 1
fi
exec autoreconf -fi
