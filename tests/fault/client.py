"""Clients that speak line by line, for tests that break something in the middle of a conversation."""
import socket
import ssl

from place import PASSWORD


class Broken(OSError):
	"""The server closed the line."""


class Line:
	def __init__(self, port, patience=30):
		self.s = socket.create_connection(("127.0.0.1", port), 10)
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

	def secure(self):
		"""Goes on under TLS, any certificate; its octets are given back."""
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
		context.check_hostname = False
		context.verify_mode = ssl.CERT_NONE
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
