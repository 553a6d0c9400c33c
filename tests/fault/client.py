"""Clients that speak line by line, for tests that break something in the middle of a conversation."""
import re
import socket
import ssl

from place import PASSWORD


class Broken(OSError):
	"""The server closed the line."""


class Line:
	def __init__(self, port, patience=120): # longer than any machine takes
		self.s = socket.create_connection(("127.0.0.1", port), 60)
		self.s.settimeout(patience)
		self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		self.port = self.s.getsockname()[1]
		self.read = self.s.makefile("rb")
		self.greeting = self.answer()

	def line(self):
		got = self.read.readline()
		if not got.endswith(b"\n"):
			raise Broken("closed")
		return got.decode(errors="replace").rstrip("\r\n")

	def send(self, octets):
		self.s.sendall(octets)

	def ask(self, line):
		self.send(line.encode() + b"\r\n")
		return self.answer()

	def secure(self, version=None):
		"""Goes on under TLS (of this version alone), any certificate; its octets are given back."""
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
		context.check_hostname = False
		context.verify_mode = ssl.CERT_NONE
		if version:
			context.minimum_version = context.maximum_version = version
		self.read.close()
		self.s = context.wrap_socket(self.s)
		self.read = self.s.makefile("rb")
		return self.s.getpeercert(binary_form=True)

	def close(self):
		self.read.close()
		self.s.close()

	def __enter__(self):
		return self

	def __exit__(self, *trouble):
		self.close()


class Smtp(Line):
	def answer(self):
		"""Code and text of the last line."""
		while True:
			line = self.line()
			if line[3:4] != "-":
				return line

	def envelope(self, *recipients):
		"""Up to DATA; the first answer that is no 2xx or 3xx, or DATA's."""
		for line in ("MAIL FROM:<sender@fault.test>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"):
			said = self.ask(line)
			if said[0] not in "23":
				return said
		return said

	def deliver(self, raw, *recipients):
		said = self.envelope(*recipients)
		if not said.startswith("354"):
			return said
		self.send(raw + b".\r\n")
		return self.answer()


class Imap(Line):
	"""Speaks with numbered tags; literals in answers are part of their line."""

	def __init__(self, port, patience=120):
		self.tags = 0
		self.last = b""
		super().__init__(port, patience)

	def line(self):
		"""One answer as octets, without its line end."""
		got = b""
		while True:
			piece = self.read.readline()
			if not piece.endswith(b"\r\n"):
				raise Broken(f"closed after {self.last.decode(errors='replace')!r}")
			got += piece
			self.last = got
			literal = re.search(rb"\{(\d+)\}\r\n$", piece)
			if not literal:
				return got[:-2]
			octets = self.read.read(int(literal[1]))
			if len(octets) < int(literal[1]):
				raise Broken("closed")
			got += octets

	def answer(self):
		return self.line()

	def start(self, command):
		"""Sends a command of one line, or of octets that hold literals already; gives its tag."""
		self.tags += 1
		tag = b"t%d" % self.tags
		self.send(tag + b" " + (command.encode() if isinstance(command, str) else command) + b"\r\n")
		return tag

	def finish(self, tag):
		"""The tagged answer without its tag, and what came before it."""
		untagged = []
		while True:
			line = self.line()
			if line.startswith(tag + b" "):
				return line[len(tag) + 1:].decode(), untagged
			untagged.append(line)

	def command(self, command):
		return self.finish(self.start(command))

	def logon(self, user):
		return self.command(f"LOGIN {user} {PASSWORD}")[0]


def numbers(text):
	"""Of a sequence set without `*`."""
	found = []
	for piece in (text.decode() if isinstance(text, bytes) else text).split(","):
		low, _, high = piece.partition(":")
		found += range(int(low), int(high or low) + 1)
	return found


def number_set(wanted):
	"""A sequence set of numbers."""
	pieces, wanted = [], sorted(wanted)
	for n in wanted:
		if pieces and pieces[-1][1] == n - 1:
			pieces[-1][1] = n
		else:
			pieces.append([n, n])
	return ",".join(f"{a}:{b}" if b > a else f"{a}" for a, b in pieces)


class Pop3(Line):
	def answer(self):
		return self.line()

	def logon(self, user):
		self.ask(f"USER {user}")
		return self.ask(f"PASS {PASSWORD}")

	def count(self):
		return int(self.ask("STAT").split()[1])


def message(name, size=500):
	return (f"From: <sender@fault.test>\r\nTo: <all@fault.test>\r\nSubject: {name}\r\n"
		f"Message-ID: <{name}@fault.test>\r\n\r\n" + "0123456789abcdef" * 4 + "\r\n").encode() \
		+ b"".join(b"%060d\r\n" % i for i in range(size // 62))
