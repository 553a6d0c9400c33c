"""A platform of a test's own, beside the PostgreSQL that with-pg.sh or private-pg.sh made: its bootstrap file,
its command line, its server, and the count of what held."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
from place import free_ports, tell_crashes # noqa: E402

BUILD = pathlib.Path(os.environ.get("PENNYPOST_TOP_BUILDDIR") or ".").resolve()
BOUND = 120.0 # seconds: longer than any machine takes; who waits goes on at once when it holds


def wait_for(until, seconds=BOUND):
	end = time.monotonic() + seconds
	while time.monotonic() < end:
		got = until()
		if got:
			return got
		time.sleep(0.05)
	return until()


def clear_of_midnight(minutes=2, span=86400):
	"""What is counted by days of UTC, or by spans of so many seconds, is not to fall into two of them: who comes so shortly before
	waits for the next one."""
	left = span - time.time() % span
	if left < 60 * minutes:
		time.sleep(left + 1)


def clear_of_the_hour(minutes=2):
	clear_of_midnight(minutes, 3600)


def free_port():
	return free_ports(1)[0]


def super_uri():
	"""The superuser's, in the platform's database."""
	return re.sub(r"/postgres(?=\?|$)", "/pennypost", os.environ["PENNYPOST_TEST_SUPERURI"])


def sql(script, uri=None):
	"""What a script gives, a line for each row and | between its values; as the superuser, unless told another's URI."""
	got = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", uri or super_uri()], input=script, text=True,
		stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	if got.returncode:
		raise RuntimeError(f"{got.stderr}\nin: {script[:2000]}")
	return got.stdout.strip()


class House:
	def __init__(self, name):
		self.name = name
		self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"pennypost-{name}."))
		self.dir.chmod(0o755)
		self.conf = self.dir / "pennypost.conf"
		self.log = self.dir / "log"
		self.passed = self.failed = 0
		self.breaches = 0 # of the ledger, that the test makes itself
		self.master = None

	def show(self, what, good, detail=""):
		self.passed += bool(good)
		self.failed += not good
		print(f"{'ok  ' if good else 'FAIL'} {what}{f': {detail}' if not good else ''}", flush=True)

	def pennypost(self, *words, check=True):
		got = subprocess.run([BUILD / "pennypost", "--json", "--config", self.conf, *words], text=True,
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		if check and got.returncode not in (0, 1):
			raise RuntimeError(f"pennypost {' '.join(map(str, words))}: {got.stdout}{got.stderr}")
		return json.loads(got.stdout) if got.stdout.strip() else None

	def run(self, *words, said=b""):
		"""The same as people call it; what it says are octets."""
		return subprocess.run([BUILD / "pennypost", "--config", self.conf, *words], input=said, stdout=subprocess.PIPE,
			stderr=subprocess.PIPE)

	def raw(self, id):
		"""A message's octets."""
		return subprocess.run([BUILD / "pennypost", "--config", self.conf, "message", "show", id, "--raw"], check=True,
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout

	def configure(self):
		"""The bootstrap file, a certificate and the folders."""
		user = "nobody" if os.geteuid() == 0 else ""
		folder = self.dir / "certificates"
		(self.dir / "run").mkdir()
		folder.mkdir()
		subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
			"/CN=localhost", "-keyout", folder / "default.key", "-out", folder / "default.crt"], check=True,
			stderr=subprocess.DEVNULL)
		(folder / "default.key").chmod(0o600)
		(self.dir / "secret").write_bytes(os.urandom(32))
		(self.dir / "secret").chmod(0o600)
		rows = {"pguri": os.environ["PENNYPOST_TEST_PGURI"], "pguri_system": os.environ["PENNYPOST_TEST_PGURI_SYSTEM"],
			"pguri_owner": os.environ["PENNYPOST_TEST_PGURI_OWNER"], "node": self.name, "certificates": folder,
			"secret_file": self.dir / "secret", "state": self.dir / "run", "user": user}
		self.conf.write_text("".join(f"{k} = {v}\n" for k, v in rows.items() if v != ""))
		self.conf.chmod(0o600)
		if user:
			for path in ("run", "certificates", "certificates/default.key", "secret"):
				shutil.chown(self.dir / path, user)

	def prepare(self, settings, mailboxes):
		"""All that, a schema, settings, the post office demo with the domain demo.test and mailboxes in it."""
		self.configure()
		self.pennypost("schema", "migrate")
		self.pennypost("settings", "set", "ledger_check_every", "1 s")
		for name, value in settings.items():
			self.pennypost("settings", "set", name, str(value))
		self.pennypost("postoffice", "add", "demo", "--password", "secret-1")
		self.pennypost("domain", "add", "demo.test", "--postoffice", "demo")
		for name in mailboxes:
			self.pennypost("mailbox", "add", f"{name}@demo", "--password", "secret-1")

	def start(self, **environment):
		"""Until all its processes serve."""
		log = open(self.log, "ab")
		before = self.log.stat().st_size # what an earlier start said does not count
		self.master = subprocess.Popen([BUILD / "pennypostd", "--config", self.conf], stdin=subprocess.DEVNULL,
			stdout=log, stderr=log, start_new_session=True, env={**os.environ, **environment})
		if not wait_for(lambda: b"event=READY" in self.log.read_bytes()[before:]):
			sys.exit(self.log.read_text())

	def stop(self):
		self.master.terminate()
		ended = self.master.wait(BOUND)
		self.master = None
		return ended

	def ledger(self, counted):
		"""What the server told of the ledger, and, where it can be asked, the ledger itself."""
		told = [line for line in self.log.read_text().splitlines() if "event=LEDGER_BREACH" in line] if self.log.exists() else []
		self.show("the server told of no breach of the ledger", len(told) == self.breaches, "\n".join(told[:5]))
		if counted:
			got = self.run("--json", "ledger", "check", "--mailboxes")
			self.show("the ledger holds", got.returncode == 0, f"exit {got.returncode}: {(got.stdout + got.stderr).decode()}")

	def leave(self):
		"""Ends it. What held is not told, only what crashed."""
		if self.master:
			self.master.kill()
			self.master.wait()
		tell_crashes(self.log, self.master)
		shutil.rmtree(self.dir, ignore_errors=True)

	def end(self, ledger=True):
		"""The exit code of the test. Whatever a test does, it is counted; one whose database or schema is gone by now says
		that there is nothing to be asked."""
		self.ledger(ledger)
		broken_off = sys.exc_info()[0]
		if (self.failed or broken_off) and self.log.exists():
			print("\n".join(line[:600] for line in self.log.read_text(errors="replace").splitlines()[-80:]))
		self.leave()
		print(f"{self.passed} passed, {self.failed} failed")
		return 1 if self.failed or not self.passed else 0
