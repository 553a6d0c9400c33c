"""A milter that does what a script says: answers by stage, in any order, too late, too much, or never;
and that remembers all it was told. One thread per connection."""
import socket
import struct
import threading
import time

CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, SKIP, PROGRESS = (bytes([c]) for c in b"cartdsp")
HANG, CLOSE = object(), object()
PATIENCE = 120 # seconds: longer than any machine takes

# actions
ADD, BODY, ADD_RCPT, DEL_RCPT, CHANGE, QUARANTINE, SENDER, RCPT_WITH, MACROS = (1 << n for n in range(9))
ALL = 0x1ff
# steps
NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_BODY, NO_FIELDS, NO_EOH, SILENT_FIELD, NO_UNKNOWN, NO_DATA, CAN_SKIP, \
	REFUSED_RCPT, SILENT_CONNECT, SILENT_HELO, SILENT_MAIL, SILENT_RCPT, SILENT_DATA, SILENT_UNKNOWN, SILENT_EOH, \
	SILENT_BODY, LEADING = (1 << n for n in range(21))


def z(*words):
	return b"".join((w if isinstance(w, bytes) else w.encode()) + b"\0" for w in words)


def reply(text):
	return b"y" + z(text)


def field(name, value):
	return b"h" + z(name, value)


def insert(index, name, value):
	return b"i" + struct.pack(">I", index) + z(name, value)


def change(index, name, value):
	return b"m" + struct.pack(">I", index) + z(name, value)


class Milter:
	def __init__(self, where):
		self.where = where
		self.live = 0
		self.lock = threading.Lock()
		self.held = []
		self.reset()
		self.listener = None
		self.open()

	def reset(self, terms=(6, ALL, 0), macros=b"", left=0, **script):
		"""script: letter = answer, or a list of answers and of seconds to wait between them. `left` connections are of
		conversations that go on."""
		self.quiet(left)
		self.terms, self.macros, self.script = terms, macros, script
		self.told = []  # (letter, data)
		self.connections = 0

	def open(self):
		unix = isinstance(self.where, str)
		self.listener = socket.socket(socket.AF_UNIX if unix else
			socket.AF_INET6 if ":" in self.where[0] else socket.AF_INET)
		self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		self.listener.bind(self.where)
		self.listener.listen(64)
		threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

	def close(self):
		self.listener.shutdown(socket.SHUT_RDWR)
		self.listener.close()

	def accept(self, listener):
		while True:
			try:
				peer, _ = listener.accept()
			except OSError:
				return
			with self.lock:
				self.connections += 1
				self.live += 1
			threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

	def let_go(self):
		"""Hangs up on those that wait."""
		with self.lock:
			for peer in self.held:
				try:
					peer.shutdown(socket.SHUT_RDWR)
				except OSError: # it has hung up itself
					pass
			self.held.clear()

	def serve(self, peer):
		try:
			self.talk(peer)
		finally:
			with self.lock:
				self.live -= 1

	def talk(self, peer):
		with peer, peer.makefile("rb") as words:
			try:
				while True:
					head = words.read(4)
					if len(head) < 4:
						return
					packet = words.read(struct.unpack(">I", head)[0])
					letter = chr(packet[0])
					self.told.append((letter, packet[1:]))
					if letter == "Q" or not self.answer(peer, letter, packet[1:]):
						return
			except OSError:
				pass

	def answer(self, peer, letter, data):
		if letter in "DA":
			return True
		default = CONTINUE
		if letter == "O":
			default = b"O" + struct.pack(">III", *self.terms) + self.macros
		answers = self.script.get(letter, default)
		if callable(answers):
			answers = answers(data)
		for one in answers if isinstance(answers, list) else [answers]:
			if one is HANG:
				with self.lock:
					self.held.append(peer)
				peer.recv(1)
				return False
			if one is CLOSE:
				return False
			if isinstance(one, float):
				time.sleep(one)
			elif isinstance(one, tuple):
				peer.sendall(one[0])  # no length of ours
			elif one is not None:
				peer.sendall(struct.pack(">I", len(one)) + one)
		return True

	# ---- what it was told

	def quiet(self, left=0):
		"""Until its connections have ended but for so many: what is told last comes after the client's 221."""
		end = time.monotonic() + PATIENCE
		while self.live > left:
			if time.monotonic() > end:
				raise TimeoutError(f"{self.live} connections of the milter are open, instead of {left}: {self.told}")
			time.sleep(0.005)

	def letters(self, left=0):
		self.quiet(left)
		return "".join(letter for letter, _ in self.told)

	def of(self, letter):
		return [data for l, data in self.told if l == letter]

	def macros_at(self, letter):
		"""Of the last such command."""
		for l, data in reversed(self.told):
			if l == "D" and data[:1] == letter.encode():
				words = data[1:].decode().split("\0")
				return dict(zip(words[::2], words[1::2]))
		return {}

	def fields(self):
		return [tuple(data.decode("latin-1").split("\0")[:2]) for data in self.of("L")]

	def body(self):
		return b"".join(self.of("B"))
