"""Roundcube, asked for its pages as a browser does: logs on, lists, reads, flags, moves, searches, sends, makes folders,
and with a cache of its own that it brings up to date by QRESYNC."""
import http.cookiejar
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import ground

ROOT = pathlib.Path("/usr/share/roundcube")


def quoted(word):
	return "'" + str(word).replace("\\", "\\\\").replace("'", "\\'") + "'"


def names(fields):
	return {f"_{name}": value for name, value in fields.items()}


def upload(field, name, octets):
	"""A form with one file: its octets and type."""
	edge = secrets.token_hex(16)
	return (f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
		"Content-Type: application/octet-stream\r\n\r\n").encode() + octets + f"\r\n--{edge}--\r\n".encode(), \
		f"multipart/form-data; boundary={edge}"


class Pages:
	"""A browser's session with Roundcube under PHP's own web server."""

	def __init__(self, stage):
		self.home = stage.home
		config = stage.home / "config"
		config.mkdir()
		for kept in ("defaults.inc.php", "mimetypes.php"):
			config.joinpath(kept).symlink_to(f"/etc/roundcube/{kept}")
		place = stage.ground
		tls = f"['ssl' => ['cafile' => {quoted(place.ca)}, 'verify_peer' => true, 'peer_name' => {quoted(place.host)}]]"
		config.joinpath("config.inc.php").write_text(f"""<?php
$config = [
	'db_dsnw' => 'sqlite:///{stage.home}/db?mode=0600',
	'imap_host' => 'ssl://{place.host}:{place.imaps}', 'imap_conn_options' => {tls},
	'smtp_host' => 'ssl://{place.host}:{place.smtps}', 'smtp_conn_options' => {tls},
	'smtp_user' => '%u', 'smtp_pass' => '%p',
	'des_key' => {quoted(secrets.token_hex(12))}, 'plugins' => [], 'skin' => 'elastic', 'language' => 'en_US',
	'temp_dir' => '{stage.home}', 'log_dir' => '{stage.home}', 'log_driver' => 'file', 'imap_debug' => true,
	'create_default_folders' => true, 'ip_check' => false, 'request_path' => '/',
	'imap_cache' => 'db', 'messages_cache' => 'db', 'check_all_folders' => true,
];
""")
		with socket.socket() as free:
			free.bind(("127.0.0.1", 0))
			port = free.getsockname()[1]
		self.base = f"http://127.0.0.1:{port}/"
		self.log = open(stage.home / "php", "wb")
		self.server = subprocess.Popen(["php", "-S", f"127.0.0.1:{port}", "-t", ROOT], stdin=subprocess.DEVNULL,
			stdout=self.log, stderr=self.log, cwd=ROOT, env=stage.environment | {"ROUNDCUBE_CONFIG_DIR": str(config)})
		self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
		self.token = ""
		ground.wait_for(self._answers)

	def _answers(self):
		try:
			return self.get()
		except OSError:
			return None

	def _ask(self, query, fields=None, quick=False, file=None):
		url = self.base + "?" + urllib.parse.urlencode(query | ({"_remote": 1} if quick else {}))
		data, headers = None, {"X-Roundcube-Request": self.token}
		if file is not None:
			data, headers["Content-Type"] = upload("_attachments[]", *file)
		elif fields is not None:
			data = urllib.parse.urlencode(fields | {"_token": self.token}, doseq=True).encode()
		if quick:
			headers["X-Requested-With"] = "XMLHttpRequest"
		try:
			answer = self.browser.open(urllib.request.Request(url, data, headers), timeout=300)
		except urllib.error.HTTPError as page: # one that says so to people too
			answer = page
		with answer:
			self.url, octets = answer.url, answer.read()
		found = re.search(rb'"request_token":"(\w+)"', octets)
		self.token = found[1].decode() if found else self.token
		return octets

	def octets(self, **query):
		"""A file."""
		return self._ask(names(query))

	def get(self, **query):
		"""A page."""
		return self.octets(**query).decode(errors="replace")

	def post(self, page, form, /, **fields):
		"""What a page's form says."""
		return self._ask({"_task": page, "_action": form}, names(fields)).decode(errors="replace")

	def quick(self, action, post=None, task="mail", file=None, **query):
		"""What a page asks for while it stands: (what is to be carried out in it, what it has to know)."""
		said = json.loads(self._ask({"_task": task, "_action": action} | names(query),
			None if post is None else names(post), True, file))
		return said.get("exec", ""), said.get("env", {})

	def logs(self):
		return b"".join(self.home.joinpath(name).read_bytes()[-1500:] for name in ("php", "errors.log", "imap.log")
			if self.home.joinpath(name).exists())

	def talk(self):
		"""All that was said with the server."""
		return self.home.joinpath("imap.log").read_text(errors="replace")

	def close(self):
		os.kill(self.server.pid, signal.SIGTERM)
		self.server.wait()
		self.log.close()


FILE = bytes(range(256)) * 40
PLAIN = "Grüße aus Köln\n"
PAGE = '<html><body><h1>Grüße</h1><p id="p">aus <b>Köln</b></p><script>alert(1)</script></body></html>'


def uids(said):
	"""Of the rows that a list adds."""
	return [int(n) for n in re.findall(r"add_message_row\((\d+),", said[0])]


def roundcube(stage):
	if not ROOT.joinpath("index.php").exists():
		raise ground.Skipped("Roundcube is not installed")
	stage.open()
	far = stage.witness
	for n in range(6):
		far.add("INBOX", ground.letter(f"m{n}", f"text {n}, müde\r\n", f"subject {n}"), "\\Seen" if n < 2 else "")
	far.create("B&APw-ro")
	far.imap.subscribe("B&APw-ro")
	pages = Pages(stage)
	try:
		visit = Visit(stage, pages)
		for act in (visit.logs_on, visit.reads, visit.reads_parts, visit.flags, visit.moves, visit.searches, visit.hears,
				visit.makes_folders, visit.sends, visit.drafts, visit.removes):
			act()
	finally:
		stage.log = pages.logs()
		pages.close()


class Visit:
	"""One after the other: what was done before is there."""

	def __init__(self, stage, pages):
		self.stage, self.pages, self.far = stage, pages, stage.witness

	def check(self, what, good, detail=""):
		self.stage.log = self.pages.logs() if not good else b""
		return self.stage.check(what, good, detail)

	def equal(self, what, got, wanted):
		return self.check(what, got == wanted, f"{got!r} instead of {wanted!r}")

	def listed(self, folder="INBOX", **more):
		return uids(self.pages.quick("list", mbox=folder, page=1, **more))

	def logs_on(self):
		pages, box = self.pages, self.stage.box
		pages.get(task="login")
		page = pages.post("login", "login", task="login", action="login", user=box.user, timezone="UTC", url="",
			**{"pass": "not " + box.password})
		self.check("does not log on with another password", "_task=mail" not in pages.url and 'name="_pass"' in page)
		page = pages.post("login", "login", task="login", action="login", user=box.user, timezone="UTC", url="",
			**{"pass": box.password})
		self.check("logs on", "_task=mail" in pages.url, pages.url + page[-300:])
		page = pages.get(task="mail", mbox="INBOX")
		self.check("shows the folders", "B&amp;APw-ro" in page and ">Büro<" in page.replace("\n", ""),
			re.findall(r"B.{0,6}ro", page))
		made = self.far.folders()
		self.check("makes the usual folders", {"Sent", "Drafts", "Trash"} <= set(made), made)

	def reads(self):
		self.equal("lists the mail", sorted(self.listed()), [1, 2, 3, 4, 5, 6])
		page = self.pages.get(task="mail", action="show", mbox="INBOX", uid=3)
		self.check("shows a message", "text 2, müde" in page and "subject 2" in page)
		self.check("what was shown is seen", "\\Seen" in self.far.flags()["m2"], self.far.flags())
		self.check("what was not shown is not", "\\Seen" not in self.far.flags()["m3"], self.far.flags())
		source = self.pages.octets(task="mail", action="viewsource", mbox="INBOX", uid=3, save=1)
		self.equal("gives its source, octet for octet", source, self.far.names()["m2"].octets)

	def reads_parts(self):
		"""A text, the same as a page, and a file."""
		self.far.add("INBOX", ground.rich("rich", "Übersicht für März", PLAIN, PAGE, "Prüfung.bin", FILE))
		self.equal("lists what came with a file", self.listed(), [7, 6, 5, 4, 3, 2, 1])
		page = self.pages.get(task="mail", action="show", mbox="INBOX", uid=7)
		self.check("shows subject and sender", "Übersicht für März" in page and "Änne Grün" in page)
		self.check("shows the page, without its script", "<b>Köln</b>" in page and "alert(1)" not in page)
		self.check("names the file", "Prüfung.bin" in page)
		part = re.search(r'"attachments":\{"?(\d+(?:\.\d+)*)', page) or re.search(r"_part=(\d+(?:\.\d+)*)&", page)
		file = self.pages.octets(task="mail", action="get", mbox="INBOX", uid=7, part=part[1] if part else 2, download=1)
		self.equal("gives the file, octet for octet", file == FILE, True)
		text = self.pages.get(task="mail", action="preview", mbox="INBOX", uid=7, framed=1, prefer_html=0, format="plain")
		self.check("shows the text", "Grüße aus Köln" in text and "<b>Köln</b>" not in text)

	def flags(self):
		self.pages.quick("mark", {"uid": "4,5", "flag": "flagged", "mbox": "INBOX"})
		flags = self.far.flags()
		self.equal("flags", {n for n, f in flags.items() if "\\Flagged" in f}, {"m3", "m4"})
		self.pages.quick("mark", {"uid": "5", "flag": "unflagged", "mbox": "INBOX"})
		self.pages.quick("mark", {"uid": "1", "flag": "unread", "mbox": "INBOX"})
		self.pages.quick("mark", {"uid": "6", "flag": "read", "mbox": "INBOX"})
		flags = self.far.flags()
		self.equal("takes a flag away", {n for n, f in flags.items() if "\\Flagged" in f}, {"m3"})
		self.equal("marks as seen and as not seen", {n for n, f in flags.items() if "\\Seen" in f},
			{"m1", "m2", "m5", "rich"})

	def moves(self):
		self.pages.quick("move", {"uid": "5", "mbox": "INBOX", "target_mbox": "B&APw-ro"})
		self.check("moves", sorted(self.far.names("B&APw-ro")) == ["m4"] and "m4" not in self.far.names(), self.far.flags())
		self.pages.quick("copy", {"uid": "6", "mbox": "INBOX", "target_mbox": "B&APw-ro"})
		self.check("copies", sorted(self.far.names("B&APw-ro")) == ["m4", "m5"] and "m5" in self.far.names(),
			self.far.flags("B&APw-ro"))
		self.pages.quick("move", {"uid": "1", "mbox": "INBOX", "target_mbox": "Trash"})
		self.check("removes to the trash", "m0" not in self.far.names() and sorted(self.far.names("Trash")) == ["m0"],
			self.far.folders())

	def found(self, words, fields, scope="base", keep="ALL"):
		return self.pages.quick("search", mbox="INBOX", q=words, headers=fields, scope=scope, filter=keep)

	def searches(self):
		for what, asked, wanted in (("subjects", ("subject 3", "subject"), [4]), ("texts", ("5, müde", "text"), [6]),
				("bodies decoded", ("aus Köln", "body"), [7]), ("a body for what only a subject has", ("subject", "body"), []),
				("senders", ("Änne", "subject,from"), [7]), ("for what is nowhere", ("nowhere", "text"), [])):
			self.equal(f"searches {what}", uids(self.found(*asked)), wanted)
		self.equal("searches among the unseen", sorted(uids(self.found("subject", "subject", keep="UNSEEN"))), [4])
		said = self.found("müde", "text", scope="all")
		self.equal("searches all folders", sorted(re.findall(r'add_message_row\("?([^,"]*)"?,', said[0])),
			sorted(["2-INBOX", "3-INBOX", "4-INBOX", "6-INBOX", "1-B&APw-ro", "2-B&APw-ro", "1-Trash"]))
		self.equal("sorts by subject", self.listed(sort="subject_DESC"), [7, 6, 4, 3, 2])
		self.equal("sorts by size", self.listed(sort="size_DESC")[0], 7)

	def hears(self):
		far, pages = self.far, self.pages
		self.listed()
		far.add("INBOX", ground.letter("news"))
		said = pages.quick("refresh", {"mbox": "INBOX", "list": 1, "folderlist": 1})
		self.equal("hears of news", sorted(uids(said)), [2, 3, 4, 6, 7, 8])
		far.store("INBOX", "m1", "+", "\\Flagged \\Answered")
		said = pages.quick("refresh", {"mbox": "INBOX", "list": 1, "folderlist": 1, "uids": "2,3,4,6,7,8"})
		heard = said[1].get("recent_flags", {})
		self.check("hears of flags", [heard.get("2", {}).get(n) for n in ("flagged", "answered", "seen")] == [1, 1, 1], said)
		far.remove("INBOX", "m1")
		said = pages.quick("refresh", {"mbox": "INBOX", "list": 1, "folderlist": 1})
		self.equal("hears of removals", sorted(uids(said)), [3, 4, 6, 7, 8])
		far.add("B&APw-ro", ground.letter("aside"))
		said = pages.quick("refresh", {"mbox": "INBOX", "list": 1, "folderlist": 1})
		self.check("hears what is unseen in other folders", re.search(r'set_unread_count\("B&APw-ro",2,', said[0]), said[0][:600])
		self.check("asks what changed by QRESYNC", re.search(r"CHANGEDSINCE \d+ VANISHED\)", pages.talk()))

	def makes_folders(self):
		far, pages = self.far, self.pages

		def save(name, old="", above=""):
			return pages.post("settings", "save-folder", name=name, mbox=old, parent=above, framed="1", viewmode="0")

		save("Aufträge")
		self.check("makes a folder", "Auftr&AOQ-ge" in far.folders(), far.folders())
		save("Neue", above="Auftr&AOQ-ge")
		self.check("makes a folder below", "Auftr&AOQ-ge/Neue" in far.folders(), far.folders())
		pages.quick("move", {"uid": "8", "mbox": "INBOX", "target_mbox": "Auftr&AOQ-ge/Neue"})
		save("Aufgaben", old="Auftr&AOQ-ge")
		self.check("renames it with what is below", {"Aufgaben", "Aufgaben/Neue"} <= set(far.folders()) and
			not any(f.startswith("Auftr&") for f in far.folders()), far.folders())
		self.equal("its mail went along", sorted(far.names("Aufgaben/Neue")), ["news"])
		page = pages.get(task="mail", mbox="INBOX")
		self.check("shows the new name", "Aufgaben/Neue" in page and "Aufträge" not in page)
		pages.quick("folder-delete", {"mbox": "Aufgaben"}, task="settings")
		self.check("removes it with what is below", not any("Aufgaben" in f for f in far.folders()), far.folders())

	def compose(self, **what):
		"""The fields of a form that was opened for it."""
		page = self.pages.get(task="mail", action="compose", **what)
		number = urllib.parse.parse_qs(urllib.parse.urlparse(self.pages.url).query)["_id"][0]
		identity = re.search(r'name="_from"[^>]*>\s*<option value="(\d+)"', page)
		return {"id": number, "attachments": "", "draft": "", "draft_saveid": "", "is_html": "0", "framed": "1",
			"store_target": "Sent", "from": identity[1] if identity else "1"}

	def sends(self):
		pages, far = self.pages, self.far
		other = ground.Box(self.stage.ground, "other-" + secrets.token_hex(3))
		reader = ground.Witness(self.stage.ground, other)
		form = self.compose(to=other.user)
		said = pages.quick("upload", file=("Prüfung.bin", FILE), id=form["id"], uploadid="1")
		file = re.search(r'add2attachment_list\("rcmfile(\w+)"', said[0])
		if not self.check("takes a file", file, said):
			return
		said = pages.post("mail", "send", **form | {"to": other.user, "subject": "from Röundcube", "attachments": file[1],
			"message": "Hello, müde\n.\n..bye"})
		came = ground.wait_for(lambda: list(reader.look().values()))
		if self.check("sends", came, said[-600:]):
			subject, texts, files = ground.read(came[0].octets)
			self.equal("subject and text arrive", (subject, texts["text/plain"].strip()),
				("from Röundcube", "Hello, müde\n.\n..bye"))
			self.equal("the file arrives", files, {"Prüfung.bin": FILE})
		kept = list(far.look("Sent").values())
		self.check("keeps what it sent", len(kept) == 1 and "\\Seen" in kept[0].flags and
			came and ground.body_of(kept[0].octets) == ground.body_of(came[0].octets), kept)
		form = self.compose(reply_uid=3, mbox="INBOX")
		pages.post("mail", "send", **form | {"to": other.user, "subject": "Re: subject 2", "message": "an answer"})
		answer = ground.wait_for(lambda: [m for m in reader.look().values() if b"subject 2" in m.octets])
		self.check("answers, and names what it answers to", answer and b"In-Reply-To: <m2@demo.test>" in answer[0].octets, answer)
		self.check("what was answered is marked", "\\Answered" in far.flags()["m2"], far.flags())
		reader.close()

	def drafts(self):
		pages, far, box = self.pages, self.far, self.stage.box
		words = {"to": box.user, "subject": "a draft", "message": "not yet"}
		form = self.compose()
		said = pages.post("mail", "send", **form | words | {"draft": "1", "store_target": "Drafts"})
		kept = far.look("Drafts")
		if not self.check("keeps a draft", len(kept) == 1 and b"not yet" in [*kept.values()][0].octets, said[-600:]):
			return
		number = str([*kept][0])
		form = self.compose(draft_uid=number, mbox="Drafts")
		pages.post("mail", "send", **form | words | {"message": "now", "draft_saveid": number})
		came = ground.wait_for(lambda: [m for m in far.look().values() if b"Subject: a draft" in m.octets])
		self.check("sends it", came and ground.read(came[0].octets)[1]["text/plain"].strip() == "now", came)
		self.equal("the draft is gone", far.look("Drafts"), {})

	def removes(self):
		pages, far = self.pages, self.far
		pages.quick("delete", {"uid": "2", "mbox": "B&APw-ro", "from": ""})
		self.check("removes for good", sorted(far.names("B&APw-ro")) == ["aside", "m4"] and
			sorted(far.names("Trash")) == ["m0"], [far.flags("B&APw-ro"), far.flags("Trash")])
		pages.quick("purge", {"mbox": "Trash"}, mbox="Trash")
		self.equal("empties the trash", far.names("Trash"), {})
		pages.get(task="logout", token=pages.token)
		page = pages.get(task="mail", mbox="INBOX")
		self.check("logs out", 'name="_pass"' in page, page[:300])
