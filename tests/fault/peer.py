"""Another system that takes mail and keeps a ledger of every text it answered for: which process of the
platform sent it, and whether that process has read the 250.

Nobody can ask a dead process what it read, but its kernel tells: a socket that is closed with octets unread in
it, or that is written to once it is closed, answers with a reset, one that was read empty with an orderly end."""
import os
import pathlib
import random
import re
import select
import socket
import threading
import time

UNWRITTEN = "unwritten" # the line was closed before the answer
UNREAD = "unread"       # it was written, and nobody read it
READ = "read"           # something came behind it, or the line ended without a reset
SILENCE = 120


class Text:
	"""A text that came whole: from then on the peer answers for it."""

	def __init__(self, sender, recipients, raw, pid):
		self.sender, self.recipients, self.raw, self.pid = sender, recipients, raw, pid
		self.id = re.search(rb"\sid\s+(\w+)", raw)[1].decode()
		self.at = time.monotonic()
		self.answer = UNREAD


class Peer:
	def __init__(self, place, hosts, seed, late=0.02, dies=0.005):
		"""Listens at an address for each of so many hosts. An answer to a text takes up to `late` seconds, and
		so many of all lines are closed in the place of one."""
		self.place, self.late, self.dies = place, late, dies
		self.chance = random.Random(seed)
		self.lock = threading.Lock()
		self.texts = []
		self.connections = 0
		self.listeners = [socket.create_server((f"127.0.2.{i + 1}", 0), backlog=200) for i in range(hosts)]
		for one in self.listeners:
			threading.Thread(target=self._accept, args=(one,), daemon=True).start()

	def addresses(self):
		return [one.getsockname() for one in self.listeners]

	def close(self):
		for one in self.listeners:
			one.close()

	def _accept(self, listener):
		while True:
			try:
				line, address = listener.accept()
			except OSError:
				return
			self.connections += 1
			threading.Thread(target=self._talk, args=(line, address), daemon=True).start()

	# ---- whose line it is

	def _owner(self, line, address):
		"""The outbound process at the other end; None where the system does not tell."""
		ends = ["%08X:%04X" % (int.from_bytes(socket.inet_aton(host), "little"), port)
			for host, port in (address, line.getsockname())]
		rows = (row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
		inode = next((row[9] for row in rows if row[1:3] == ends), None)
		for pid in self.place.workers("outbound") if inode not in (None, "0") else ():
			try:
				if any(os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]"
						for fd in os.listdir(f"/proc/{pid}/fd")):
					return pid
			except OSError:
				pass
		return None

	# ---- a conversation

	def _talk(self, line, address):
		line.settimeout(SILENCE)
		line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		try:
			self._serve(line, self._owner(line, address))
		except OSError:
			pass
		finally:
			line.close()

	def _serve(self, line, pid):
		lines = Lines(line)
		sender, to = "", []
		line.sendall(b"220 peer.test ESMTP\r\n")
		while words := lines.next():
			verb = words.split()[0].upper() if words.strip() else b""
			reply = b"250 2.0.0 ok\r\n"
			if verb == b"EHLO":
				reply = b"250-peer.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
			elif verb == b"MAIL":
				sender, to = path(words), []
			elif verb == b"RCPT":
				to.append(path(words))
			elif verb == b"DATA":
				line.sendall(b"354 go on\r\n")
				if (raw := lines.text()) is None or not self._answer(line, lines, Text(sender, to, raw, pid)):
					return
				continue
			elif verb == b"QUIT":
				reply = b"221 2.0.0 bye\r\n"
			line.sendall(reply)

	def _answer(self, line, lines, text):
		"""Whether the line goes on; text.answer tells what became of the answer."""
		with self.lock:
			self.texts.append(text)
			pause, dies = self.chance.uniform(0, self.late), self.chance.random() < self.dies
		time.sleep(pause)
		if dies or lines.is_over():
			text.answer = UNWRITTEN
			return False
		text.at = time.monotonic()
		try:
			line.sendall(b"250 2.0.0 taken\r\n")
			more = lines.wait()
		except TimeoutError:
			more = True # it may still be read: nobody was killed
		except OSError:
			more = None
		if more or (more is not None and not line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
			text.answer = READ
		return bool(more)

	# ---- afterwards

	def found(self, boxes):
		"""{box: [raw, ...]}, each message once for each id the platform gave it."""
		got = {box: {} for box in boxes}
		for text in self.texts:
			for recipient in text.recipients:
				got[recipient].setdefault(text.id, text.raw)
		return {box: list(copies.values()) for box, copies in got.items()}


def path(words):
	return re.search(rb"<(.*?)>", words)[1].decode()


class Lines:
	def __init__(self, line):
		self.line, self.have = line, b""

	def more(self):
		octets = self.line.recv(65536)
		self.have += octets
		return bool(octets)

	def wait(self):
		"""False: the other end has closed."""
		return bool(self.have) or self.more()

	def is_over(self):
		try:
			return bool(select.select([self.line], [], [], 0)[0]) and not self.line.recv(1, socket.MSG_PEEK)
		except OSError:
			return True

	def until(self, end):
		"""None when the other end closes before."""
		looked = 0
		while (at := self.have.find(end, looked)) < 0:
			looked = max(0, len(self.have) - len(end))
			if not self.more():
				return None
		got, self.have = self.have[:at + len(end)], self.have[at + len(end):]
		return got

	def next(self):
		return self.until(b"\n")

	def text(self):
		got = self.until(b"\r\n.\r\n")
		return got and got[:-3].replace(b"\r\n..", b"\r\n.")
