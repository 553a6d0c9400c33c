"""What the tests of reading clients stand on: a running instance, mailboxes of their own, a witness that
looks at a mailbox without a client's eyes, and checks that are counted.

The instance is known by the lines that contrib/quickstart --env-file wrote."""
import collections
import email
import email.message
import email.policy
import email.utils
import imaplib
import os
import pathlib
import re
import secrets
import shlex
import smtplib
import ssl
import subprocess
import tempfile
import time

imaplib._MAXLINE = 1 << 24

Message = collections.namedtuple("Message", "flags octets")


class Skipped(Exception):
	"""What a client needs is not to be had here."""


def letter(name, text="Hello.\r\n", subject=None):
	"""A message as it stands on the wire; `name` comes back in its Message-ID."""
	return (f"From: Anna <anna@demo.test>\r\nTo: Ben <ben@demo.test>\r\n"
		f"Date: {email.utils.formatdate(1767225600 + len(name))}\r\nMessage-ID: <{name}@demo.test>\r\n"
		f"Subject: {subject or name}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		f"Content-Transfer-Encoding: 8bit\r\n\r\n{text}").encode()


def rich(name, subject, plain, page, file_name, file):
	"""A message of a text, the same as a page, and a file, as mail programs write it."""
	said = email.message.EmailMessage(email.policy.SMTP)
	said["From"], said["To"], said["Subject"] = "Änne Grün <anna@demo.test>", "Ben <ben@demo.test>", subject
	said["Date"], said["Message-ID"] = email.utils.formatdate(1767225600), f"<{name}@demo.test>"
	said.set_content(plain, charset="iso-8859-1", cte="quoted-printable")
	said.add_alternative(page, subtype="html", cte="quoted-printable")
	said.add_attachment(file, "application", "octet-stream", filename=file_name)
	return said.as_bytes()


def read(octets):
	"""What mail programs would read of it: (subject, texts by type, files by name)."""
	said = email.message_from_bytes(octets, policy=email.policy.default)
	parts = [part for part in said.walk() if not part.is_multipart()]
	return (said["Subject"], {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in parts
		if not part.get_filename()}, {part.get_filename(): part.get_content() for part in parts if part.get_filename()})


def name_of(octets):
	"""The name that letter() gave it."""
	m = re.search(rb"^Message-ID:\s*<([^@>]*)@", octets, re.I | re.M)
	return m[1].decode() if m else None


def body_of(octets):
	"""Its lines behind the header, whatever the line ends."""
	return octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def wait_for(until, seconds=120.0, pause=0.05):
	"""What `until` gives once it is true; its last word when the time is over."""
	end = time.monotonic() + seconds
	while not (got := until()) and time.monotonic() < end:
		time.sleep(pause)
	return got


class Witness:
	"""Sees a mailbox by plain IMAP commands of its own."""

	def __init__(self, ground, box):
		self.imap = imaplib.IMAP4_SSL(ground.host, ground.imaps, ssl_context=ground.tls())
		self.imap.login(box.user, box.password)

	def _good(self, said):
		if said[0] != "OK":
			raise AssertionError(f"witness: {said}")
		return said[1]

	def folders(self):
		rows = self._good(self.imap.list())
		return sorted(row.rpartition(b' "/" ')[2].strip(b'"').decode() for row in rows if row)

	def create(self, name):
		self._good(self.imap.create(name))

	def add(self, folder, octets, flags=""):
		self._good(self.imap.append(folder, f"({flags})" if flags else None, None, octets))

	def look(self, folder="INBOX"):
		"""{uid: Message} of all that is there."""
		self._good(self.imap.select(folder, readonly=True))
		there = {}
		for row in self._good(self.imap.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")):
			if isinstance(row, tuple):
				flags = re.search(rb"FLAGS \(([^)]*)\)", row[0])[1].decode().split()
				there[int(re.search(rb"UID (\d+)", row[0])[1])] = Message(
					frozenset(f for f in flags if f != "\\Recent"), row[1])
		return there

	def names(self, folder="INBOX"):
		"""{letter's name: Message}; two with one name are an error."""
		rows = [(name_of(m.octets), m) for m in self.look(folder).values()]
		assert len(dict(rows)) == len(rows), f"doubled in {folder}: {[r[0] for r in rows]}"
		return dict(rows)

	def flags(self, folder="INBOX"):
		return {name: m.flags for name, m in self.names(folder).items()}

	def store(self, folder, name, sign, flags):
		"""By the letter's name."""
		uid = next(u for u, m in self.look(folder).items() if name_of(m.octets) == name)
		self._good(self.imap.select(folder))
		self._good(self.imap.uid("STORE", str(uid), f"{sign}FLAGS", f"({flags})"))

	def remove(self, folder, *names):
		for name in names:
			self.store(folder, name, "+", "\\Deleted")
		self._good(self.imap.expunge())

	def state(self):
		"""Of every folder, what changes with any change in it."""
		state = {}
		for name in self.folders():
			row = self._good(self.imap.status(name, "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"))
			state[name] = row[0].rpartition(b"(")[2]
		return state

	def close(self):
		self.imap.logout()


class Box:
	def __init__(self, ground, name):
		self.user, self.password = f"{name}@{ground.domain}", secrets.token_hex(8)
		ground.cli("mailbox", "add", f"{name}@{ground.postoffice}", "--password", "-",
			said=self.password + "\n")


class Ground:
	def __init__(self, env_file):
		env = dict(word.split("=", 1) for word in shlex.split(pathlib.Path(env_file).read_text()))
		self.host, self.ca = env["HOST"], env["CA_FILE"]
		self.imap, self.imaps = int(env["IMAP_PORT"]), int(env["IMAPS_PORT"])
		self.submission, self.smtps = int(env["SUBMISSION_PORT"]), int(env["SMTPS_PORT"])
		self.smtp = int(env["SMTP_PORT"])
		self.domain, self.postoffice, self.command = env["DOMAIN"], env["POSTOFFICE"], env["CLI"]

	def cli(self, *words, said=""):
		subprocess.run([self.command, *words], input=said, text=True, check=True,
			stdout=subprocess.DEVNULL)

	def tls(self):
		return ssl.create_default_context(cafile=self.ca)


class Stage:
	"""One client's test: a mailbox, a witness, a home folder, and what was found."""

	def __init__(self, ground, client):
		self.ground, self.client = ground, client
		self.passed = self.failed = self.skipped = 0
		self.lines = []
		self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"pennypost-{client}."))
		self.environment = os.environ | {"HOME": str(self.home), "TERM": "xterm", "LC_ALL": "C.UTF-8",
			"XDG_CONFIG_HOME": str(self.home), "TMPDIR": str(self.home)}
		self.log = b""

	def open(self):
		"""Not before the client is known to be here: mailboxes cost."""
		self.box = Box(self.ground, f"{self.client}-{secrets.token_hex(3)}")
		self.witness = Witness(self.ground, self.box)

	def check(self, what, good, detail=""):
		self.passed += bool(good)
		self.failed += not good
		if not good:
			self.lines.append(f"FAILED: {self.client}: {what}: {detail}")
			if self.log:
				self.lines += ["    " + line for line in
					self.log.decode(errors="replace").splitlines()[-25:]]
		return good

	def equal(self, what, got, wanted):
		return self.check(what, got == wanted, f"{got!r} instead of {wanted!r}")

	def run(self, *command, seconds=300, said=b"", **environment):
		"""Its output, or None when it failed; both outputs are kept for a failed check."""
		try:
			done = subprocess.run([str(c) for c in command], input=said, stdout=subprocess.PIPE,
				stderr=subprocess.PIPE, timeout=seconds, env=self.environment | environment, cwd=self.home)
		except subprocess.TimeoutExpired as late:
			self.log = (late.stdout or b"") + (late.stderr or b"") + b"\ndid not end"
			return None
		self.log = done.stdout[-4000:] + done.stderr[-4000:]
		return done.stdout if done.returncode == 0 else None

	def write(self, name, text, mode=0o600):
		path = self.home / name
		path.write_text(text)
		path.chmod(mode)
		return path

	def deliver(self, octets):
		"""By SMTP, as mail comes from outside."""
		with smtplib.SMTP(self.ground.host, self.ground.smtp) as smtp:
			smtp.sendmail("anna@demo.test", [self.box.user], octets)
