"""Until every worker of a platform knows what was changed: its log tells, at log_level=debug."""
import re
import time

from house import sql

BOUND = 120.0 # seconds: longer than any machine takes; who waits goes on at once when it holds


def known(log, kind="setting", ask=sql):
	"""Waits for what was changed last of that kind ("setting", "routing"), which is since the workers began. `ask` gives the one
	value of a query."""
	now = int(ask(f"select rev from revision where kind = '{kind}'"))
	end = time.monotonic() + BOUND
	while late := _late(log.read_text(), kind, now):
		if time.monotonic() > end:
			raise TimeoutError(f"{late} know of no {kind} {now}")
		time.sleep(0.05)


def _late(text, kind, now):
	workers = dict(re.findall(r"role=(\S+) pid=(\d+) event=WORKER_READY", text))
	seen = {pid for pid, rev in re.findall(rf"pid=(\d+) event=CHANGE_SEEN kind={kind} revision=(\d+)", text)
		if int(rev) >= now}
	return {role: pid for role, pid in workers.items() if pid not in seen}
