"""Messages with a name each, sent until they are taken, and judged afterwards: the acknowledged ones
are there exactly once for each recipient, whole; none is there for some of them only."""
import base64
import hashlib
import re
import time

import ledger
from client import Smtp

PATIENCE = 120 # seconds until a client that comes again and again has what it wants
OCTETS = base64.encodebytes(hashlib.shake_256(b"mailing").digest(4700000)).replace(b"\n", b"\r\n")


def raw_message(name, size):
	return (f"From: <sender@fault.test>\r\nTo: <all@fault.test>\r\nSubject: {name}\r\n"
		f"Message-ID: <{name}@fault.test>\r\n\r\n").encode() + OCTETS[:size - size % 78]


class Mailing:
	def __init__(self, place, readers=None):
		self.place = place
		self.readers = readers or [next(b for b in place.boxes if f"@{office}." in b) for office in ("acorn", "birch")]
		self.sent = {} # name: what was said to each try
		self.sizes = {}
		self.violations = 0
		self.slowest = 0.0 # of all answers to a dot

	def send(self, name, size):
		raw = raw_message(name, size)
		self.sizes[name] = size
		told = self.sent[name] = []
		end = time.monotonic() + PATIENCE
		while time.monotonic() < end:
			try:
				with Smtp(self.place.smtp, PATIENCE) as line:
					line.ask("EHLO client.fault.test")
					began = time.monotonic()
					told.append(said := line.deliver(raw, *self.readers))
					self.slowest = max(self.slowest, time.monotonic() - began)
					if said.startswith("250"):
						try:
							line.ask("QUIT")
						except OSError:
							pass
						return
			except OSError:
				told.append("broken")
			time.sleep(0.02)

	def judge(self, tally):
		copies = {box: {} for box in self.readers}
		damaged = 0
		for box in self.readers:
			for raw in ledger.fetch(self.place.pop3, box):
				at = raw.find(b"From: <sender@fault.test>")
				name = re.search(rb"Subject: (.*?)\r\n", raw)[1].decode()
				damaged += raw[at:] != raw_message(name, self.sizes[name])
				copies[box][name] = copies[box].get(name, 0) + 1

		def wrong(names, offends):
			return [f"{n} at {box}: {self.sent[n]}" for n in names for box in self.readers
				if offends(copies[box].get(n, 0))]
		never = [n for n, told in self.sent.items() if not told or not told[-1].startswith("250")]
		taken = [n for n in self.sent if n not in never]
		for what, found in ((f"every one of {len(self.sent)} messages was taken in the end", never),
				("every acknowledged message is there", wrong(taken, lambda c: c == 0)),
				("none is there twice", wrong(self.sent, lambda c: c > 1)),
				("none is there for one of its recipients only",
					[n for n in never if len({copies[b].get(n, 0) for b in self.readers}) > 1])):
			self.violations += len(found)
			tally.show(what, not found, found[:5] or "")
		self.violations += damaged
		tally.show("bodies are whole", not damaged, damaged or "")

	def orderly(self, tally, what):
		bad = ledger.invariants(self.place)
		self.violations += len(bad)
		tally.show(f"{what}: what must be true in the database is", not bad,
			bad or f"{len(ledger.INVARIANTS)} invariants")
