#!/bin/bash
# README, "Installing for real", line by line as it stands there: what is built is installed under a folder of the test, the
# database is made by its commands on a PostgreSQL of the test, the installed programs serve, a mail comes in and is read.
# What is not walked: Debian's packages and the service manager; the unit's own line starts the server instead.
#
# As root it has a network of its own where there may be one, and then the very ports of the README.
set -u
top=${PENNYPOST_TOP_SRCDIR:?}
build=${PENNYPOST_TOP_BUILDDIR:?}
if [ "$(id -u)" = 0 ] && [ -z "${PENNYPOST_TEST_NET:-}" ] && unshare --net true 2>/dev/null; then
	PENNYPOST_TEST_NET=own exec unshare --net -- "${BASH_SOURCE[0]}"
fi
. "$top/tests/says.sh"
where=/tmp
[ ! -w /dev/shm ] || where=/dev/shm
dir=$(mktemp -d "${TMPDIR:-$where}/pennypost-install.XXXXXX") || exit 99
chmod 755 "$dir"
root=$dir/root
server=
finish() {
	[ -z "$server" ] || kill -TERM "$server" 2>/dev/null
	"$top/contrib/private-pg" stop "$dir/pg"
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

free_ports() { # free_ports N
	PYTHONPATH=$top/tests/fault python3 -c "import place; print(*place.free_ports($1))"
}
if [ "${PENNYPOST_TEST_NET:-}" = own ]; then
	python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40)) # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING'
	pg_port=5432 ports='25 465 587 110 995 143 993 8080'
else
	ports=$(free_ports 9)
	pg_port=${ports##* } ports=${ports% *}
fi
read -r smtp smtps submission pop3 pop3s imap imaps http <<<"$ports"
lines=$("$top/contrib/private-pg" start "$dir/pg" fast tcp "$pg_port") || exit 99
eval "$lines"

# Block N of the section goes to $dir/N, without its indentation and comments behind commands.
awk -v to="$dir/" '
	/^## / { inside = /^## Installing for real/ }
	!inside { next }
	/^ *```/ { open = !open; if (open) n++; next }
	open { sub(/^   /, ""); print >(to n) }' "$top/README.md"
says 'the section has three blocks: build, database, post office' '1 2 3' "$(cd "$dir" && echo [0-9]*)"

# What a person has around: a clone, the superuser of PostgreSQL, programs in PATH, the folders of the system.
user=nobody
[ "$(id -u)" = 0 ] || user=
mkdir "$dir/clone"
printf '#!/bin/sh\n' >"$dir/clone/autogen.sh"
cat >"$dir/clone/configure" <<END
#!/bin/sh
printf 'all install:\\n\\tenv -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \$(MAKE) -s -C "$build" \$@ DESTDIR="$root"\\n' >Makefile
END
chmod 755 "$dir/clone/autogen.sh" "$dir/clone/configure"
cat >"$dir/around" <<END
set -eo pipefail
export PATH="$root/usr/local/bin:$root/usr/local/sbin:\$PATH:/usr/sbin:/sbin"
export PENNYPOST_CONF="$dir/etc/pennypost/pennypost.conf"
unset MAKEFLAGS MFLAGS MAKELEVEL
systemd-sysusers() { command systemd-sysusers --root="$root"; }
runuser() { shift 3; "\$@"; } # -u postgres --
psql() { command psql -qX "$PG_SUPERURI" "\$@"; }
END
walk() { # walk WHAT: runs the shell lines on standard input, in the clone; what they said is in $dir/said
	local result
	sed -e "s|/etc/pennypost|$dir/etc/pennypost|g; s|/var/lib/pennypost|$dir/state|g" \
		-e "s|@localhost/|@localhost:$pg_port/|; s|--user pennypost |${user:+--user $user }|" >"$dir/lines"
	cat "$dir/around" "$dir/lines" >"$dir/script"
	(cd "$dir/clone" && bash "$dir/script") >"$dir/said" 2>&1 </dev/null
	result=$?
	says "$1: exit code" 0 $result
	[ $result -eq 0 ] || tail -n 8 "$dir/said" | sed 's/^/    /'
}

# ---- build and install
if command -v systemd-sysusers >/dev/null; then
	mkdir -p "$root/etc"
	walk 'make install' <"$dir/1"
	says 'the user pennypost is made' pennypost "$(sed -n 's/^\(pennypost\):.*/\1/p' "$root/etc/passwd")"
else
	echo 'skip whether systemd-sysusers makes the user: needs systemd'
	grep -v '^systemd-sysusers' "$dir/1" | walk 'make install'
fi
# Everything that the README says is there.
for name in sbin/pennypostd bin/pennypost share/man/man1/pennypost.1 share/man/man8/pennypostd.8 \
	share/man/man5/pennypost.conf.5 share/man/man5/pennypost-settings.5 lib/systemd/system/pennypost.service; do
	says "$name is installed" yes "$([ -s "$root/usr/local/$name" ] && echo yes || echo no)"
done
for name in pennypost _pennypost; do # for bash, for zsh
	says "the completion $name is installed" yes "$(find "$root/usr/local" -path "*complet*/$name" -o \
		-path "*site-functions/$name" | grep -q . && echo yes || echo no)"
done

# ---- database
walk 'the database' <"$dir/2"
says 'the role of the one call is gone' '' "$(psql -XAt "$PG_SUPERURI" -c "select rolname from pg_roles where rolname = 'setup'")"
echo "logs = $dir/logs" >>"$dir/etc/pennypost/pennypost.conf"
mkdir -p "$dir/logs"
if [ "${PENNYPOST_TEST_NET:-}" != own ]; then
	walk 'ports of the test' <<-END
		pennypost settings set smtp_listen 127.0.0.1:$smtp
		pennypost settings set submission_listen 127.0.0.1:$submission
		pennypost settings set submissions_listen 127.0.0.1:$smtps
		pennypost settings set pop3_listen 127.0.0.1:$pop3
		pennypost settings set pop3s_listen 127.0.0.1:$pop3s
		pennypost settings set imap_listen 127.0.0.1:$imap
		pennypost settings set imaps_listen 127.0.0.1:$imaps
		pennypost settings set http_listen 127.0.0.1:$http
	END
fi

# ---- certificates
certificates=$dir/etc/pennypost/certificates
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout "$certificates/default.key" -out "$certificates/default.crt" 2>/dev/null
[ -z "$user" ] || chgrp "$(id -g "$user")" "$certificates/default.key"
chmod 640 "$certificates/default.key"

# ---- start
walk 'pennypostd --check' <<<'pennypostd --check'
start=$(sed -n 's/^ExecStart=//p' "$root/usr/local/lib/systemd/system/pennypost.service")
PENNYPOST_CONF=$dir/etc/pennypost/pennypost.conf "$root$start" >"$dir/log" 2>&1 </dev/null &
server=$!
ready() {
	curl -fs -o /dev/null "http://127.0.0.1:$http/readyz"
}
until ready || ! kill -0 "$server" 2>/dev/null; do
	sleep 0.1
done
says "the unit's line starts the server" yes "$(ready && echo yes || grep -v level=info "$dir/log" | tail -n 3)"
for port in "$smtp" "$submission" "$smtps" "$pop3" "$pop3s" "$imap" "$imaps" "$http"; do
	says "port $port is served" yes "$( (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && echo yes)"
done

# ---- the first post office
walk 'the first post office' <"$dir/3"
password=$(sed -n 's/^The mailbox anna@acme is made; its password is \(.*\) (shown only now).$/\1/p' "$dir/said")
says 'passwords are made and shown' 2 "$(grep -c 'password.* is [^ ]* (shown only now)' "$dir/said")"
said() { # said WHAT WANTED COMMAND ...: asked again, since a setting is followed within two seconds
	local what=$1 wanted=$2 tries=400 got
	shift 2
	until got=$("$@" 2>&1) && [ "$got" = "$wanted" ] || [ $tries -eq 0 ]; do
		tries=$((tries - 1))
		sleep 0.3
	done
	says "$what" "$wanted" "$got"
}
greeting() {
	(exec 3<>"/dev/tcp/127.0.0.1/$smtp" && read -r -t 60 line <&3 && set -- $line && echo "$1 $2")
}
said 'local_domain greets' '220 mail.example.org' greeting
printf 'From: bert@example.com\r\nSubject: for real\r\n\r\nHello\r\n' |
	curl -sS --url "smtp://localhost:$smtp/client.example.com" --mail-from bert@example.com \
		--mail-rcpt anna@example.org --upload-file - >"$dir/sent" 2>&1
says 'a mail comes in' 0 $?
fetched() { # fetched URL
	curl -sS --cacert "$certificates/default.crt" --url "$1" --user "anna@example.org:$password" |
		sed -n 's/^\(Subject: for real\)\r$/\1/p'
}
said 'and is read by POP3' 'Subject: for real' fetched "pop3s://localhost:$pop3s/1"
said 'and by IMAP' 'Subject: for real' fetched "imaps://localhost:$imaps/INBOX;MAILINDEX=1"

kill -TERM "$server"
wait "$server"
says 'it stops' 0 $?
server=
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
