#!/bin/sh
# systemd understands every line of the unit. Skipped where there is no systemd.
set -u
unit=${PENNYPOST_TOP_BUILDDIR:?}/contrib/systemd/pennypost.service
command -v systemd-analyze >/dev/null && [ -e "$unit" ] || exit 77
dir=$(mktemp -d "${TMPDIR:-/tmp}/pennypost-test.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/sbin"
printf '#!/bin/sh\n' >"$dir/sbin/pennypostd"
chmod 755 "$dir/sbin/pennypostd"
sed "s|^ExecStart=.*/sbin/|ExecStart=$dir/sbin/|" "$unit" >"$dir/pennypost.service"

# What it says of other units of this machine is not ours; of ours it must say nothing.
said=$(systemd-analyze verify --man=no --recursive-errors=no "$dir/pennypost.service" 2>&1)
result=$?
if [ $result -eq 0 ] && ! echo "$said" | grep -q 'pennypost\.service'; then
	echo "1 passed, 0 failed"
else
	echo "$said"
	echo "0 passed, 1 failed"
	exit 1
fi
