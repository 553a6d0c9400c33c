"""curl, fetchmail and Python's imaplib: close to the wire, each in its own way."""
import imaplib as library
import os
import re
import signal
import subprocess
import time

import ground


def curl(stage):
	stage.open()
	far, place = stage.witness, stage.ground

	def ask(path, *options, port=place.imaps, scheme="imaps"):
		return stage.run("curl", "-sS", "--max-time", 300, "--cacert", place.ca, "--user",
			f"{stage.box.user}:{stage.box.password}", *options, f"{scheme}://{place.host}:{port}/{path}")

	stage.check("makes a folder", ask("", "-X", "CREATE Box") is not None)
	stage.check("lists folders", b'"Box"' in (ask("") or b""))
	sent = {}
	for name, text in (("one", "Hello.\r\n.\r\n..\r\n"), ("two", "müde\r\n"),
			("three", "0123456789abcdef" * 60 + "\r\n" + ("x" * 76 + "\r\n") * 60000)):
		sent[name] = ground.letter(name, text)
		path = stage.home / name
		path.write_bytes(sent[name])
		stage.check(f"appends {name}", ask("Box", "-T", path) is not None)
	for n, name in enumerate(sent, 1):
		stage.equal(f"fetches {name} by UID", ask(f"Box/;UID={n}") == sent[name], True)
		stage.equal(f"fetches {name} by number", ask(f"Box/;MAILINDEX={n}") == sent[name], True)
	stage.equal("fetches a text", ask("Box/;UID=2/;SECTION=TEXT"), "müde\r\n".encode())
	stage.check("fetches fields", b"Subject: one" in
		(ask("Box/;UID=1/;SECTION=HEADER.FIELDS%20(SUBJECT)") or b""))
	stage.check("no such UID", ask("Box/;UID=99") is None)
	stage.equal("searches", (ask("Box?SUBJECT%20two") or b"").split(), [b"*", b"SEARCH", b"2"])
	stage.equal("searches texts", (ask("Box?TEXT%20abcdef") or b"").split(), [b"*", b"SEARCH", b"3"])
	stage.check("flags", ask("Box", "-X", "STORE 1 +FLAGS.SILENT (\\Flagged \\Deleted)") is not None)
	stage.equal("its flags are there", far.flags("Box")["one"], {"\\Flagged", "\\Deleted", "\\Seen"})
	stage.check("copies", ask("Box", "-X", "COPY 2 INBOX") is not None)
	stage.equal("its copy is there", sorted(far.names()), ["two"])
	stage.check("expunges", ask("Box", "-X", "EXPUNGE") is not None)
	stage.equal("the rest is there", sorted(far.names("Box")), ["three", "two"])
	for mechanism in ("PLAIN", "LOGIN"):
		stage.check(f"logs on over STARTTLS with {mechanism}", b"INBOX" in (ask("", "--ssl-reqd",
			"--login-options", f"AUTH={mechanism}", port=place.imap, scheme="imap") or b""))
	stage.check("does not without TLS", ask("", port=place.imap, scheme="imap") is None)


def fetchmail(stage):
	stage.open()
	far, place = stage.witness, stage.ground
	got = stage.home / "got"

	def fetch(words, background=False):
		rc = stage.write("fetchmailrc", f"""poll {place.host} protocol imap port {place.imaps}
			user "{stage.box.user}" password "{stage.box.password}" ssl sslcertck sslcertfile "{place.ca}"
			no rewrite {words} mda "cat >>{got}"\n""")
		command = ["fetchmail", "--invisible", "-f", str(rc), "--pidfile", str(stage.home / "pid")]
		if background:
			return subprocess.Popen(command, env=stage.environment, stdout=subprocess.DEVNULL,
				stderr=subprocess.DEVNULL)
		return stage.run(*command)

	def names():
		found = re.findall(rb"^Message-ID: <([^@]*)@", got.read_bytes() if got.exists() else b"", re.M)
		return [n.decode() for n in found]

	for n in range(3):
		far.add("INBOX", ground.letter(f"m{n}", "Hello.\r\n" * 1000 * n), "\\Seen" if n == 2 else "")
	far.create("Box")
	far.add("Box", ground.letter("box"))
	stage.check("fetches what is new and keeps it", fetch("keep") is not None)
	stage.equal("has what was new", names(), ["m0", "m1"])
	stage.check("its octets are whole", b"\n\n" + b"Hello.\n" * 1000 in got.read_bytes().replace(b"\r", b""))
	stage.equal("has seen it there", {n: "\\Seen" in f for n, f in far.flags().items()},
		{"m0": True, "m1": True, "m2": True})
	fetch("keep") # tells by its code that there was nothing
	stage.equal("fetches nothing twice", names(), ["m0", "m1"])
	stage.check("fetches all and removes it", fetch("fetchall nokeep") is not None)
	stage.equal("has all", names(), ["m0", "m1", "m0", "m1", "m2"])
	stage.equal("nothing is left", far.names(), {})
	stage.check("fetches a folder", fetch("fetchall folder Box") is not None)
	stage.equal("has the folder's mail", names()[5:], ["box"])
	waiting = fetch("idle fetchall", background=True)
	try:
		time.sleep(1)
		stage.deliver(ground.letter("news"))
		stage.check("hears of news while it idles", ground.wait_for(lambda: "news" in names()))
		stage.check("removes them", ground.wait_for(lambda: not far.names()))
	finally:
		os.kill(waiting.pid, signal.SIGTERM)
		waiting.wait()


def imaplib(stage):
	"""A wide set of commands, as scripts say them."""
	stage.open()
	place, box = stage.ground, stage.box
	c = library.IMAP4(place.host, place.imap)
	stage.equal("STARTTLS", c.starttls(place.tls())[0], "OK")
	stage.equal("AUTHENTICATE PLAIN", c.authenticate("PLAIN",
		lambda _: f"\0{box.user}\0{box.password}".encode())[0], "OK")

	def good(said):
		stage.check("a command", said[0] == "OK", said)
		return said[1]

	good(c.create("Gr&APYA3w-e"))
	good(c.rename("Gr&APYA3w-e", "Box"))
	good(c.subscribe("Box"))
	stage.check("LSUB", any(b"Box" in row for row in good(c.lsub())))
	good(c.namespace())
	for n in range(1, 9):
		good(c.append("Box", "(\\Flagged)" if n % 2 else None, library.Time2Internaldate(1e9 + n),
			ground.letter(f"m{n}", f"number {n}\r\n", "Re: even" if n % 2 == 0 else "odd")))
	stage.equal("STATUS", good(c.status("Box", "(MESSAGES UNSEEN UIDNEXT)")),
		[b'"Box" (MESSAGES 8 UIDNEXT 9 UNSEEN 8)'])
	stage.equal("SELECT", good(c.select("Box")), [b"8"])
	stage.equal("UIDNEXT", c.response("UIDNEXT")[1], [b"9"])
	stage.equal("SEARCH", good(c.search(None, "FLAGGED", "SUBJECT", '"odd"')), [b"1 3 5 7"])
	stage.equal("SEARCH with charset", good(c.search("UTF-8", "UNSEEN", "BODY", '"number 4"')), [b"4"])
	stage.equal("SORT", good(c.sort("(REVERSE ARRIVAL)", "UTF-8", "ALL")), [b"8 7 6 5 4 3 2 1"])
	stage.equal("THREAD", good(c.thread("ORDEREDSUBJECT", "UTF-8", "ALL")), [b"(1 (3)(5)(7))(2 (4)(6)(8))"])
	stage.equal("FETCH", good(c.fetch("1", "(RFC822.SIZE BODY.PEEK[TEXT])"))[0][1], b"number 1\r\n")
	stage.equal("FETCH of a part of octets", good(c.fetch("1", "BODY.PEEK[TEXT]<3.3>"))[0][1], b"ber")
	stage.check("ENVELOPE", b'"Re: even"' in good(c.fetch("2", "ENVELOPE"))[0])
	stage.check("INTERNALDATE", b'" 9-Sep-2001' in good(c.fetch("2", "INTERNALDATE"))[0])
	stage.check("STORE", b"FLAGS (\\Seen work" in good(c.store("1:2", "+FLAGS", "(\\Seen work)"))[1])
	stage.check("FETCH FLAGS", b"work" in good(c.uid("FETCH", "1", "FLAGS"))[0])
	good(c.copy("1:2", "INBOX"))
	good(c.uid("MOVE", "3:4", "INBOX"))
	stage.equal("MOVE takes them away", c.response("EXPUNGE")[1], [b"4", b"3"])
	stage.equal("the rest", good(c.search(None, "ALL")), [b"1 2 3 4 5 6"])
	good(c.store("6", "+FLAGS.SILENT", "\\Deleted"))
	stage.equal("EXPUNGE", good(c.expunge()), [b"6"])
	stage.equal("INBOX has all", sorted(stage.witness.names()), ["m1", "m2", "m3", "m4"])
	highest = max(int(re.search(rb"MODSEQ \((\d+)\)", row)[1]) for row in good(c.fetch("1:*", "(MODSEQ)")))
	stage.witness.store("Box", "m5", "+", "\\Answered")
	changed = good(c.fetch("1:*", f"(FLAGS) (CHANGEDSINCE {highest})"))
	stage.check("CHANGEDSINCE", changed and all(row.startswith(b"3 ") and b"\\Answered" in row for row in changed),
		changed)
	good(c.store("3", f"(UNCHANGEDSINCE {highest}) +FLAGS", "\\Draft"))
	stage.equal("UNCHANGEDSINCE", stage.witness.flags("Box")["m5"], {"\\Answered", "\\Flagged"})
	stage.check("IDLE", idles(c, lambda: stage.witness.add("Box", ground.letter("news"))))
	good(c.noop())
	good(c.unselect())
	stage.check("QUOTA", good(c.getquotaroot("INBOX")))
	good(c.enable("UTF8=ACCEPT"))
	good(c.create('"Größe"'))
	stage.check("UTF-8 in names", any("Größe".encode() in row for row in good(c.list())))
	stage.equal("SELECT of such a name", good(c.select('"Größe"')), [b"0"])
	good(c.close())
	good(c.delete("Box"))
	stage.equal("a folder that is gone", c.select("Box")[0], "NO")
	stage.equal("LOGOUT", c.logout()[0], "BYE")


def idles(c, change):
	"""IDLE line by line, which the library lacks: EXISTS comes unasked."""
	tag = c._new_tag()
	c.send(tag + b" IDLE\r\n")
	if not c.readline().startswith(b"+"):
		return False
	change()
	c.sock.settimeout(120)
	heard = c.readline()
	while b"EXISTS" not in heard:
		heard = c.readline()
	c.send(b"DONE\r\n")
	while not (line := c.readline()).startswith(tag):
		pass
	return line.split()[1] == b"OK"
