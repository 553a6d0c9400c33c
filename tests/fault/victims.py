"""Who is killed by SIGKILL: a process of some role, the master with all its workers, or PostgreSQL."""
import argparse
import os
import random
import time

from place import children, wait_for


def choose(usage, rows):
	"""What the command line wants, and who is killed in which order; rows are (option, victim, how many with
	--short, how many without)."""
	given = argparse.ArgumentParser(usage=usage)
	given.add_argument("--short", action="store_true")
	for name, _, short, full in rows:
		given.add_argument(f"--{name}", type=int, help=f"{short} or {full}")
	given.add_argument("--seed", type=lambda word: int(word, 16), default=random.randrange(1 << 32))
	o = given.parse_args()
	print(f"seed {o.seed:08x}", flush=True)
	wanted = {victim: (full, short)[o.short] if getattr(o, name) is None else getattr(o, name)
		for name, victim, short, full in rows}
	victims = [victim for victim, n in wanted.items() for _ in range(n)]
	random.Random(o.seed).shuffle(victims)
	return o, victims


def kill(place, victim, chance):
	"""`victim` is the role of a worker, `masters` or `databases`. The ids of those that die, of the platform's
	processes. Waits while nobody of that role is there."""
	if victim == "masters":
		return kill_master(place)
	if victim == "databases":
		place.pg_kill()
		time.sleep(chance.uniform(0, 0.5))
		place.pg_start()
		return []
	pid = chance.choice(sorted(wait_for(f"a process to kill: {victim}", lambda: place.workers(victim), pause=0.05)))
	os.kill(pid, 9)
	return [pid]


def kill_master(place):
	old = place.master
	brood = children(old.pid)
	os.kill(old.pid, 9)
	wait_for("another master", lambda: place.master is not old, pause=0.005)
	place.await_service()
	return brood
