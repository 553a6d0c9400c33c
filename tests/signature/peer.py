"""The other side of tests/signature/peers.sh: python3-dkim with the same key records.

peer.py sign RECORDS CANON DOMAIN SELECTOR KEY [length]   peer.py dkim RECORDS
peer.py seal RECORDS DOMAIN SELECTOR KEY                  peer.py arc RECORDS
"""
import base64
import sys

import dkim

command, records, *rest = sys.argv[1:]
message = sys.stdin.buffer.read()
rows = dict(line.rstrip("\n").split(" ", 1) for line in open(records, encoding="ascii"))


def dns(name, timeout=5):
    return rows.get((name.decode() if isinstance(name, bytes) else name).rstrip("."), "").encode()


def key(name):
    """PEM for RSA, the bare seed for Ed25519."""
    pem = open(name, "rb").read()
    der = base64.b64decode(b"".join(pem.split(b"\n")[1:-2]))
    if len(der) < 64:
        return base64.b64encode(der[-32:]), b"ed25519-sha256"
    return pem, b"rsa-sha256"


if command == "sign":
    canon, domain, selector, name, *length = rest
    private, algorithm = key(name)
    words = {"r": b"relaxed", "s": b"simple"}
    field = dkim.sign(message, selector.encode(), domain.encode(), private,
                      canonicalize=(words[canon[0]], words[canon[1]]),
                      signature_algorithm=algorithm, length=bool(length))
    sys.stdout.buffer.write(field + message)
elif command == "dkim":
    count = sum(line.lower().startswith(b"dkim-signature:") for line in message.splitlines())
    verdicts = [dkim.DKIM(message).verify(idx=i, dnsfunc=dns) for i in range(count)]
    print("pass" if verdicts and all(verdicts) else "fail")
elif command == "seal":
    domain, selector, name = rest
    # what it found before itself would be read as a finding of today
    before = b"Authentication-Results:"
    message = b"".join(x for x in message.splitlines(True) if not x.startswith(before))
    message = b"Authentication-Results: " + domain.encode() + b"; spf=pass smtp.mailfrom=a@b.example; " \
        + b"arc=" + dkim.arc_verify(message, dnsfunc=dns)[0] + b"\r\n" + message
    fields = dkim.arc_sign(message, selector.encode(), domain.encode(), key(name)[0], domain.encode())
    sys.stdout.buffer.write(b"".join(fields) + message)
elif command == "arc":
    print(dkim.arc_verify(message, dnsfunc=dns)[0].decode())
