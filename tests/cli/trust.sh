#!/bin/sh
# pennypost test spf, dkim, arc, dmarc against a DNS server of our own: the first word, the exit code,
# the JSON; without bootstrap file and database. Signatures are python3-dkim's, where it is installed.
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/../..}
build=${PENNYPOST_TOP_BUILDDIR:-.}
pennypost=$build/pennypost
dir=$(mktemp -d) || exit 99
server=
trap 'exec 9>&-; [ -z "$server" ] || wait "$server"; rm -rf "$dir"' EXIT
PENNYPOST_CONF=$dir/absent.conf
export PENNYPOST_CONF
. "$top/tests/says.sh"

# ---- a key, a message and its signature
python=
for candidate in python3 /usr/bin/python3; do
	"$candidate" -c 'import dkim' 2>/dev/null && python=$candidate && break
done
printf 'From: Anna <anna@mail.signed.test>\r\nTo: bert@t.test\r\nSubject: Hello\r\n\r\nHello Bert\r\n' >"$dir/plain"
key=
if [ -n "$python" ]; then
	openssl genrsa -traditional -out "$dir/key" 2048 2>/dev/null
	key=$(openssl rsa -in "$dir/key" -pubout -outform DER 2>/dev/null | openssl base64 -A)
	"$python" - "$dir" <<'END'
import sys
import dkim
folder = sys.argv[1] + '/'
message, key = open(folder + 'plain', 'rb').read(), open(folder + 'key', 'rb').read()
signed = dkim.sign(message, b's1', b'signed.test', key) + message
open(folder + 'signed', 'wb').write(signed)
open(folder + 'changed', 'wb').write(signed.replace(b'Hello Bert', b'Hello Carl'))
END
fi

# ---- the zone
cat >"$dir/zone" <<END
t.test            TXT v=spf1 ip4:192.0.2.1 a:mail.t.test -all exp=why.t.test
mail.t.test       A 192.0.2.2
mail.t.test       AAAA 2001:db8::2
why.t.test        TXT %{i} may not send for %{d}
soft.test         TXT v=spf1 ~all
open.test         TXT v=spf1 ?all
ill.test          TXT v=spf1 nonsense
down.test         ! servfail
_dmarc.t.test     TXT v=DMARC1; p=quarantine
_dmarc.signed.test TXT v=DMARC1; p=none; sp=reject
_dmarc.ill.test   TXT v=DMARC1; p=maybe
_dmarc.down.test  ! servfail
s1._domainkey.signed.test TXT v=DKIM1; k=rsa; p=$key
END
mkfifo "$dir/until"
"$build/dns_server" "$dir/zone" <"$dir/until" >"$dir/port" &
server=$!
exec 9>"$dir/until"
tries=0
until [ -s "$dir/port" ] || [ $((tries += 1)) -gt 1200 ]; do sleep 0.1; done
dns=127.0.0.1:$(sed -n 's/^port //p' "$dir/port")

# first CODE WORD COMMAND...: exit code and first word of an answer; the same result as JSON.
first() {
	code=$1 word=$2
	shift 2
	[ -e "$dir/in" ] || : >"$dir/in"
	"$pennypost" test "$@" --dns "$dns" <"$dir/in" >"$dir/out" 2>"$dir/err"
	says "exit code of test $*" "$code" $?
	says "first word of test $*" "$word" "$(sed -n '1s/ .*//p' "$dir/out")"
	"$pennypost" --json test "$@" --dns "$dns" <"$dir/in" >"$dir/json" 2>/dev/null
	says "result in JSON of test $*" "$word" \
		"$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["result"])' "$dir/json" 2>&1)"
}

# ---- SPF
first 0 pass spf 192.0.2.1 h.test anna@t.test
first 0 pass spf 192.0.2.2 h.test '<anna@T.Test>'
first 0 pass spf 2001:db8::2 h.test anna@t.test
first 0 pass spf 192.0.2.1 t.test '<>'
first 0 pass spf ::ffff:192.0.2.1 t.test ''
first 0 fail spf 192.0.2.9 h.test anna@t.test
says 'a fail is explained' yes "$(grep -q 'explained as: 192.0.2.9 may not send for t.test' "$dir/out" && echo yes)"
first 0 softfail spf 192.0.2.9 h.test anna@soft.test
first 0 neutral spf 192.0.2.9 h.test anna@open.test
first 0 none spf 192.0.2.9 h.test anna@absent.test
first 0 permerror spf 192.0.2.9 h.test anna@ill.test
first 0 temperror spf 192.0.2.9 h.test anna@down.test

# ---- messages without signatures
cp "$dir/plain" "$dir/in"
first 0 none dkim
first 0 none arc
first 0 fail dmarc
printf 'From: anna@t.test\n\nHello\n' >"$dir/in"
first 0 pass dmarc --ip 192.0.2.1 --helo h.test --mail-from anna@t.test
first 0 fail dmarc --ip 192.0.2.9 --helo h.test --mail-from anna@t.test
first 0 fail dmarc
printf 'From: anna@absent.test\n\nHello\n' >"$dir/in"
first 0 none dmarc
printf 'From: anna@ill.test\n\nHello\n' >"$dir/in"
first 0 permerror dmarc
printf 'From: anna@down.test\n\nHello\n' >"$dir/in"
first 0 temperror dmarc
printf 'From: anna@t.test\nFrom: bert@t.test\n\nHello\n' >"$dir/in"
first 0 permerror dmarc

# ---- messages with signatures
if [ -n "$python" ]; then
	cp "$dir/signed" "$dir/in"
	first 0 pass dkim
	first 0 pass dmarc
	cp "$dir/changed" "$dir/in"
	first 0 fail dkim
	first 0 fail dmarc
	says 'the policy below a domain is that for subdomains' yes "$(grep -q 'wish reject' "$dir/out" && echo yes)"
else
	echo "trust: python3-dkim is not installed; no signatures were judged"
fi

# ---- wrong calls
wrong() { # wrong CODE COMMAND...
	code=$1
	shift
	"$pennypost" test "$@" <"$dir/in" >"$dir/out" 2>"$dir/err"
	says "exit code of test $*" "$code" $?
	says "silent: test $*" '' "$(cat "$dir/out")"
}
wrong 64 spf 192.0.2 h.test anna@t.test --dns "$dns"
wrong 64 spf 192.0.2.1 h.test
wrong 64 spf 192.0.2.1 h.test anna@t.test --dns ns.test:53
wrong 64 dmarc --helo h.test --dns "$dns"
: >"$dir/in"
wrong 65 dkim --dns "$dns"

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
