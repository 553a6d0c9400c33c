"""A house to break: a private PostgreSQL, a bootstrap file, two post offices with mailboxes, and
pennypostd kept running by a supervisor that starts it again the moment it dies.

Everything it starts is ended by its process id; nothing is looked up by name."""
import contextlib
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TOP = pathlib.Path(os.environ.get("PENNYPOST_TOP_SRCDIR") or pathlib.Path(__file__).parents[2]).resolve()
BUILD = pathlib.Path(os.environ.get("PENNYPOST_TOP_BUILDDIR") or os.getcwd()).resolve()
PRIVATE_PG = TOP / "contrib/private-pg"
PASSWORD = "secret-of-all"
OFFICES = ("acorn", "birch")
FIRST_PORT, LAST_PORT = 10000, 25000 # quickstart has those above
PORTS_GIVEN = {} # port: what holds its name
LOG_TOLD, LINES_TOLD, LINE_TOLD = 100000, 60, 600 # of a test that was broken off
CRASHES = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)
CRASHED = re.compile(r"event=(?:WORKER|HELPER)_ENDED .*signal=(?:%s)\b|Sanitizer|: runtime error: " %
	"|".join(str(int(number)) for number in CRASHES))


def run(*command, check=True, **more):
	"""A command's standard output; what it said is shown when it fails."""
	got = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, text=True,
		stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
	if check and got.returncode:
		sys.exit(f"{command[0]} {' '.join(map(str, command[1:]))}: exit {got.returncode}\n"
			f"{got.stdout}{got.stderr}")
	return got.stdout


def shell_lines(said):
	"""NAME=value lines as private-pg prints them."""
	return {m[1]: m[2].strip("'") for m in re.finditer(r"^(\w+)=(.*)$", said, re.M)}


def claimed(port):
	"""Whether no other test that runs has been given it: a name is held until this process ends."""
	name = socket.socket(socket.AF_UNIX)
	try:
		name.bind(f"\0pennypost-test-port-{port}")
	except OSError:
		name.close()
		return False
	PORTS_GIVEN[port] = name
	return True


def free_ports(n):
	"""Ports that nobody listens at, none of those the kernel gives to connections: while a server is away another test's
	connection might get its port. Nor is one given to two tests, whose servers may both be away."""
	least = FIRST_PORT
	most = min(LAST_PORT, int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]))
	if most - least < 1000:
		least, most = 1 << 15, 1 << 16
	found = []
	while len(found) < n:
		port = random.randrange(least, most)
		with socket.socket() as s:
			try:
				s.bind(("127.0.0.1", port))
			except OSError:
				continue
		if claimed(port):
			found.append(port)
	return found


def alive(pid):
	try:
		return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
	except OSError:
		return False


def children(pid):
	"""Living children, by /proc alone."""
	found = []
	for name in filter(str.isdigit, os.listdir("/proc")): # not glob(), which fails when a process ends under it
		try:
			state, parent = pathlib.Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
		except OSError:
			continue
		if int(parent) == pid and state not in "ZX":
			found.append(int(name))
	return sorted(found)


def process_status(pid):
	lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
	return dict(line.split(":", 1) for line in lines)


def wait_for(what, until, seconds=120.0, pause=0.02):
	end = time.monotonic() + seconds
	while True:
		got = until()
		if got:
			return got
		if time.monotonic() > end:
			raise TimeoutError(what)
		time.sleep(pause)


@contextlib.contextmanager
def holding(place, *queries):
	"""The locks of these are held meanwhile, from the moment on that they are had."""
	with subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", place.super_uri], stdin=subprocess.PIPE,
			stdout=subprocess.PIPE, text=True) as line:
		line.stdin.write("begin;\n" + "".join(f"{query};\n" for query in queries) + "\\echo held\n")
		line.stdin.flush()
		while (said := line.stdout.readline()).strip() != "held":
			if not said:
				raise RuntimeError(f"psql ended: {queries}")
		try:
			yield
		finally:
			line.stdin.write("commit;\n")
			line.stdin.close()


def tell_crashes(log, master):
	"""Says what crashed, wherever it stands in a server's log: contrib/check gives no second try to a test that says so.
	Nothing is counted, since a test may crash a process on purpose."""
	if master and master.poll() is not None and -master.returncode in CRASHES:
		print(f"ended by a crash: the server ended with {master.returncode}", flush=True)
	if not log.is_file():
		return
	with open(log, errors="replace") as lines:
		for line in itertools.islice(filter(CRASHED.search, lines), LINES_TOLD):
			print(f"ended by a crash: {line.rstrip()[:LINE_TOLD]}", flush=True)


class Control(threading.Thread):
	"""How late this machine is: a timer of this process, for bounds of what the server promises. What it counts is
	the time that went by beside its naps of 20 ms."""
	NAP, FAIR = 0.02, 0.005
	LENIENT = 10

	def __init__(self):
		super().__init__(daemon=True)
		self.late = 0.0
		self.start()

	def run(self):
		while True:
			began = time.monotonic()
			time.sleep(self.NAP)
			self.late += max(0.0, time.monotonic() - began - self.NAP - self.FAIR)

	def allowed(self, promised, before, after=None):
		"""Seconds for what was promised, since `late` was `before`: a server waits for several things in turn, each
		as late as this timer."""
		return promised + self.LENIENT * ((self.late if after is None else after) - before)

	def fair(self, took, before):
		"""What a span took, without what this machine was late in it, for medians."""
		return max(0.0, took - self.LENIENT * (self.late - before))


class Tally:
	"""Counts what was shown, and closes with the line every runner closes with."""

	def __init__(self):
		self.passed = self.failed = 0

	def show(self, what, good, detail=""):
		self.passed += bool(good)
		self.failed += not good
		print(f"{'ok  ' if good else 'FAIL'} {what}{': ' if detail != '' else ''}{detail}", flush=True)
		return good

	def close(self):
		print(f"{self.passed} passed, {self.failed} failed", flush=True)
		return 1 if self.failed or not self.passed else 0


class Place:
	def __init__(self, boxes=12, workers=2, services="smtp pop3 http", settings=()):
		where = os.environ.get("TMPDIR") or "/tmp"
		if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 2 << 30:
			where = "/dev/shm" # fsync stays on, but costs nothing
		self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pennypost-fault.", dir=where))
		self.dir.chmod(0o755)
		# Under tests/with-pg.sh there is one already.
		self.pg_dir = pathlib.Path(os.environ.get("PENNYPOST_TEST_PGDIR") or self.dir / "pg")
		self.conf = self.dir / "pennypost.conf"
		self.log_path = self.dir / "log"
		self.environment = {k: v for k, v in os.environ.items() if not k.startswith("PENNYPOST_FAULT")}
		self.environment["PENNYPOST_CONF"] = str(self.conf)
		self.user = "nobody" if os.geteuid() == 0 else ""
		self.boxes = [f"u{i:04}@{office}.test" for office in OFFICES for i in range(1, boxes + 1)]
		self.master = None
		self.supervisor = None
		self.ending = False
		self.ready = {} # pid: (role, index) of whoever said so in the log
		self.read_to = 0
		self.reading = threading.Lock()
		self.starts = [] # moments the supervisor started a master
		self.workers_wanted = workers
		self.services = services
		try:
			self._database()
			self._write_conf()
			self._furnish(boxes, services, settings)
		except BaseException:
			self.end()
			raise

	# ---- making

	def _database(self):
		given = os.environ.get("PENNYPOST_TEST_PGURI")
		if given: # tests/with-pg.sh has one for us, and ends it
			self.pg = {"PG_SUPERURI": os.environ["PENNYPOST_TEST_SUPERURI"], "PGURI": given,
				"PGURI_SYSTEM": os.environ["PENNYPOST_TEST_PGURI_SYSTEM"],
				"PGURI_OWNER": os.environ["PENNYPOST_TEST_PGURI_OWNER"]}
			self.pg_dir = pathlib.Path(os.environ["PENNYPOST_TEST_PGDIR"])
			self.super_uri = re.sub(r"/postgres(?=\?|$)", "/pennypost", self.pg["PG_SUPERURI"])
			return
		self.pg = shell_lines(run(PRIVATE_PG, "start", self.pg_dir, "fast"))
		self.pg |= shell_lines(run(PRIVATE_PG, "database", self.pg_dir, "pennypost"))
		self.super_uri = re.sub(r"/postgres(?=\?|$)", "/pennypost", self.pg["PG_SUPERURI"])

	def _write_conf(self, **other):
		rows = {"pguri": self.pg["PGURI"], "pguri_system": self.pg["PGURI_SYSTEM"],
			"pguri_owner": self.pg["PGURI_OWNER"], "node": "fault",
			"certificates": self.dir / "certificates", "secret_file": self.dir / "secret",
			"state": self.dir / "run", "logs": self.dir / "logs", "user": self.user} | other
		for name in ("run", "logs"):
			(self.dir / name).mkdir(exist_ok=True)
			if self.user:
				shutil.chown(self.dir / name, self.user)
		(self.dir / "certificates").mkdir(exist_ok=True)
		self.conf.touch(mode=0o600)
		self.conf.write_text("".join(f"{k} = {v}\n" for k, v in rows.items() if v != ""))

	def configure(self, **other):
		"""The bootstrap file anew, with other values."""
		self._write_conf(**other)

	def make_certificate(self):
		folder = self.dir / "certificates"
		run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
			"-nodes", "-subj", "/CN=localhost", "-days", "30", "-keyout", folder / "default.key",
			"-out", folder / "default.crt")
		(folder / "default.key").chmod(0o644)

	def _furnish(self, boxes, services, settings):
		self.cli("schema", "migrate")
		self.make_certificate()
		self.smtp, self.pop3, self.imap, self.http = free_ports(4)
		rows = {"smtp_listen": f"127.0.0.1:{self.smtp}", "pop3_listen": f"127.0.0.1:{self.pop3}",
			"imap_listen": f"127.0.0.1:{self.imap}", "http_listen": f"127.0.0.1:{self.http}", "services": services,
			"mail_workers": self.workers_wanted, "local_domain": "fault.test",
			"auth_allow_cleartext": "on", "smtp_per_address_most": 10000,
			"smtp_per_network_most": 10000, "pop3_per_address_most": 10000,
			"imap_per_address_most": 10000,
			"mailbox_quota": "0"} | dict(settings)
		for name, value in rows.items():
			self.cli("settings", "set", name, value)
		for office in OFFICES:
			self.cli("postoffice", "add", office, "--password", PASSWORD)
			self.cli("domain", "add", f"{office}.test", "--postoffice", office)
			self.cli("mailbox", "add-many", "u", 1, boxes, "--postoffice", office, "--password",
				PASSWORD, "--same-hash")

	def cli(self, *words, check=True):
		return run(BUILD / "pennypost", "--config", self.conf, *words, check=check)

	# ---- asking

	def sql(self, query):
		"""Rows of words, as the superuser."""
		said = run("psql", "-XqAtF\t", "-v", "ON_ERROR_STOP=1", "-d", self.super_uri, "-c", query)
		return [line.split("\t") for line in said.splitlines()]

	def log(self):
		return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

	def workers(self, role=None):
		"""Living workers of the present master as {pid: (role, index)}, from what they logged."""
		if not self.master:
			return {}
		self._read_log()
		return {pid: self.ready[pid] for pid in children(self.master.pid)
			if pid in self.ready and role in (None, self.ready[pid][0])}

	def _read_log(self):
		"""Notes who said to be ready since it was read last."""
		with self.reading, open(self.log_path, "rb") as log:
			log.seek(self.read_to)
			fresh = log.read()
			fresh = fresh[: fresh.rfind(b"\n") + 1]
			self.read_to += len(fresh)
			for m in re.finditer(rb"WORKER_READY role=(\w+) index=(\d+) pid=(\d+)", fresh):
				self.ready[int(m[3])] = (m[1].decode(), int(m[2]))

	def serves(self):
		for port in (self.smtp, self.pop3):
			try:
				with socket.create_connection(("127.0.0.1", port), 2) as s:
					s.settimeout(5)
					if not s.recv(100):
						return False
			except OSError:
				return False
		return True

	# ---- running

	def _forget_workers(self):
		"""Of masters before: a keeper of the next one may get the number of a process that has ended."""
		if self.log_path.is_file():
			self._read_log()
		self.ready.clear()

	def launch(self, options=(), inside=(), **environment):
		"""`inside`: a command that runs the one behind it, elsewhere."""
		self._forget_workers()
		out = open(self.log_path, "ab")
		master = subprocess.Popen([*inside, BUILD / "pennypostd", "--config", self.conf, "--foreground", *options],
			stdin=subprocess.DEVNULL, stdout=out, stderr=out,
			env=self.environment | environment)
		out.close()
		return master

	def start(self, supervised=False, **environment):
		self.ending = False
		self.extra = environment
		before = self.log_path.stat().st_size if self.log_path.exists() else 0
		self.master = self.launch(**environment)
		if supervised:
			self.supervisor = threading.Thread(target=self._supervise, daemon=True)
			self.supervisor.start()
		self.await_service()
		wait_for("the workers of all roles", lambda: b"event=READY" in self.log_path.read_bytes()[before:])

	def await_service(self, seconds=120):
		def ready():
			if self.master.poll() is not None and not self.supervisor:
				raise TimeoutError(f"the server ended with {self.master.returncode}:\n"
					+ self.log()[-2000:])
			return len(self.workers("mail")) >= self.workers_wanted and self.serves()
		wait_for("service", ready, seconds)

	def await_ready(self, seconds=120):
		"""Until the house itself says so, where it speaks HTTP."""
		def ready():
			try:
				with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=10) as answer:
					return answer.status == 200
			except OSError:
				return False
		if "http" in self.services.split():
			wait_for("/readyz", ready, seconds)

	def _supervise(self):
		while not self.ending:
			self.master.wait()
			if self.ending:
				return
			self.starts.append(time.monotonic())
			self.master = self.launch(**self.extra)

	def stop(self, patience=120):
		"""SIGTERM; how long the master took to end."""
		self.ending = True
		began = time.monotonic()
		if self.master and self.master.poll() is None:
			self.master.terminate()
			try:
				self.master.wait(patience)
			except subprocess.TimeoutExpired:
				self.kill_master()
		if self.supervisor:
			self.supervisor.join()
			self.supervisor = None
		return time.monotonic() - began

	def kill_master(self):
		os.kill(self.master.pid, signal.SIGKILL)
		if not self.supervisor:
			self.master.wait()

	# ---- PostgreSQL

	def pg_kill(self):
		run(PRIVATE_PG, "kill", self.pg_dir)

	def pg_start(self):
		run(PRIVATE_PG, "start", self.pg_dir, "fast")

	def pg_hang(self):
		"""Nobody answers any more, and nothing is refused."""
		run(PRIVATE_PG, "hang", self.pg_dir)

	def pg_resume(self):
		run(PRIVATE_PG, "resume", self.pg_dir)

	def pg_resume_apart(self, most):
		"""Backends go on one after the other, within `most` seconds, some with what was given up meanwhile; all
		others at once."""
		postmaster = int((self.pg_dir / "data/postmaster.pid").read_text().split()[0])
		each = children(postmaster)
		backends = [pid for pid in each if b"pennypost_" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
		for pid in [p for p in each if p not in backends] + [postmaster]:
			os.kill(pid, signal.SIGCONT)
		random.shuffle(backends)
		for pid in backends:
			time.sleep(random.uniform(0, most / len(backends)))
			with contextlib.suppress(ProcessLookupError):
				os.kill(pid, signal.SIGCONT)

	def pg_stop(self):
		run(PRIVATE_PG, "stop", self.pg_dir)

	# ---- leaving

	def end(self):
		self.stop()
		tell_crashes(self.log_path, self.master)
		if "PENNYPOST_TEST_PGURI" not in os.environ:
			subprocess.run([PRIVATE_PG, "stop", self.pg_dir], stdin=subprocess.DEVNULL,
				stderr=subprocess.DEVNULL)
		if os.environ.get("PENNYPOST_KEEP"):
			print(f"kept: {self.dir}", file=sys.stderr)
		else:
			shutil.rmtree(self.dir, ignore_errors=True)

	def __enter__(self):
		return self

	def __exit__(self, kind, trouble, where):
		if kind:
			self.tell_log(trouble)
		self.end()

	def tell_log(self, trouble):
		"""Why the test ended, and what the server said last: so many lines, none of them endless."""
		print(f"ended by {type(trouble).__name__}: {trouble}; the server's last words:", file=sys.stderr)
		for line in self.log()[-LOG_TOLD:].splitlines()[-LINES_TOLD:]:
			print(f"  {line[:LINE_TOLD]}", file=sys.stderr)
		sys.stderr.flush()
