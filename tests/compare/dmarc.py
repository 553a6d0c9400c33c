"""DMARC by `pennypost test dmarc` and by OpenDMARC's library (libopendmarc2 of Debian): the same records, authors, results of SPF
and signatures, all combinations of them. Where the two do not agree, why_not() tells why we do not follow."""
import ctypes
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("PENNYPOST_TOP_BUILDDIR") or ".").resolve()
SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"
ABSENT, PASS, REJECT, QUARANTINE, NONE = 14, 15, 16, 17, 18
ALIGNED = 4

try:
	import dkim
	other = ctypes.CDLL("libopendmarc.so.2")
	other.opendmarc_policy_connect_init.restype = ctypes.c_void_p
except (ImportError, OSError):
	print("dmarc: libopendmarc2 or python3-dkim is not installed; nothing to compare with")
	sys.exit(77)

# What is published for the author's domain, and for the organisation's where that is another one.
RECORDS = {
	"reject": "v=DMARC1; p=reject",
	"quarantine": "v=DMARC1; p=quarantine; pct=100",
	"nothing": "v=DMARC1; p=none; rua=mailto:a@example.org",
	"strict": "v=DMARC1;p=reject;adkim=s;aspf=s",
	"strict-spf": "v=DMARC1; p=reject; aspf=s",
	"strict-dkim": "v=DMARC1; p=reject; adkim=s",
	"parted": "v=DMARC1; p=none; sp=quarantine",
	"parted-other": "v=DMARC1 ; p = reject ; sp = none",
	"unknown-tag": "v=DMARC1; p=reject; x-new=1",
	"upper": "v=DMARC1; P=REJECT",
	"no-policy": "v=DMARC1; rua=mailto:a@example.org",
	"bad-policy": "v=DMARC1; p=maybe",
	"none-at-all": "v=spf1 -all",
}
AUTHORS = ("example.org", "mail.example.org", "shop.co.uk", "mail.shop.co.uk")
# Of the author's organisation: itself, a host below it, somebody else, a neighbour, nothing that passes.
IDENTIFIERS = ("same", "below", "other", "fails", "absent")


def organisation(author):
	return ".".join(author.split(".")[-3 if author.endswith(".co.uk") else -2:])


def why_not(record, author, spf, signer):
	"""Why we see it otherwise than OpenDMARC 1.4; None: we do not."""
	if record == "no-policy":
		return "RFC 7489 6.6.3 makes it a p=none when it has an rua="
	if record.startswith("strict") and author == organisation(author) and "below" in (spf, signer):
		return "strict alignment wants the domain itself (RFC 7489 3.1.1), it takes hosts below it as well"
	return None


def domain_of(word, author):
	return {"same": author, "below": "bounce." + organisation(author), "other": "elsewhere.net", "fails": author}[word]


def octets(text):
	return ctypes.c_char_p(text.encode())


def theirs(record, author, spf, signer):
	"""Result and wish, as we call them."""
	p = ctypes.c_void_p(other.opendmarc_policy_connect_init(octets("192.0.2.1"), 0))
	other.opendmarc_policy_store_from_domain(p, octets(author))
	if spf != "absent":
		other.opendmarc_policy_store_spf(p, octets(domain_of(spf, author)), 2 if spf == "fails" else 1, 1, None)
	if signer != "absent":
		other.opendmarc_policy_store_dkim(p, octets(domain_of(signer, author)), octets("s"), 2 if signer == "fails" else 1, None)
	kind = 1
	if record.startswith("v=DMARC1"):
		kind = other.opendmarc_policy_store_dmarc(p, octets(record), octets(author),
			None if organisation(author) == author else octets(organisation(author)))
	if kind:
		other.opendmarc_policy_connect_shutdown(p)
		return ("none" if not record.startswith("v=DMARC1") else "permerror"), "none"
	word = other.opendmarc_get_policy_to_enforce(p)
	other.opendmarc_policy_connect_shutdown(p)
	return {PASS: ("pass", "none"), REJECT: ("fail", "reject"), QUARANTINE: ("fail", "quarantine"), NONE: ("fail", "none"),
		ABSENT: ("none", "none")}.get(word, (f"word {word}", ""))


class Ours:
	def __init__(self, folder):
		self.key = folder / "key"
		subprocess.run(["openssl", "genrsa", "-traditional", "-out", self.key, "1024"], check=True, stderr=subprocess.DEVNULL)
		der = subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-outform", "DER"], check=True,
			stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
		import base64
		public = base64.b64encode(der).decode()
		zone = folder / "zone"
		rows = ['elsewhere.net TXT "v=spf1 ip4:192.0.2.1 -all"']
		domains = {"elsewhere.net"}
		for author in AUTHORS:
			domains |= {author, "bounce." + organisation(author)}
		for d in sorted(domains):
			rows.append(f'{d} TXT "v=spf1 ip4:192.0.2.1 -all"')
			rows.append(f's._domainkey.{d} TXT "v=DKIM1; k=rsa; p={public}"')
		self.base = "\n".join(dict.fromkeys(rows)) + "\n"
		self.zone = zone
		self.signed = {}

	def serve(self, record):
		self.zone.write_text(self.base + "".join(f'_dmarc.{o} TXT "{record}"\n' for o in {organisation(a) for a in AUTHORS}))
		self.server = subprocess.Popen([BUILD / "dns_server", self.zone], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
		self.port = int(self.server.stdout.readline().split()[1])

	def close(self):
		self.server.communicate()

	def message(self, author, signer):
		if (author, signer) not in self.signed:
			m = f"From: anna@{author}\r\nSubject: x\r\n\r\nHello\r\n".encode()
			if signer != "absent":
				m = dkim.sign(m, b"s", domain_of(signer, author).encode(), self.key.read_bytes()) + m
			self.signed[author, signer] = m.replace(b"Hello", b"Bye") if signer == "fails" else m
		return self.signed[author, signer]

	def judge(self, author, spf, signer):
		words = []
		if spf != "absent":
			words = ["--ip", "192.0.2.9" if spf == "fails" else "192.0.2.1", "--helo", "h.elsewhere.net", "--mail-from",
				f"anna@{domain_of(spf, author)}"]
		got = subprocess.run([BUILD / "pennypost", "--json", "test", "dmarc", *words, "--dns", f"127.0.0.1:{self.port}"],
			input=self.message(author, signer), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		said = json.loads(got.stdout) if got.stdout else {"result": got.stderr.decode(), "wish": ""}
		return said["result"], said["wish"]


if other.opendmarc_tld_read_file(octets(SUFFIXES), octets("//"), octets("*."), octets("!")) != 0:
	print(f"dmarc: {SUFFIXES} cannot be read; nothing to compare with")
	sys.exit(77)
passed = failed = differing = 0
with tempfile.TemporaryDirectory() as folder:
	us = Ours(pathlib.Path(folder))
	for name, record in RECORDS.items():
		us.serve(record)
		for author, spf, signer in itertools.product(AUTHORS, IDENTIFIERS, IDENTIFIERS):
			here, there = us.judge(author, spf, signer), theirs(record, author, spf, signer)
			same = here == there
			if not same and why_not(name, author, spf, signer):
				differing += 1
				same = True
			passed += same
			failed += not same
			if not same:
				print(f"{name}: {author}, SPF {spf}, signature {signer}: {here} here, {there} there")
		us.close()
print(f"{passed} passed, {failed} failed ({differing} differ for a reason)")
sys.exit(failed > 0 or passed < 1000)
