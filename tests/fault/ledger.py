"""Senders that note every message they were told is stored, and a checker that looks afterwards.

A sender behaves as a real client does: a message whose answer got lost, or was a 4xx, is sent again
until it is taken. The ledger keeps per message its recipients, the hash of its octets, and every answer
of every try. The checker fetches all mailboxes by POP3 and holds what it finds against the ledger,
and asks the database for what must always be true (trust.md R2, R20)."""
import collections
import hashlib
import random
import socket
import threading
import time

from place import PASSWORD, Control

MARK = b"X-Ledger: "
SILENCE = 120 # seconds without an answer count as a hang
ANSWER_MOST = 10 # seconds that an answer may take, and as much more as the machine is late


class Entry:
	def __init__(self, name, recipients, raw):
		self.name, self.recipients = name, recipients
		self.size, self.hash = len(raw), hashlib.sha256(raw).digest()
		self.tries = [] # "stored", "refused CODE", "lost", "hung"

	@property
	def acknowledged(self):
		return "stored" in self.tries

	@property
	def doubtful(self):
		"""Some try ended without an answer: a copy too many may come of it."""
		return "lost" in self.tries or "hung" in self.tries


class Ledger:
	def __init__(self, boxes, seed=None):
		self.boxes = boxes
		self.entries = {}
		self.lock = threading.Lock()
		self.count = 0
		self.acknowledged = 0
		self.refused = 0
		self.broken = 0 # conversations, once greeted, whose line broke before QUIT or a 421
		self.told = 0 # conversations ended by 421
		self.breaks = [] # command and error of the last of them
		self.ungreeted = 0 # connections closed before their greeting
		self.answers = collections.Counter()
		self.slowest = 0.0 # of all answers, to whatever command
		self.slow = [] # answers that took more than 4 s
		self.late = [] # and more than they may
		self.control = Control()
		self.spans = [] # of answers: when it was asked for, when it came, code
		self.stored_at = [] # moments of 250s
		self.connect_refused = 0
		self.seed = seed if seed is not None else random.randrange(1 << 32)

	def compose(self, chance):
		with self.lock:
			self.count += 1
			name = f"{self.seed:08x}.{self.count}"
		n = chance.choices((1, 2, 4), (80, 15, 5))[0]
		recipients = chance.sample(self.boxes, n)
		kind = chance.random()
		size = chance.randrange(600000, 900000) if kind < 0.004 else \
			chance.randrange(20000, 80000) if kind < 0.04 else chance.randrange(100, 4000)
		body = chance.randbytes(size * 3 // 4).hex().encode()[:size]
		lines = b"".join(body[i:i + 76] + b"\r\n" for i in range(0, len(body), 76))
		raw = (MARK + name.encode() + b"\r\nFrom: <sender@ledger.test>\r\nTo: <all@ledger.test>\r\n"
			b"Subject: entry " + name.encode() + b"\r\nMessage-ID: <" + name.encode() +
			b"@ledger.test>\r\n\r\n" + lines)
		entry = Entry(name, recipients, raw)
		with self.lock:
			self.entries[name] = entry
		return entry, raw

	def note(self, entry, answer):
		with self.lock:
			first = not entry.acknowledged
			entry.tries.append(answer)
			self.answers[answer] += 1
			if answer == "stored":
				self.acknowledged += first
				self.stored_at.append(time.monotonic())

	def timed(self, to, code, asked, late):
		now = time.monotonic()
		seconds = now - asked
		with self.lock:
			self.spans.append((asked, now, code))
			self.slowest = max(self.slowest, seconds)
			if seconds > 4:
				self.slow.append(f"{to} {code} {seconds:.1f} s")
			if seconds > self.control.allowed(ANSWER_MOST, late):
				self.late.append(f"{to} {code} {seconds:.1f} s")


class Talk:
	"""SMTP as a client speaks it. Raises OSError when the line breaks."""

	def __init__(self, port, ledger):
		self.ledger = ledger
		self.asked = "greeting"
		self.s = socket.create_connection(("127.0.0.1", port), 60)
		self.s.settimeout(SILENCE)
		self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
		self.read = self.s.makefile("rb")

	def answer(self, to):
		self.asked = to
		began, late = time.monotonic(), self.ledger.control.late
		code = "none"
		try:
			while True:
				line = self.read.readline()
				if not line.endswith(b"\n"):
					raise ConnectionResetError("closed")
				if line[3:4] != b"-":
					code = line[:3].decode()
					return code
		finally:
			self.ledger.timed(to, code, began, late)

	def say(self, line):
		self.s.sendall(line.encode() + b"\r\n")
		return self.answer(line.split()[0])

	def close(self):
		self.read.close()
		self.s.close()


class Sender(threading.Thread):
	def __init__(self, ledger, port, number, pace):
		super().__init__(daemon=True)
		self.ledger, self.port, self.pace = ledger, port, pace
		self.chance = random.Random(ledger.seed * 1000 + number)
		self.stopping = threading.Event()
		self.pending = None
		self.give_up_at = None

	def run(self):
		while not (self.stopping.is_set() and self.pending is None):
			if self.give_up_at and time.monotonic() > self.give_up_at:
				return
			self.converse()

	def converse(self):
		talk = code = None
		try:
			talk = Talk(self.port, self.ledger)
			code = talk.answer("greeting")
			if code == "220":
				code = talk.say("EHLO sender.ledger.test")
			orderly = code == "250" and self.messages(talk)
			if code != "250":
				self.pause()
			if not orderly or talk.say("QUIT") == "421": # that may come before QUIT was read
				self.ledger.told += 1
		except ConnectionRefusedError:
			self.ledger.connect_refused += 1
			self.pause()
		except OSError as trouble:
			with self.ledger.lock:
				self.ledger.broken += code is not None
				self.ledger.ungreeted += code is None
				if code is not None:
					self.ledger.breaks.append(f"{talk.asked}: {trouble}")
			self.pause()
		finally:
			if talk:
				talk.close()

	def pause(self):
		time.sleep(self.chance.uniform(0.05, 0.4))

	def messages(self, talk):
		"""True while the conversation may be ended by QUIT; False after 421."""
		for _ in range(self.chance.randint(1, 6)):
			if self.pending is None:
				if self.stopping.is_set():
					return True
				self.pending = self.ledger.compose(self.chance)
			time.sleep(self.chance.uniform(0, self.pace))
			code = self.one(talk, *self.pending)
			if code == "421":
				return False
			if code == "250":
				self.pending = None
			else:
				self.pause()
				if talk.say("RSET") == "421":
					return False
		return True

	def one(self, talk, entry, raw):
		for line in ["MAIL FROM:<sender@ledger.test>"] + [f"RCPT TO:<{r}>" for r in entry.recipients] + ["DATA"]:
			code = talk.say(line)
			if code[0] not in "23":
				with self.ledger.lock:
					self.ledger.refused += 1
					self.ledger.answers[f"{line.split()[0]} {code}"] += 1
				return code
		try:
			talk.s.sendall(raw + b".\r\n")
			code = talk.answer("dot")
		except TimeoutError:
			self.ledger.note(entry, "hung")
			raise
		except OSError:
			self.ledger.note(entry, "lost")
			raise
		self.ledger.note(entry, "stored" if code == "250" else f"refused {code}")
		return code


class Senders:
	"""Many senders on one ledger, for the time of a with block."""

	def __init__(self, ledger, port, n=6, pace=0.0):
		self.all = [Sender(ledger, port, i, pace) for i in range(n)]

	def __enter__(self):
		for s in self.all:
			s.start()
		return self

	def __exit__(self, *trouble):
		for s in self.all:
			s.give_up_at = time.monotonic() + 120
			s.stopping.set()
		for s in self.all:
			s.join()


# ---- what is there afterwards

def say(s, read, line):
	s.sendall(line.encode() + b"\r\n")
	return read.readline()


def logged_on(port, user, patience=60):
	"""A POP3 conversation: socket and reader. A worker that has not heard yet that PostgreSQL is back says that it is
	for now, and is asked again."""
	end = time.monotonic() + patience
	while True:
		s = socket.create_connection(("127.0.0.1", port), 120)
		read = s.makefile("rb")
		got = read.readline()
		for line in (f"USER {user}", f"PASS {PASSWORD}"):
			got = say(s, read, line) if got.startswith(b"+OK") else got
		if got.startswith(b"+OK"):
			return s, read
		read.close()
		s.close()
		if not got.startswith(b"-ERR [SYS/TEMP]") or time.monotonic() > end:
			raise RuntimeError(f"{user}: logon: {got!r}")
		time.sleep(0.2)


def fetch(port, user):
	"""All messages of a mailbox, by POP3 with pipelined RETR."""
	s, read = logged_on(port, user)
	with s, read:

		def ask(line):
			got = say(s, read, line)
			if not got.startswith(b"+OK"):
				raise RuntimeError(f"{user}: {line}: {got!r}")
			return got

		def message():
			if not read.readline().startswith(b"+OK"):
				raise RuntimeError(f"{user}: a message cannot be read")
			lines = []
			while (line := read.readline()) != b".\r\n":
				if not line:
					raise RuntimeError(f"{user}: the line broke")
				lines.append(line[1:] if line.startswith(b".") else line)
			return b"".join(lines)

		n = int(ask("STAT").split()[1])
		for first in range(1, n + 1, 20):
			numbers = range(first, min(first + 20, n + 1))
			s.sendall("".join(f"RETR {i}\r\n" for i in numbers).encode())
			for _ in numbers:
				yield message()
		ask("QUIT")


class Findings:
	def __init__(self):
		self.acknowledged = self.lost = self.damaged = self.extra = self.unasked = self.delivered = 0
		self.extra_undoubted = 0
		self.refused_but_delivered = 0
		self.strange = 0
		self.examples = []

	def note(self, what, entry, box):
		if len(self.examples) < 20:
			self.examples.append(f"{what}: {entry.name} at {box}, tries {entry.tries}")


def compare(ledger, found):
	"""found: {box: [raw, ...]}"""
	f = Findings()
	copies = collections.defaultdict(list) # (name, box): hash and size as found
	for box, messages in found.items():
		for raw in messages:
			at = raw.find(MARK)
			name = raw[at + len(MARK):raw.find(b"\r\n", at)].decode(errors="replace")
			if at < 0 or name not in ledger.entries:
				f.strange += 1
				continue
			copies[name, box].append((len(raw) - at, hashlib.sha256(raw[at:]).digest()))
	for entry in ledger.entries.values():
		f.acknowledged += entry.acknowledged
		for box in entry.recipients:
			here = copies.pop((entry.name, box), [])
			f.delivered += len(here)
			bad = [c for c in here if c != (entry.size, entry.hash)]
			if bad:
				f.damaged += len(bad)
				f.note("damaged", entry, box)
			if entry.acknowledged and not here:
				f.lost += 1
				f.note("lost", entry, box)
			if len(here) > 1:
				f.extra += len(here) - 1
				if not entry.doubtful:
					f.extra_undoubted += 1
				f.note(f"{len(here)} copies", entry, box)
			if here and not entry.acknowledged and not entry.doubtful:
				f.refused_but_delivered += 1
				f.note("refused but delivered", entry, box)
	f.unasked = len(copies)
	return f


# Each gives the number of offences; all must be zero at rest.
INVARIANTS = {
	"quota used is the sum of sizes": """
		select count(*) from mailbox m left join (
			select f.postoffice, f.mailbox, sum(e.size) bytes, count(*) n
			from folder f join entry e using (postoffice, folder) group by 1, 2) s
		using (postoffice, mailbox)
		where m.used <> coalesce(s.bytes, 0) or m.nmsg <> coalesce(s.n, 0)""",
	"folders count their messages": """
		select count(*) from folder f left join (
			select postoffice, folder, sum(size) bytes, count(*) n,
				count(*) filter (where flags & 1 = 0) unseen
			from entry group by 1, 2) s using (postoffice, folder)
		where (f.nbytes, f.nmsg, f.nunseen)
			<> (coalesce(s.bytes, 0), coalesce(s.n, 0), coalesce(s.unseen, 0))""",
	"UIDs stay below UIDNEXT": """
		select count(*) from folder f join entry e using (postoffice, folder)
		where e.uid >= f.uidnext or e.uid < 1""",
	"MODSEQs stay below their folder's and mailbox's": """
		select (select count(*) from folder f join entry e using (postoffice, folder)
				where e.modseq > f.modseq)
			+ (select count(*) from folder f join mailbox m using (postoffice, mailbox)
				where f.modseq > m.modseq)""",
	"every entry has its message, of its size": """
		select count(*) from entry e left join message m using (postoffice, msg)
		where m.size is distinct from e.size""",
	"every message has its body": """
		select count(*) from message m left join blob b using (postoffice, blob)
		where b.rawlen is distinct from m.size""",
	"every body has all its segments": """
		select count(*) from blob b left join (
			select postoffice, blob, count(*) n, max(seg) last from blob_seg group by 1, 2) s
		using (postoffice, blob)
		where coalesce(s.n, 0) <> b.nseg - 1 or coalesce(s.last, 0) <> b.nseg - 1""",
	"every message has an entry or was removed": """
		select count(*) from message m
		where not exists (select from entry e where (e.postoffice, e.msg) = (m.postoffice, m.msg))
			and not exists (select from expunged x where (x.postoffice, x.msg) = (m.postoffice, m.msg))
			and not exists (select from expunged_pack x where x.postoffice = m.postoffice and m.msg = any (x.messages))""",
	"no body without a message": """
		select count(*) from blob b
		where not exists (select from message m where (m.postoffice, m.blob) = (b.postoffice, b.blob))""",
	"the change log names every UID once": """
		select count(*) from folder f left join (
			select postoffice, folder, range_agg(u) uids, sum(upper(u) - lower(u)) n
			from change, unnest(uids) u where kind = '+' group by 1, 2) c using (postoffice, folder)
		where coalesce(c.n, 0) <> f.uidnext - 1
			or c.uids is distinct from case when f.uidnext > 1
				then int8multirange(int8range(1, f.uidnext)) end""",
	"the change log's MODSEQs rise with its UIDs": """
		select count(*) from (
			select modseq, lower(uids) first, lag(modseq) over w before, lag(upper(uids)) over w past
			from change where kind = '+' window w as (partition by postoffice, folder order by lower(uids))) c
		where c.before >= c.modseq or c.past > c.first""",
	"no message stands twice in one folder": """
		select count(*) from (
			select 1 from entry group by postoffice, folder, msg having count(*) > 1) d""",
	"the ledger counted every row that came into the queue and left it": """
		select count(*) from (
			select postoffice, sum(put - sent - returned - told - dropped - deleted) n from ledger group by 1) l
		full join (
			select postoffice, count(*) n
			from (select postoffice from queue union all select postoffice from queue_deferred) q group by 1) w using (postoffice)
		where coalesce(l.n, 0) <> coalesce(w.n, 0)""",
	"the ledger counted every delivery": """
		select count(*) from (
			select postoffice, sum(addressed - carried) n from ledger group by 1) l
		full join (select postoffice, sum(delivered) n from mailbox group by 1) m using (postoffice)
		where coalesce(l.n, 0) <> coalesce(m.n, 0)""",
	"no prepared transaction or lock is left": """
		select (select count(*) from pg_prepared_xacts)
			+ (select count(*) from pg_stat_activity
				where datname = current_database() and state like 'idle in transaction%'
					and state_change < now() - interval '5 s')""",
}


# A reader may copy a message into its own folder.
OF_MAIL_ALONE = "no message stands twice in one folder"


def invariants(place, without="", patience=30):
	"""{sentence: offences}, of those that have any; looked at anew for a while, since what was done last may come to rest a
	moment later."""
	query = " union all ".join(f"select $q${name}$q$, ({sql})" for name, sql in INVARIANTS.items()
		if name != without)
	end = time.monotonic() + patience
	while (bad := {name: int(n) for name, n in place.sql(query) if int(n)}) and time.monotonic() < end:
		time.sleep(0.3)
	return bad


# A worker gathers the keys it may forget, for 50 ms, and longer while PostgreSQL is away or came back only now. Who ends
# meanwhile leaves them: they cost a row each until the housekeeper removes them when their window is over
# (deliver_repeat.keys_go_when_their_window_is_over), and mail is never mistaken for them.
SILENCE = 10 # seconds between a process's signs of life at most


def keys_standing(place):
	"""Of processes that live, of conversations that go on and of unfinished ones; and of all. Those of fences stand for no
	message."""
	return [int(n) for n in place.sql(f"""select count(*) filter (where lives and not broken), count(*) filter (where lives and broken),
		count(*) from repeat r cross join lateral (select exists (select from node n where n.node = r.owner and n.since <= r.at
			and n.until > clock_timestamp() and n.seen > clock_timestamp() - interval '{SILENCE} s') as lives) o
		where message <> 0""")[0]]


def check(place, ledger, tally, extra_most=0.001, found=None, leavers=False):
	"""Fetches everything and shows the ledger's and the database's verdict. `found` is what others have, by box; `leavers`:
	processes have ended meanwhile."""
	place.await_ready()
	found = dict(found or {})
	found |= {box: list(fetch(place.pop3, box)) for box in ledger.boxes if box not in found}
	f = compare(ledger, found)
	tally.show("acknowledged messages are there", f.acknowledged and not f.lost,
		f"{f.acknowledged} acknowledged, {f.lost} lost")
	tally.show("bodies are whole", not f.damaged, f"{f.delivered} copies, {f.damaged} damaged")
	tally.show("nothing refused was delivered", not f.refused_but_delivered, f.refused_but_delivered)
	tally.show("extra copies are rare", f.extra <= extra_most * max(f.acknowledged, 1),
		f"{f.extra} ({100 * f.extra / max(f.acknowledged, 1):.3f} %)")
	tally.show("extra copies only where an answer was lost", not f.extra_undoubted, f.extra_undoubted)
	tally.show("nothing came that nobody sent", not f.unasked and not f.strange, f.unasked + f.strange)
	unfinished = ledger.broken + ledger.told
	end = time.monotonic() + 60 # what a worker gathers goes soon
	while True:
		unread, broken, every = keys_standing(place)
		good = unread == 0 and broken <= unfinished and (leavers or every <= unfinished)
		if good or time.monotonic() > end:
			break
		time.sleep(0.1)
	tally.show("processes that live keep repeat keys of unfinished conversations only",
		good, f"{unread} of others, {broken} of {unfinished} without QUIT; {every} of all processes")
	bad = invariants(place)
	tally.show("what must be true in the database is", not bad, bad or f"{len(INVARIANTS)} invariants")
	for line in f.examples:
		print("   ", line)
	return f
