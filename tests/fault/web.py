"""The web worker without memory: in a whole server one allocation of that process after the other fails (the
shim's board), while a client asks for all it has. An answer is the usual one, none, or "not ready"; whoever ends
for want of memory has a successor that answers."""
import http.client
import re

from board import ALLOCATIONS, FAILED, FAILING, PID, Board
from place import wait_for

PATHS = ("/healthz", "/readyz", "/metrics", "/nothing")
HEADERS = ("Content-Type", "Cache-Control", "X-Content-Type-Options", "Content-Security-Policy")
DEATHS = 3 # a seat that keeps dying is started more and more slowly: another server is faster
PATIENCE = 120


class Web:
	def __init__(self, place):
		self.place = place
		self.board = Board(place.dir / "shim-board")
		self.start = lambda: place.start(**self.board.environment)
		self.deaths = 0

	def worker(self):
		"""Its process, once it serves."""
		def serving():
			try:
				return self.ask(PATHS[:1])[0][0] == 200 and next(iter(self.place.workers("web")), None)
			except (OSError, http.client.HTTPException):
				return None
		return wait_for("a web worker", serving, PATIENCE)

	def ask(self, paths=PATHS):
		said = []
		line = http.client.HTTPConnection("127.0.0.1", self.place.http, timeout=PATIENCE)
		try:
			for path in paths:
				line.request("GET", path)
				answer = line.getresponse()
				said.append((answer.status, [answer.getheader(h) for h in HEADERS], answer.read()))
		except TimeoutError:
			raise
		except (OSError, http.client.HTTPException): # no answer, or not the whole of one
			if not said and paths != PATHS:
				raise
		finally:
			line.close()
		return said

	def passage(self, k):
		"""With the k-th allocation failing (0: none) what was said, allocations, and whether it came to that."""
		worker = self.worker()
		self.board[FAILING], self.board[ALLOCATIONS], self.board[FAILED] = k, 0, 0
		self.board[PID] = worker
		said = self.ask()
		self.board[PID] = 0
		allocations, failed = self.board[ALLOCATIONS], self.board[FAILED]
		self.deaths += self.worker() != worker
		if self.deaths >= DEATHS:
			self.place.stop()
			self.start()
			self.deaths = 0
		return said, allocations, failed

	@staticmethod
	def odd(said, whole):
		"""Answers that are neither the usual ones nor "not ready"."""
		found = []
		for path, got, usual in zip(PATHS, said, whole):
			good = got[:2] == usual[:2] and (got[2] == usual[2] or (path == "/metrics" and got[2].endswith(b"# EOF\n")))
			if not good and not (path == "/readyz" and got[0] == 503 and b'"not ready"' in got[2]):
				found.append(f"{path}: {got}")
		return found

	def crashes(self):
		return re.findall(r".*WORKER_ENDED.* signal=(?!0\b|9\b|15\b).*", self.place.log())


def shortage(place, tally, numbers):
	"""Walks `numbers` of (how many allocations there are); gives walked, violations."""
	web = Web(place)
	web.start()
	for _ in range(3): # what is made once is there
		whole, n, _ = web.passage(0)
	tally.show("http: the requests succeed", [a[0] for a in whole] == [200, 200, 200, 404], f"{n} allocations")
	bad, came = [], 0
	chosen = numbers(n)
	for k in chosen:
		said, _, failed = web.passage(k)
		came += failed
		bad += [f"{k}: {what}" for what in web.odd(said, whole)]
	bad += web.crashes()
	tally.show("http: without memory answers are whole or none, and a successor answers", not bad,
		bad[:5] or f"{came} of {len(chosen)} failures came, of {n} allocations")
	web.place.stop()
	return came, len(bad)
