"""What a client says in one conversation of `pennypostd --stdio`, once for each protocol and each way to encrypt
it and to log on; all that was answered; and what must then be stored, however far it came.

A transcript ends at the first answer that is not the wanted one, which must be a refusal that tells the
client to come again: nothing else is true of a server that has no memory."""
import base64
import hashlib
import hmac
import os
import pathlib
import re
import secrets
import socket
import ssl
import subprocess

from mailing import raw_message
from place import BUILD, PASSWORD, TOP

SHIM = BUILD / "tests/fault/shim.so"
PRELOADED = {"LD_PRELOAD": str(SHIM), "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0",
	"LSAN_OPTIONS": f"suppressions={TOP / 'tests/fault/lsan.supp'}:print_suppressions=0"}
SILENCE = 120 # seconds without a word count as a hang
FAR = "far@elsewhere.invalid"


class Hang(Exception):
	pass


class Refused(Exception):
	pass


class Wrong(Exception):
	"""An answer that nobody may give for want of memory."""


class Stdio:
	"""One conversation; every line of the server is kept."""

	def __init__(self, place, name, service, **shim):
		ours, theirs = socket.socketpair()
		ours.settimeout(SILENCE)
		self.s, self.read = ours, ours.makefile("rb")
		self.said = []
		self.log = pathlib.Path(place.dir / f"stdio.{name}.log")
		with open(self.log, "wb") as log:
			self.process = subprocess.Popen([BUILD / "pennypostd", "--config", place.conf, "--stdio", service],
				stdin=theirs, stdout=theirs, stderr=log,
				env=place.environment | PRELOADED | shim)
		theirs.close()

	def secure(self):
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
		context.check_hostname = False
		context.verify_mode = ssl.CERT_NONE
		self.read.close()
		try:
			self.s = context.wrap_socket(self.s)
		except TimeoutError:
			raise Hang
		except OSError: # it ended, or says that it cannot
			raise EOFError
		self.read = self.s.makefile("rb")

	def line(self):
		try:
			got = self.read.readline()
		except TimeoutError:
			raise Hang
		except OSError: # it ended with something of ours unread
			got = b""
		if not got.endswith(b"\n"):
			raise EOFError
		self.said.append(got.decode(errors="replace").rstrip("\r\n"))
		return self.said[-1]

	def send(self, octets):
		try:
			self.s.sendall(octets)
		except TimeoutError:
			raise Hang
		except OSError:
			raise EOFError

	def end(self):
		"""Its exit code; a signal is negative."""
		self.read.close()
		self.s.close()
		try:
			return self.process.wait(SILENCE)
		except subprocess.TimeoutExpired:
			self.process.kill()
			self.process.wait()
			raise Hang


def scram(name):
	"""Of SCRAM-SHA-256 the client's first words, and what it answers to a challenge."""
	nonce = secrets.token_hex(9)
	first = f"n={name},r={nonce}".encode()

	def answer(challenge):
		parts = dict(p.split("=", 1) for p in challenge.decode().split(","))
		salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
		last = b"c=biws,r=" + parts["r"].encode()
		key = hmac.digest(salted, b"Client Key", "sha256")
		signed = hmac.digest(hashlib.sha256(key).digest(), b",".join((first, challenge, last)), "sha256")
		return last + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signed)))
	return b"n,," + first, answer


def coded(octets):
	return base64.b64encode(octets).decode()


class Transcript:
	"""One for each conversation."""
	tls = False # from the first octet
	note = "" # what tells it from others of its service
	# service; come_again: how a refusal looks that tells the client to; farewell

	def __init__(self, ground):
		self.ground = ground

	def run(self, c, name):
		"""Raises EOFError, Hang or Wrong; how far it came is noted."""
		if self.tls:
			c.secure()
		try:
			self.talk(c, name)
		except Refused as why:
			if not re.match(self.come_again, str(why)):
				raise Wrong(str(why))
			c.send(self.farewell)
			c.line()

	def want(self, said, wanted):
		if not said.startswith(wanted):
			raise Refused(said)
		return said

	def scram(self, c, begin, go_on, done):
		"""The exchange behind a command that takes the first words."""
		first, answer = scram(self.user)
		said = self.ask(c, begin + coded(first), go_on)
		said = self.ask(c, coded(answer(base64.b64decode(said[len(go_on):]))), go_on)
		self.ask(c, "", done)


class Smtp(Transcript):
	come_again = r"4\d\d 4\.\d\.\d+ |421 "
	farewell = b"QUIT\r\n"

	def ask(self, c, line, wanted="2"):
		c.send(line.encode() + b"\r\n" if isinstance(line, str) else line)
		while (said := c.line())[3:4] == "-":
			pass
		return self.want(said, wanted)

	def begin(self, c):
		self.want(c.line(), "220")
		self.ask(c, "EHLO client.fault.test")

	def recipients(self):
		return self.ground.mail.readers

	def envelope(self, c, sender, size):
		self.ask(c, f"MAIL FROM:<{sender}> SIZE={size}")
		for r in self.recipients():
			self.ask(c, f"RCPT TO:<{r}>")

	def expect(self, name):
		self.ground.mail.sent[name] = ["broken"]
		self.ground.far[name] = len(self.recipients()) - 2

	def take(self, c, name, octets, wanted="250"):
		"""What is answered to the end of a message is noted, whatever it is."""
		c.send(octets)
		said = c.line()
		self.ground.mail.sent[name] = [said]
		self.want(said, wanted)

	def data(self, c, name, sender):
		raw = raw_message(name, 3000).replace(b"sender@fault.test", sender.encode())
		self.expect(name)
		self.envelope(c, sender, 3000)
		self.ask(c, "DATA", "354")
		self.take(c, name, raw + b".\r\n")

	def chunks(self, c, name, sender):
		raw = raw_message(name, 3000).replace(b"sender@fault.test", sender.encode())
		self.expect(name)
		self.envelope(c, sender, 3000)
		self.ask(c, b"BDAT 1000\r\n" + raw[:1000])
		self.take(c, name, b"BDAT %d LAST\r\n" % len(raw[1000:]) + raw[1000:])


class Delivery(Smtp):
	service = "smtp"
	sender = "sender@fault.test"

	def talk(self, c, name):
		self.begin(c)
		self.ask(c, "VRFY postmaster")
		self.data(c, f"{name}.data", self.sender)
		self.ask(c, "QUIT")


class Submission(Smtp):
	service = "submission"

	def recipients(self):
		return [*self.ground.mail.readers, FAR]

	def talk(self, c, name):
		self.user = self.ground.mail.readers[0]
		self.begin(c)
		self.ask(c, "STARTTLS")
		c.secure()
		self.ask(c, "EHLO client.fault.test")
		self.ask(c, "AUTH PLAIN " + coded(f"\0{self.user}\0{PASSWORD}".encode()), "235")
		self.data(c, f"{name}.data", self.user)
		self.chunks(c, f"{name}.bdat", self.user)
		self.ask(c, "QUIT")


class Submissions(Submission):
	service, tls = "submissions", True

	def talk(self, c, name):
		self.user = self.ground.mail.readers[0]
		self.begin(c)
		self.scram(c, "AUTH SCRAM-SHA-256 ", "334 ", "235")
		self.chunks(c, f"{name}.bdat", self.user)
		self.ask(c, "QUIT")


class Pop3(Transcript):
	come_again = r"-ERR \[(SYS/TEMP|IN-USE)\] "
	farewell = b"QUIT\r\n"

	def ask(self, c, line, wanted="+OK"):
		c.send(line.encode() + b"\r\n")
		said = self.want(c.line(), wanted)
		if line.split()[:1] in (["CAPA"], ["UIDL"], ["TOP"], ["RETR"]):
			while c.line() != ".":
				pass
		return said

	def talk(self, c, name):
		self.user = self.ground.drops.pop()
		read = self.ground.read
		read[name] = (self.user, "broken")
		self.want(c.line(), "+OK")
		try:
			self.logon(c)
			for line in self.lines:
				self.ask(c, line)
		except Refused:
			read[name] = (self.user, "kept")
			raise
		try:
			self.ask(c, "QUIT")
		except Refused:
			read[name] = (self.user, "kept")
			raise
		read[name] = (self.user, "removed")


class Reading(Pop3):
	service = "pop3"
	lines = ("STAT", "UIDL", "TOP 1 0", "RETR 2", "DELE 1", "DELE 2")

	def logon(self, c):
		self.ask(c, "CAPA")
		self.ask(c, f"USER {self.user}")
		self.ask(c, f"PASS {PASSWORD}")


class ReadingStls(Pop3):
	service, note = "pop3", " behind STLS"
	lines = ("STAT", "RETR 1", "DELE 1", "DELE 2")

	def logon(self, c):
		self.ask(c, "STLS")
		c.secure()
		self.ask(c, "AUTH PLAIN " + coded(f"\0{self.user}\0{PASSWORD}".encode()))


class ReadingTls(Pop3):
	service, tls = "pop3s", True
	lines = ("LIST 1", "RETR 1", "DELE 1", "RETR 2", "DELE 2")

	def logon(self, c):
		self.scram(c, "AUTH SCRAM-SHA-256 ", "+ ", "+OK")


# ---- IMAP: a folder of its own for each conversation, what is done to it, and what is then in it

SEEN, ANSWERED, FLAGGED, DELETED = 1, 2, 4, 8


def letter(subject):
	return (f"From: <one@fault.test>\r\nTo: <two@fault.test>\r\nSubject: {subject}\r\n"
		f"Message-ID: <{subject}@fault.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
		f"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
		f"Gr=FC=DFe of {subject}\r\n--b\r\nContent-Type: application/octet-stream\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgc=\r\n--b--\r\n")


def literal(words):
	return f"{{{len(words)}+}}\r\n{words}"


def adds(*messages, to=""):
	def effect(folders):
		folders[to] = folders[to] + [*messages]
	return effect


def flags(change, *subjects, of=""):
	def effect(folders):
		folders[of] = [(s, change(f)) if s in subjects else (s, f) for s, f in folders[of]]
	return effect


def copies(to, *subjects, moved=False):
	def effect(folders):
		folders[to] = folders[to] + [m for m in folders[""] if m[0] in subjects]
		if moved:
			folders[""] = [m for m in folders[""] if m[0] not in subjects]
	return effect


def expunges(folders):
	folders[""] = [m for m in folders[""] if not m[1] & DELETED]


class Imap(Transcript):
	come_again = r"t\d+ NO \[(UNAVAILABLE|SERVERBUG|INUSE|LIMIT)\] |\* BYE "
	farewell = b"bye LOGOUT\r\n"

	def ask(self, c, line, wanted="OK"):
		self.tags += 1
		c.send(f"t{self.tags} {line}\r\n".encode())
		said = self.answer(c, line == "LOGOUT")
		if line == "IDLE":
			self.want(said, "+ ")
			c.send(b"DONE\r\n")
			said = self.answer(c)
		return self.want(said, f"t{self.tags} {wanted}" if wanted != "+ " else wanted)

	def answer(self, c, leaving=False):
		"""A tagged line, a request to go on, or a goodbye unasked for."""
		while not (said := c.line()).startswith((f"t{self.tags} ", "+ ")):
			if said.startswith("* BYE") and not leaving:
				break
		return said

	def talk(self, c, name):
		self.tags = 0
		self.user = self.ground.untouched.pop()
		folders = {}
		allowed = self.ground.folders[name] = [folders]
		self.want(c.line(), "* OK")
		self.logon(c)
		for line, effect in self.steps:
			after = dict(folders)
			if effect:
				effect(after)
				allowed.append(after)
			try:
				self.ask(c, line.replace("FOLDER", name))
			except Refused:
				allowed[:] = [folders]
				raise
			folders = after
			allowed[:] = [folders]
		self.ask(c, "LOGOUT")


class MailAccess(Imap):
	service = "imap"
	steps = (
		("CREATE FOLDER", lambda f: f.update({"": []})),
		("CREATE FOLDER.c", lambda f: f.update({".c": []})),
		(f"APPEND FOLDER (\\Seen) {literal(letter('one'))}", adds(("one", SEEN))),
		(f"APPEND FOLDER {literal(letter('two'))} {literal(letter('three'))}", adds(("two", 0), ("three", 0))),
		("SELECT FOLDER (CONDSTORE)", None),
		("FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE PREVIEW)", None),
		("UID FETCH 2 (BODY.PEEK[] BINARY.PEEK[2])", None),
		('SEARCH RETURN (ALL COUNT) TEXT "of two"', None),
		("SORT (REVERSE SUBJECT) UTF-8 ALL", None),
		("STORE 1:2 +FLAGS (\\Flagged hot)", flags(lambda f: f | FLAGGED, "one", "two")),
		("COPY 1:2 FOLDER.c", copies(".c", "one", "two")),
		("MOVE 3 FOLDER.c", copies(".c", "three", moved=True)),
		("IDLE", None),
		("STORE 1 +FLAGS.SILENT (\\Deleted)", flags(lambda f: f | DELETED, "one")),
		("EXPUNGE", expunges),
		("STATUS FOLDER.c (MESSAGES UNSEEN SIZE)", None),
		('LIST "" FOLDER* RETURN (SUBSCRIBED STATUS (MESSAGES))', None),
		("UNSELECT", None),
		("RENAME FOLDER.c FOLDER.d", lambda f: f.update({".d": f.pop(".c")})),
		("DELETE FOLDER", lambda f: f.pop("")),
	)

	def logon(self, c):
		self.ask(c, "STARTTLS")
		c.secure()
		self.ask(c, f'LOGIN {self.user} "{PASSWORD}"')


class MailAccessTls(Imap):
	service, tls = "imaps", True
	steps = (
		("ENABLE QRESYNC", None),
		("CREATE FOLDER", lambda f: f.update({"": []})),
		("CREATE FOLDER.c", lambda f: f.update({".c": []})),
		("SUBSCRIBE FOLDER", None),
		(f"APPEND FOLDER {literal(letter('one'))}", adds(("one", 0))),
		(f"APPEND FOLDER CATENATE (TEXT {literal(letter('two'))})", adds(("two", 0))),
		("SELECT FOLDER", None),
		("UID FETCH 1:* (MODSEQ INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[1]<0.9>)", None),
		("THREAD REFERENCES UTF-8 ALL", None),
		("UID SEARCH CHARSET UTF-8 OR BODY {7+}\r\ngr\u00fc\u00dfe HEADER MESSAGE-ID two", None),
		("UID STORE 1 FLAGS (\\Answered)", flags(lambda f: ANSWERED, "one")),
		("UID COPY 2 FOLDER.c", copies(".c", "two")),
		("UID MOVE 1 FOLDER.c", copies(".c", "one", moved=True)),
		(f"UID REPLACE 2 FOLDER {literal(letter('six'))}", lambda f: f.update({"": [("six", 0)]})),
		("NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))", None),
		("NOOP", None),
		("UID STORE 3 +FLAGS.SILENT (\\Deleted)", flags(lambda f: f | DELETED, "six")),
		("UID EXPUNGE 3", expunges),
		('SETMETADATA FOLDER (/private/comment "words")', None),
		("GETMETADATA FOLDER /private/comment", None),
		("SETACL FOLDER anyone lr", None),
		("GETQUOTAROOT FOLDER", None),
		("CLOSE", None),
	)

	def logon(self, c):
		self.scram(c, "AUTHENTICATE SCRAM-SHA-256 ", "+ ", "OK")

	def scram(self, c, begin, go_on, done):
		first, answer = scram(self.user)
		said = self.ask(c, begin + coded(first), go_on)
		c.send(coded(answer(base64.b64decode(said[len(go_on):]))).encode() + b"\r\n")
		self.want(self.answer(c), go_on)
		c.send(b"\r\n")
		self.want(self.answer(c), f"t{self.tags} {done}")


TRANSCRIPTS = (Delivery, Submission, Submissions, Reading, ReadingStls, ReadingTls, MailAccess, MailAccessTls)
