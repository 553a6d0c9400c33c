"""Thunderbird without a screen, led by its remote control (Marionette): a new profile gets an account, and the
witness looks at what Thunderbird makes of its folders."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess

import ground

SCRIPT = pathlib.Path(__file__).with_name("bird.js").read_text()
PREFERENCES = {"marionette.port": 0, "app.update.disabledForTesting": True, "mailnews.start_page.enabled": False,
	"mail.provider.suppress_dialog_on_startup": True, "mail.shell.checkDefaultClient": False,
	"datareporting.policy.dataSubmissionEnabled": False, "app.donation.eoy.version.viewed": 999,
	"mail.server.default.use_condstore": True, "mail.server.default.check_new_mail": False,
	"mail.server.default.autosync_offline_stores": False, "mail.biff.show_alert": False, "mail.biff.play_sound": False}
FILE = bytes(range(256)) * 40


class Bird:
	def __init__(self, stage):
		self.profile = stage.home / "profile"
		self.profile.mkdir()
		self.profile.joinpath("user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
			for name, value in PREFERENCES.items()))
		self.log = open(stage.home / "log", "wb")
		self.program = subprocess.Popen(["thunderbird", "--headless", "--no-remote", "--profile", self.profile,
			"--marionette", "--remote-allow-system-access"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
			env=stage.environment | {"XDG_RUNTIME_DIR": str(stage.home), "MOZ_LOG": "IMAP:4,timestamp,sync",
				"MOZ_LOG_FILE": str(stage.home / "imap")}, start_new_session=True)
		try:
			self._meet()
		except BaseException:
			self.close()
			raise

	def _meet(self):
		port = self.profile / "MarionetteActivePort"
		if not ground.wait_for(lambda: port.exists() and port.read_text().strip()):
			raise ground.Skipped("Thunderbird does not start its remote control")
		self.line = socket.create_connection(("127.0.0.1", int(port.read_text())), 300)
		self.numbers = 0
		self._take()
		self.ask("WebDriver:NewSession", {})
		self.ask("Marionette:SetContext", {"value": "chrome"})
		self.ask("WebDriver:SetTimeouts", {"script": 200000})

	def _take(self):
		size = b""
		while not size.endswith(b":"):
			size += self.line.recv(1)
		said = b""
		while len(said) < int(size[:-1]):
			said += self.line.recv(int(size[:-1]) - len(said))
		return json.loads(said)

	def ask(self, command, words):
		self.numbers += 1
		said = json.dumps([0, self.numbers, command, words])
		self.line.sendall(f"{len(said.encode())}:{said}".encode())
		_, _, trouble, value = self._take()
		if trouble:
			raise AssertionError(f"{command}: {trouble}")
		return value

	def do(self, step, **given):
		trouble, value = self.ask("WebDriver:ExecuteAsyncScript",
			{"script": SCRIPT, "args": [step, given], "newSandbox": True, "sandbox": "system"})["value"]
		if trouble:
			raise AssertionError(f"{step} {given}: {trouble}")
		return value

	def talk(self):
		"""All lines of its conversations, each behind the name of its connection."""
		log = b"".join(path.read_bytes() for path in self.profile.parent.glob("imap*.moz_log")).decode(errors="replace")
		log = log.replace("\r", "")
		return re.sub(r"^.*/IMAP (\w+):.*?:(CreateNewLineFromSocket|SendData): (.*)\n|.*\n", lambda line:
			f"{line[1][-6:]} {'<' if line[2][0] == 'C' else '>'} {line[3]}\n" if line[1] else "", log, flags=re.M)

	def close(self):
		if hasattr(self, "line"):
			self.line.close()
		os.killpg(self.program.pid, signal.SIGKILL)
		self.program.wait()
		self.log.close()


def thunderbird(stage):
	stage.open()
	far = stage.witness
	for n in range(5):
		far.add("INBOX", ground.letter(f"m{n}", f"text {n}, müde\r\n..\r\n", f"=?utf-8?q?Gr=C3=BC=C3=9Fe_{n}?="),
			"\\Seen" if n == 0 else "\\Flagged" if n == 1 else "")
	far.add("INBOX", ground.rich("rich", "Übersicht für März", "Grüße aus Köln\n", "<p>Grüße aus <b>Köln</b></p>",
		"Prüfung.bin", FILE))
	far.create("B&APw-ro")
	far.imap.subscribe("B&APw-ro")
	bird = Bird(stage)
	try:
		visit = Visit(stage, bird)
		for act in (visit.begins, visit.fetches, visit.flags, visit.transfers, visit.removes, visit.hears, visit.searches,
				visit.makes_folders):
			act()
	finally:
		stage.log = stage.home.joinpath("log").read_bytes()[-1000:] + bird.talk().encode()[-3000:]
		bird.close()


def asked_last(talk, before):
	"""What a connection had said last when it was told of the fourth message, behind so many octets."""
	told = re.compile(r"(\w+) < \* 4 EXISTS\n").search(talk, before)
	return re.findall(rf"^{told[1]} > (.*)\n", talk[:told.start()], re.M)[-1] if told else ""


class Visit:
	"""One after the other: what was done before is there."""

	def __init__(self, stage, bird):
		self.stage, self.bird, self.far = stage, bird, stage.witness

	def comes(self, what, holds):
		"""It tells the server in its own time."""
		self.stage.check(what, ground.wait_for(holds), (self.far.flags(), self.far.folders()))

	def begins(self):
		place, box = self.stage.ground, self.stage.box
		ca = base64.b64encode(ssl.PEM_cert_to_DER_cert(pathlib.Path(place.ca).read_text())).decode()
		self.stage.check("makes an account", self.bird.do("account", host=place.host, port=place.imaps, user=box.user,
			password=box.password, ca=ca))
		folders = ground.wait_for(lambda: "Büro" in (got := self.bird.do("folders")) and got) or self.bird.do("folders")
		self.stage.check("lists folders", "Büro" in folders and "INBOX" in folders, folders)

	def fetches(self):
		stage, bird, far = self.stage, self.bird, self.far
		rows = bird.do("fetch", name="Inbox")
		stage.equal("fetches a folder", sorted(rows), [[f"m{n}", n == 0, n == 1, f"Grüße {n}"] for n in range(5)] +
			[["rich", False, False, "Übersicht für März"]])
		there = far.names()
		stage.equal("keeps it whole", bird.do("keep", name="Inbox"), sorted(there))
		for name, message in there.items():
			saved = stage.home / f"saved-{name}"
			bird.do("save", name=name, of="Inbox", path=str(saved))
			octets = saved.read_bytes().replace(b"\r", b"")
			stage.check(f"has all octets of {name}", octets.endswith(message.octets.replace(b"\r", b"")), octets)
		stage.equal("nothing of that marks as seen", {n: m.flags for n, m in far.names().items()},
			{n: m.flags for n, m in there.items()})

	def flags(self):
		bird, far = self.bird, self.far
		bird.do("read", name="m2", of="Inbox", yes=True)
		self.comes("marks as seen", lambda: "\\Seen" in far.flags()["m2"])
		bird.do("read", name="m0", of="Inbox", yes=False)
		self.comes("marks as not seen", lambda: "\\Seen" not in far.flags()["m0"])
		bird.do("flag", name="m3", of="Inbox", yes=True)
		self.comes("flags", lambda: "\\Flagged" in far.flags()["m3"])
		bird.do("flag", name="m1", of="Inbox", yes=False)
		self.comes("takes a flag away", lambda: "\\Flagged" not in far.flags()["m1"])
		bird.do("tag", name="m1", of="Inbox", tag="$label1")
		self.comes("tags", lambda: "$label1" in far.flags()["m1"])

	def transfers(self):
		bird, far, stage = self.bird, self.far, self.stage
		bird.do("transfer", name="m3", of="Inbox", to="Büro", move=False)
		self.comes("copies", lambda: list(far.names("B&APw-ro")) == ["m3"] and "m3" in far.names())
		bird.do("transfer", name="m4", of="Inbox", to="Büro", move=True)
		self.comes("moves", lambda: sorted(far.names("B&APw-ro")) == ["m3", "m4"] and "m4" not in far.names())
		letter = ground.letter("brought", "from here, müde\r\n" * 3000)
		stage.home.joinpath("brought").write_bytes(letter)
		bird.do("bring", path=str(stage.home / "brought"), to="Büro")
		self.comes("brings", lambda: "brought" in far.names("B&APw-ro"))
		stage.equal("what it brought is whole and seen", far.names("B&APw-ro")["brought"],
			ground.Message(frozenset({"\\Seen"}), letter))
		rows = bird.do("fetch", name="Büro")
		stage.equal("has what it copied, moved and brought", sorted(r[0] for r in rows), ["brought", "m3", "m4"])

	def removes(self):
		bird, far = self.bird, self.far
		bird.do("way", model=1)
		bird.do("remove", name="m0", of="Inbox")
		self.comes("removes to the trash", lambda: "m0" not in far.names() and "Trash" in far.folders() and
			list(far.names("Trash")) == ["m0"])
		bird.do("way", model=0)
		bird.do("remove", name="m3", of="Büro")
		self.comes("marks as removed", lambda: "\\Deleted" in far.flags("B&APw-ro").get("m3", ()))
		bird.do("compact", name="Büro")
		self.comes("compacts", lambda: sorted(far.names("B&APw-ro")) == ["brought", "m4"])
		bird.do("way", model=2)
		bird.do("remove", name="m1", of="Inbox")
		self.comes("removes at once", lambda: "m1" not in far.names() or "\\Deleted" in far.flags()["m1"])
		bird.do("compact", name="Inbox")
		self.comes("what is left", lambda: sorted(far.names()) == ["m2", "m3", "rich"])

	def hears(self):
		stage, bird, far = self.stage, self.bird, self.far
		stage.equal("lists the rest", sorted(r[0] for r in bird.do("fetch", name="Inbox")), ["m2", "m3", "rich"])
		before = len(bird.talk())
		far.add("INBOX", ground.letter("news"))
		stage.check("hears of news", bird.do("hears", name="news", of="Inbox"))
		stage.deliver(ground.letter("delivered"))
		stage.check("hears of what is delivered", bird.do("hears", name="delivered", of="Inbox"))
		far.remove("INBOX", "news")
		stage.check("hears of removals", bird.do("forgets", name="news", of="Inbox"))
		stage.check("by IDLE, without having asked", asked_last(bird.talk(), before).endswith(" IDLE"), bird.talk()[before:])
		far.store("INBOX", "m2", "+", "\\Flagged")
		rows = bird.do("fetch", name="Inbox")
		stage.check("hears of flags", ["m2", True, True, "Grüße 2"] in rows, rows)

	def searches(self):
		bird, stage = self.bird, self.stage
		stage.equal("searches subjects", bird.do("subject", of="Inbox", words="Grüße 3"), ["m3"])
		stage.equal("searches bodies", bird.do("body", of="Inbox", words="2, müde"), ["m2"])
		stage.equal("searches decoded bodies", bird.do("body", of="Inbox", words="aus Köln"), ["rich"])
		stage.equal("finds nothing where nothing is", bird.do("body", of="Inbox", words="nowhere"), [])

	def makes_folders(self):
		bird, far = self.bird, self.far
		self.stage.check("makes a folder", bird.do("make", name="Aufträge"))
		self.comes("a folder was made", lambda: "Auftr&AOQ-ge" in far.folders())
		bird.do("transfer", name="m2", of="Inbox", to="Aufträge", move=True)
		self.comes("moves there", lambda: list(far.names("Auftr&AOQ-ge")) == ["m2"])
		self.stage.check("renames a folder", bird.do("rename", **{"from": "Aufträge", "to": "Erledigtes"}))
		self.comes("its mail went along", lambda: "Auftr&AOQ-ge" not in far.folders() and
			list(far.names("Erledigtes")) == ["m2"])
