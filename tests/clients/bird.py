"""Thunderbird without a screen, led by its remote control (Marionette): a new profile gets an account, and the
witness looks at what Thunderbird makes of its folders."""
import base64
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess

import ground

SCRIPT = pathlib.Path(__file__).with_name("bird.js").read_text()
PREFERENCES = {"marionette.port": 0, "app.update.disabledForTesting": True, "mailnews.start_page.enabled": False,
	"mail.provider.suppress_dialog_on_startup": True, "mail.shell.checkDefaultClient": False,
	"datareporting.policy.dataSubmissionEnabled": False, "app.donation.eoy.version.viewed": 999,
	"mail.server.default.delete_model": 2, "mail.biff.show_alert": False, "mail.biff.play_sound": False}


class Bird:
	def __init__(self, stage):
		self.profile = stage.home / "profile"
		self.profile.mkdir()
		self.profile.joinpath("user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
			for name, value in PREFERENCES.items()))
		self.log = open(stage.home / "log", "wb")
		self.program = subprocess.Popen(["thunderbird", "--headless", "--no-remote", "--profile", self.profile,
			"--marionette", "--remote-allow-system-access"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
			env=stage.environment | {"XDG_RUNTIME_DIR": str(stage.home)}, start_new_session=True)
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

	def close(self):
		if hasattr(self, "line"):
			self.line.close()
		os.killpg(self.program.pid, signal.SIGKILL)
		self.program.wait()
		self.log.close()


def thunderbird(stage):
	stage.open()
	far, place = stage.witness, stage.ground
	for n in range(5):
		far.add("INBOX", ground.letter(f"m{n}", f"text {n}, müde\r\n..\r\n", f"=?utf-8?q?Gr=C3=BC=C3=9Fe_{n}?="),
			"\\Seen" if n == 0 else "\\Flagged" if n == 1 else "")
	far.create("B&APw-ro")
	far.imap.subscribe("B&APw-ro")
	bird = Bird(stage)
	try:
		fetches(stage, bird)
	finally:
		stage.log = stage.home.joinpath("log").read_bytes()[-2000:]
		bird.close()


def fetches(stage, bird):
	far, place = stage.witness, stage.ground
	ca = base64.b64encode(ssl.PEM_cert_to_DER_cert(pathlib.Path(place.ca).read_text())).decode()
	stage.check("makes an account", bird.do("account", host=place.host, port=place.imaps, user=stage.box.user,
		password=stage.box.password, ca=ca))
	folders = ground.wait_for(lambda: "Büro" in (got := bird.do("folders")) and got) or bird.do("folders")
	stage.check("lists folders", "Büro" in folders, folders)
	rows = bird.do("fetch", name="Inbox")
	stage.equal("fetches a folder", sorted(rows), [[f"m{n}", n == 0, n == 1, f"Grüße {n}"] for n in range(5)])
	saved = stage.home / "saved"
	bird.do("save", name="m3", of="Inbox", path=str(saved))
	stage.check("fetches texts", "text 3, müde\n..\n".encode() in saved.read_bytes().replace(b"\r", b""))

	def comes(what, holds):
		stage.check(what, ground.wait_for(holds), far.flags())

	bird.do("read", name="m2", of="Inbox")
	comes("marks as seen", lambda: "\\Seen" in far.flags()["m2"])
	bird.do("flag", name="m3", of="Inbox")
	comes("flags", lambda: "\\Flagged" in far.flags()["m3"])
	bird.do("transfer", name="m3", of="Inbox", to="Büro", move=False)
	comes("copies", lambda: list(far.names("B&APw-ro")) == ["m3"] and "m3" in far.names())
	bird.do("transfer", name="m4", of="Inbox", to="Büro", move=True)
	comes("moves", lambda: sorted(far.names("B&APw-ro")) == ["m3", "m4"] and "m4" not in far.names())
	bird.do("remove", name="m0", of="Inbox")
	comes("removes", lambda: "m0" not in far.names() or "\\Deleted" in far.flags()["m0"])
	far.add("INBOX", ground.letter("news"))
	stage.check("hears of news", bird.do("hears", name="news", of="Inbox"))
	far.store("INBOX", "m2", "+", "\\Flagged")
	rows = bird.do("fetch", name="Inbox")
	stage.check("hears of flags", ["m2", True, True, "Grüße 2"] in rows, rows)
	rows = bird.do("fetch", name="Büro")
	stage.equal("has what it copied and moved", sorted(r[0] for r in rows), ["m3", "m4"])
