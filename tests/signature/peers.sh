#!/bin/sh
# Signatures and chains against other implementations, both ways: what they sign is believed here,
# what is signed here is believed there, and what was changed on its way is believed by nobody.
# python3-dkim signs, verifies and seals; opendkim verifies, and its tool still signs with SHA-1, which
# must be refused. A peer that is not installed is named and left out; without any the test is skipped.
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/../..}
tool=${PENNYPOST_TOP_BUILDDIR:-.}/signature_tool
python=/usr/bin/python3
dir=$(mktemp -d "${TMPDIR:-/tmp}/pennypost-test.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
PATH=$PATH:/usr/sbin
passed=0 failed=0

is() { # is NAME WANTED GOT...: the first word of what was got
	name=$1 wanted=$2
	shift 2
	if [ "${1%%[; ]*}" = "$wanted" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $name: wanted $wanted, got $*"
	fi
}

"$tool" key rsa "$dir/rsa.pem" >"$dir/rsa.record" && "$tool" key ed25519 "$dir/ed25519.pem" >"$dir/ed25519.record" || {
	echo "0 passed, 1 failed"
	exit 1
}
for domain in example.org lists.example.net; do
	for algorithm in rsa ed25519; do
		echo "$algorithm._domainkey.$domain $(cat "$dir/$algorithm.record")"
	done
done >"$dir/records"

# Letters that try the rules: folds, blanks at line ends, empty lines, long lines, no body, repeated fields.
header='From: Anna <anna@example.org>\r\nTo: bert@example.net,\r\n\t carl@example.net \r\nSubject:   two  words \r\n \r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.org>\r\n'
# shellcheck disable=SC2059 # the header is the format
{
	printf "$header\r\nHello  Bert, \r\n\r\n\tbye\t \r\n\r\n\r\n" >"$dir/letter.1"
	printf "$header\r\n" >"$dir/letter.2"
	printf "$header\r\n\r\n \r\n\r\n" >"$dir/letter.3"
	printf "Received: from a by b\r\nReceived: from b by c\r\nReply-To:\r\n$header\r\n.\r\n..\r\n%02000d\r\n" 7 >"$dir/letter.4"
}
# changed FILE: the same letter with other words in its Subject
changed() {
	sed 's/two  words/three words/' "$1"
}

peer=0
if $python -c 'import dkim, nacl, authres' 2>/dev/null; then
	peer=1
	ask() { $python "$top/tests/signature/peer.py" "$@"; }
	for letter in 1 2 3 4; do
		for canon in rr rs sr ss; do
			for algorithm in rsa ed25519; do
				name="letter $letter, $canon, $algorithm"
				set -- "$dir/records" $canon example.org $algorithm "$dir/$algorithm.pem"
				ask sign "$@" <"$dir/letter.$letter" >"$dir/theirs"
				is "theirs: $name" pass "$("$tool" dkim "$dir/records" <"$dir/theirs")"
				is "theirs, changed: $name" fail "$(changed "$dir/theirs" | "$tool" dkim "$dir/records")"
				[ $letter = 1 ] || continue
				"$tool" sign "$@" <"$dir/letter.$letter" >"$dir/ours"
				is "ours: $name" pass "$(ask dkim "$dir/records" <"$dir/ours" 2>&1)"
				is "ours, changed: $name" fail "$(changed "$dir/ours" | ask dkim "$dir/records" 2>&1)"
			done
		done
	done
	for letter in 2 3 4; do
		"$tool" sign "$dir/records" rs example.org rsa "$dir/rsa.pem" example.org ed25519 "$dir/ed25519.pem" \
			<"$dir/letter.$letter" >"$dir/ours"
		is "ours, two keys: letter $letter" pass "$(ask dkim "$dir/records" <"$dir/ours" 2>&1)"
	done

	# l=: the whole body is covered, then somebody adds to it
	ask sign "$dir/records" rs example.org rsa "$dir/rsa.pem" length <"$dir/letter.4" >"$dir/theirs"
	is "theirs with l=" pass "$("$tool" dkim "$dir/records" <"$dir/theirs")"
	printf 'buy now\r\n' >>"$dir/theirs"
	is "theirs with l=, made longer" fail "$("$tool" dkim "$dir/records" <"$dir/theirs")"

	# a chain of four hops, every second one ours
	cp "$dir/letter.1" "$dir/chain"
	is "no chain" none "$("$tool" arc "$dir/records" <"$dir/chain")"
	for hop in 1 2 3 4; do
		set -- "$dir/records" lists.example.net rsa "$dir/rsa.pem"
		if [ $((hop % 2)) = 1 ]; then
			"$tool" seal "$@" <"$dir/chain" >"$dir/longer"
		else
			ask seal "$@" <"$dir/chain" >"$dir/longer"
		fi
		mv "$dir/longer" "$dir/chain"
		is "chain of $hop here" pass "$("$tool" arc "$dir/records" <"$dir/chain")"
		is "chain of $hop there" pass "$(ask arc "$dir/records" <"$dir/chain" 2>&1)"
		is "chain of $hop, changed, here" fail "$(changed "$dir/chain" | "$tool" arc "$dir/records")"
		is "chain of $hop, changed, there" fail "$(changed "$dir/chain" | ask arc "$dir/records" 2>&1 | tail -n 1)"
	done
else
	echo "skipped: python3-dkim with python3-nacl and python3-authres is not installed"
fi

if command -v opendkim >/dev/null && command -v opendkim-testmsg >/dev/null; then
	peer=1
	printf 'Mode v\nSyslog no\nTestPublicKeys %s\n' "$dir/records" >"$dir/opendkim.conf"
	# Its test mode reads messages as they lie in files and prints what the milter would add.
	verdict() {
		tr -d '\r' >"$dir/message"
		opendkim -vv -x "$dir/opendkim.conf" -t "$dir/message" 2>&1 |
			sed -n 's/.*[^a-z]dkim=\([a-z]*\).*/\1/p' | head -n 1
	}
	for letter in 1 2 4; do
		# that mode puts one blank behind every colon, which simple canonicalisation sees
		sed 's/^Subject:  */Subject: /; s/^Reply-To:/& dora@example.org/' "$dir/letter.$letter" >"$dir/letter"
		for canon in rr rs sr ss; do
			"$tool" sign "$dir/records" $canon example.org rsa "$dir/rsa.pem" <"$dir/letter" >"$dir/ours"
			is "ours by opendkim: letter $letter, $canon" pass "$(verdict <"$dir/ours")"
			is "ours by opendkim, changed: letter $letter, $canon" fail "$(changed "$dir/ours" | verdict)"
		done
	done
	tr -d '\r' <"$dir/letter.1" | opendkim-testmsg -d example.org -s rsa -k "$dir/rsa.pem" >"$dir/theirs"
	is "SHA-1 by opendkim" permerror "$("$tool" dkim "$dir/records" <"$dir/theirs")"
else
	echo "skipped: opendkim with opendkim-tools is not installed"
fi

[ $peer = 1 ] || exit 77
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
