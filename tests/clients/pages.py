"""Roundcube, asked for its pages as a browser does: logs on, lists, reads, flags, moves, searches, sends."""
import http.cookiejar
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

import ground

ROOT = pathlib.Path("/usr/share/roundcube")


def quoted(word):
	return "'" + str(word).replace("\\", "\\\\").replace("'", "\\'") + "'"


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

	def _ask(self, query, fields=None, quick=False):
		url = self.base + "?" + urllib.parse.urlencode(query | ({"_remote": 1} if quick else {}))
		data = urllib.parse.urlencode(fields | {"_token": self.token}, doseq=True).encode() if fields is not None else None
		request = urllib.request.Request(url, data, {"X-Roundcube-Request": self.token})
		if quick:
			request.add_header("X-Requested-With", "XMLHttpRequest")
		with self.browser.open(request, timeout=300) as answer:
			self.url, page = answer.url, answer.read().decode(errors="replace")
		found = re.search(r'"request_token":"(\w+)"', page)
		self.token = found[1] if found else self.token
		return page

	def get(self, **query):
		"""A page."""
		return self._ask({f"_{k}": v for k, v in query.items()})

	def post(self, action, **fields):
		"""What a page's form says."""
		return self._ask({"_task": "mail" if action != "login" else "login", "_action": action},
			{f"_{k}": v for k, v in fields.items()})

	def quick(self, action, post=None, **query):
		"""What a page asks for while it stands: what is to be carried out in it."""
		said = self._ask({"_task": "mail", "_action": action} | {f"_{k}": v for k, v in query.items()},
			None if post is None else {f"_{k}": v for k, v in post.items()}, quick=True)
		return json.loads(said).get("exec", "")

	def logs(self):
		return b"".join(self.home.joinpath(name).read_bytes()[-1500:] for name in ("php", "errors.log", "imap.log")
			if self.home.joinpath(name).exists())

	def close(self):
		os.kill(self.server.pid, signal.SIGTERM)
		self.server.wait()
		self.log.close()


def uids(said):
	"""Of the rows that a list adds."""
	return [int(n) for n in re.findall(r"add_message_row\((\d+),", said)]


def roundcube(stage):
	if not ROOT.joinpath("index.php").exists():
		raise ground.Skipped("Roundcube is not installed")
	stage.open()
	pages = Pages(stage)
	try:
		reads_and_sends(stage, pages)
	finally:
		stage.log = pages.logs()
		pages.close()


def reads_and_sends(stage, pages):
	far = stage.witness

	def check(what, good, detail=""):
		stage.log = pages.logs() if not good else b""
		stage.check(what, good, detail)

	for n in range(6):
		far.add("INBOX", ground.letter(f"m{n}", f"text {n}, müde\r\n", f"subject {n}"), "\\Seen" if n < 2 else "")
	far.create("B&APw-ro")
	far.imap.subscribe("B&APw-ro")
	pages.get(task="login")
	page = pages.post("login", task="login", user=stage.box.user, **{"pass": stage.box.password}, timezone="UTC", url="")
	check("logs on", "_task=mail" in pages.url or '"task":"mail"' in page, page[-300:])
	page = pages.get(task="mail", mbox="INBOX")
	check("shows the folders", "B&APw-ro" in page or "B\\u0026APw-ro" in page or "Büro" in page)
	said = pages.quick("list", mbox="INBOX", page=1)
	check("lists the mail", sorted(uids(said)) == [1, 2, 3, 4, 5, 6], said[:400])
	page = pages.get(task="mail", action="show", mbox="INBOX", uid=3)
	check("shows a message", "text 2, müde" in page and "subject 2" in page)
	check("what was shown is seen", "\\Seen" in far.flags()["m2"], far.flags())
	source = pages.get(task="mail", action="viewsource", mbox="INBOX", uid=3)
	check("shows its source", "Message-ID: &lt;m2@" in source or "Message-ID: <m2@" in source, source[:200])
	pages.quick("mark", {"uid": "4,5", "flag": "flagged", "mbox": "INBOX"})
	check("flags", all("\\Flagged" in far.flags()[f"m{n}"] for n in (3, 4)), far.flags())
	pages.quick("mark", {"uid": "1", "flag": "unread", "mbox": "INBOX"})
	check("marks as not seen", "\\Seen" not in far.flags()["m0"], far.flags())
	pages.quick("move", {"uid": "5", "mbox": "INBOX", "target_mbox": "B&APw-ro"})
	check("moves", sorted(far.names("B&APw-ro")) == ["m4"] and "m4" not in far.names(), far.flags())
	pages.quick("copy", {"uid": "6", "mbox": "INBOX", "target_mbox": "B&APw-ro"})
	check("copies", sorted(far.names("B&APw-ro")) == ["m4", "m5"], far.flags("B&APw-ro"))
	pages.quick("move", {"uid": "1", "mbox": "INBOX", "target_mbox": "Trash"})
	check("removes to the trash", "m0" not in far.names() and sorted(far.names("Trash")) == ["m0"], far.folders())
	said = pages.quick("search", mbox="INBOX", q="subject 3", headers="subject", scope="base", filter="ALL")
	check("searches subjects", uids(said) == [4], said[:400])
	said = pages.quick("search", mbox="INBOX", q="text 5", headers="text", scope="base", filter="ALL")
	check("searches texts", uids(said) == [6], said[:400])
	said = pages.quick("search", mbox="INBOX", q="müde", headers="text", scope="all", filter="ALL")
	check("searches all folders", len(re.findall(r"add_message_row\(", said)) == 7, said[:400])
	said = pages.quick("list", mbox="INBOX", page=1, sort="subject_DESC")
	check("sorts", uids(said) == [6, 4, 3, 2], said[:400])
	far.add("INBOX", ground.letter("news"))
	said = pages.quick("check-recent", {"mbox": "INBOX", "list": 1})
	check("hears of news", 7 in uids(said), said[:400])

	pages.get(task="mail", action="compose", to=stage.box.user)
	compose = urllib.parse.parse_qs(urllib.parse.urlparse(pages.url).query)["_id"][0]
	identity = re.search(r'name="_from"[^>]*>\s*<option value="(\d+)"', pages.get(task="mail", action="compose", id=compose))
	said = pages.post("send", id=compose, attachments="", to=stage.box.user, subject="from Röundcube",
		message="Hello, müde\n.\nbye", draft="", draft_saveid="", is_html="0", framed="1", store_target="Sent",
		**{"from": identity[1] if identity else "1"})
	came = ground.wait_for(lambda: [m for m in far.look().values() if b"=?UTF-8?Q?from_R=C3=B6undcube?=" in m.octets])
	check("sends", came and b"Hello, m" in came[0].octets, said[-600:])
	kept = list(far.look("Sent").values())
	check("keeps what it sent", len(kept) == 1 and "\\Seen" in kept[0].flags, kept)
	pages.quick("purge", {"mbox": "Trash"}, mbox="Trash")
	check("empties the trash", far.names("Trash") == {}, far.flags("Trash"))
