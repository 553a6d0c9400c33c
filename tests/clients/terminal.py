"""mutt and neomutt on a terminal of their own: keys go in, and the witness looks at what came of them."""
import email
import email.policy
import os
import pty
import re
import select
import signal
import time

import ground


def on_terminal(stage, command, seconds=300, acts=()):
	"""Runs a program that wants a screen; True when it ended by itself and well, and all acts were done: each is a pair of
	what has to be shown since the one before, and what is done then, which may return keys to press."""
	acts = list(acts)
	pid, screen = pty.fork()
	if pid == 0:
		os.chdir(stage.home)
		os.execvpe(command[0], command, stage.environment | {"LINES": "40", "COLUMNS": "120"})
	shown, since, end = b"", 0, time.monotonic() + seconds
	while time.monotonic() < end:
		if acts and acts[0][0] in shown[since:]:
			since = len(shown)
			os.write(screen, acts.pop(0)[1]() or b"")
		if not select.select([screen], [], [], 0.2)[0]:
			continue
		try:
			shown += os.read(screen, 65536)
		except OSError: # it hung up
			break
	else:
		os.kill(pid, signal.SIGKILL)
	stage.log = re.sub(rb"\x1b[^A-Za-z]*[A-Za-z]", b" ", shown)[-1500:]
	os.close(screen)
	return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 and not acts


def text_of(octets):
	said = email.message_from_bytes(octets, policy=email.policy.default)
	return said.get_content().replace("\r\n", "\n")


def mutts(stage, program):
	stage.open()
	far, place, box = stage.witness, stage.ground, stage.box
	common = f"""
set from="{box.user}" realname="Reader" hostname=client.example
set imap_user="{box.user}" imap_pass="{box.password}"
set folder="imaps://{place.host}:{place.imaps}/" spoolfile="=INBOX" record="=Sent" postponed="=Drafts"
set certificate_file="{place.ca}" ssl_starttls=yes ssl_force_tls=yes
set smtp_url="smtp://{box.user}@{place.host}:{place.submission}/" smtp_pass="{box.password}"
set quit=yes delete=yes confirmcreate=no confirmappend=no wait_key=no mark_old=no sleep_time=0
set sort=mailbox-order pager_stop=yes header_cache="{stage.home}/cache" pipe_decode=no
set imap_condstore=yes imap_qresync=yes{' imap_deflate=yes' if program == 'mutt' else ''}
"""
	stage.home.joinpath("cache").mkdir()

	def keys(name, words, folder="INBOX", acts=()):
		rc = stage.write(f"rc-{name}", common + words)
		return stage.check(name, on_terminal(stage, [program, "-F", str(rc), "-d", "3", "-f", f"={folder}"], acts=acts))

	def pushed(name, words, folder="INBOX"):
		return keys(name, f'push "{words}<quit>"\n', folder)

	def said():
		"""What it and the server said in its last run."""
		return b"".join(path.read_bytes() for path in (stage.home / ".muttdebug0", stage.home / ".neomuttdebug0")
			if path.exists())

	def at(letter):
		return f"<first-entry><search>~s {letter}<enter>"

	for n in range(8):
		far.add("INBOX", ground.letter(f"m{n}", f"text {n}, müde\r\n" + "..\r\n.\r\n" * 200))
	far.create("Box")
	pushed("reads and keeps a copy", f"{at('m1')}<display-message><exit>{at('m2')}<display-message><exit>"
		f"<pipe-message>cat >{stage.home}/piped<enter>")
	stage.equal("what it read is seen", {n for n, f in far.flags().items() if "\\Seen" in f}, {"m1", "m2"})
	stage.equal("what it read is what was sent", ground.body_of(stage.home.joinpath("piped").read_bytes()).strip(),
		ground.body_of(far.names()["m2"].octets).strip())
	pushed("flags, copies, moves, removes", f"{at('m3')}<flag-message>{at('m4')}<copy-message>^U=Box<enter>"
		f"{at('m5')}<save-message>^U=Box<enter>{at('m6')}<delete-message>{at('m1')}<toggle-new><sync-mailbox>")
	stage.equal("what is left", sorted(far.names()), ["m0", "m1", "m2", "m3", "m4", "m7"])
	stage.equal("what was copied", sorted(far.names("Box")), ["m4", "m5"])
	stage.check("what was flagged", "\\Flagged" in far.flags()["m3"], far.flags())
	stage.check("what was marked as new", "\\Seen" not in far.flags()["m1"], far.flags())
	pushed("searches texts at the server and tags", "<tag-pattern>=b \\\"text 7\\\"<enter><tag-prefix><flag-message><sync-mailbox>")
	stage.equal("what was found", {n for n, f in far.flags().items() if "\\Flagged" in f}, {"m3", "m7"})
	pushed("removes a whole folder's mail", "<delete-pattern>~A<enter><sync-mailbox>", "Box")
	stage.equal("nothing is left", far.names("Box"), {})
	pushed("copies into a folder that is not there", f"{at('m2')}<copy-message>^U=Made<enter>")
	stage.equal("the folder was made", sorted(far.names("Made")), ["m2"])

	rc = stage.write("rc-send", common + f"set copy={'yes' if program == 'mutt' else 'no'}\n")
	sent = stage.run(program, "-F", rc, "-s", f"from {program}", box.user, said="Hello, müde\n.\n..\n".encode())
	stage.check("sends", sent is not None)
	got = ground.wait_for(lambda: [m for m in far.look().values() if f"from {program}".encode() in m.octets])
	stage.check("what it sent came", got and text_of(got[0].octets) == "Hello, müde\n.\n..\n", got)
	if program == "mutt": # neomutt keeps no copy over IMAP of what it sends without a screen
		kept = list(far.look("Sent").values())
		stage.check("what it sent is kept", len(kept) == 1 and "\\Seen" in kept[0].flags, kept)
	resumes(stage, pushed, said)
	hears(stage, keys, said)


def resumes(stage, pushed, said):
	"""What it kept of the folder is brought up to date by QRESYNC."""
	far = stage.witness
	pushed("closes its folder", "")
	far.add("INBOX", ground.letter("m8"))
	far.store("INBOX", "m0", "+", "\\Answered \\Flagged")
	far.remove("INBOX", "m7")

	def names(pattern):
		path = stage.home / "found"
		path.unlink(missing_ok=True)
		pushed(f"finds {pattern}", f"<tag-pattern>{pattern}<enter><tag-prefix><pipe-message>cat >{path}<enter>")
		octets = path.read_bytes() if path.exists() else b""
		return sorted(n.decode() for n in re.findall(rb"^Message-ID: <(m\d)@", octets, re.M))

	stage.equal("knows what came and what went", names("~A"), sorted(n for n in far.names() if re.match(r"m\d", n)))
	stage.check("by QRESYNC", re.search(rb"CHANGEDSINCE \d+ VANISHED\)", said()), said()[-2000:])
	stage.equal("knows what others answered", names("~Q"), ["m0"])
	stage.equal("knows what others flagged", names("~F"), sorted(n for n, f in far.flags().items() if "\\Flagged" in f))


def hears(stage, keys, said):
	"""IDLE alone tells it: it looks by itself every hour."""
	far = stage.witness
	keys("hears of news while it idles", "set imap_idle=yes timeout=1 mail_check=3600 imap_keepalive=3600\n", acts=(
		(b"m8", lambda: far.add("INBOX", ground.letter("news", subject="newly come"))),
		(b"newly come", lambda: b"q")))
	stage.check("by IDLE", re.search(rb"\ba\d+ IDLE\b", said()), said()[-2000:])


def mutt(stage):
	mutts(stage, "mutt")


def neomutt(stage):
	mutts(stage, "neomutt")
