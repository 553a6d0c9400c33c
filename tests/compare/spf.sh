#!/bin/sh
# The vectors of tests/unit/mail/spf.vectors against another implementation, python3-spf of Debian:
# what both say is not our private opinion. Skipped where that package is missing.
set -u
top=${PENNYPOST_TOP_SRCDIR:-$(dirname "$0")/../..}
for python in python3 /usr/bin/python3; do
	"$python" -c 'import spf' 2>/dev/null && break
	python=
done
[ -n "$python" ] || {
	echo "spf: python3-spf is not installed; nothing to compare with"
	exit 77
}
exec "$python" - "$top/tests/unit/mail/spf.vectors" <<'END'
import ipaddress, re, sys
import spf

zone = []


def bytes_of(text):
    return re.sub(rb'\\x(..)', lambda m: bytes([int(m[1], 16)]), text.encode())


def lookup(name, qtype, strict=True, timeout=None, **more):
    """What pyspf asks the DNS for: a list of ((name, type), value)."""
    name = str(name).lower().rstrip('.')
    found = []
    for owner, kind, data in zone:
        if bytes_of(owner).decode('utf-8', 'replace').lower() != name:
            continue
        if kind == 'FAIL':
            raise spf.TempError('DNS: no answer')
        if kind != qtype:
            continue
        if kind == 'MX':
            preference, host = data.split(' ')
            found.append(((name, qtype), (int(preference), host.rstrip('.'))))
        elif kind == 'TXT':
            found.append(((name, qtype), (bytes_of(data),)))
        elif kind == 'AAAA':
            found.append(((name, qtype), ipaddress.IPv6Address(data).packed))
        else:
            found.append(((name, qtype), data))
    return found


spf.DNSLookup = lookup
spf.MAX_VOID_LOOKUPS = 2
run = wrong = differing = 0


def judge(line, differs, ip, helo, sender, wanted):
    global run, wrong, differing
    run += 1
    try:
        got = spf.check2(i=ip, s=sender, h=helo, querytime=0)[0]
    except Exception as trouble:
        got = 'exception %r' % trouble
    if differs:
        differing += got != wanted
        if got == wanted:
            wrong += 1
            print('no longer differs: ' + line)
    elif got != wanted:
        wrong += 1
        print('%s\n  gives %s' % (line, got))


for line in open(sys.argv[1], encoding='utf-8'):
    text, _, differs = line.rstrip('\n').partition(' #differs')
    word, _, rest = text.partition(' ')
    if word == 'section':
        zone = []
    elif word == 'zone':
        zone.append(rest.split(' ', 2) + ([''] if rest.count(' ') < 2 else []))
    elif word == 'record':
        record, ip, wanted = (rest.split(' | ') + [''])[:3]
        zone.append(['t.test', 'TXT', record])
        judge(line.rstrip(), differs, ip.strip(), 'h.test', 'anna@t.test', wanted.strip())
        zone.pop()
    elif word == 'query':
        who, wanted = rest.split(' | ')[:2]
        ip, helo, sender = who.split(' ')
        sender = '' if sender == '<>' else bytes_of(sender).decode()
        judge(line.rstrip(), differs, ip, helo, sender, wanted.strip())
print('%d passed, %d failed (%d differ for a reason)' % (run - wrong, wrong, differing))
sys.exit(wrong > 0 or run < 200)
END
