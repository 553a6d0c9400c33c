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


def on_terminal(stage, command, seconds=300):
	"""Runs a program that wants a screen; True when it ended by itself and well."""
	pid, screen = pty.fork()
	if pid == 0:
		os.chdir(stage.home)
		os.execvpe(command[0], command, stage.environment | {"LINES": "40", "COLUMNS": "120"})
	shown, end = b"", time.monotonic() + seconds
	while time.monotonic() < end:
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
	return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


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
"""
	stage.home.joinpath("cache").mkdir()

	def keys(name, words, folder="INBOX"):
		rc = stage.write(f"rc-{name}", common + f'push "{words}<quit>"\n')
		stage.check(name, on_terminal(stage, [program, "-F", str(rc), "-f", f"={folder}"]))

	def at(letter):
		return f"<first-entry><search>~s {letter}<enter>"

	for n in range(8):
		far.add("INBOX", ground.letter(f"m{n}", f"text {n}, müde\r\n" + "..\r\n.\r\n" * 200))
	far.create("Box")
	keys("reads and keeps a copy", f"{at('m1')}<display-message><exit>{at('m2')}<display-message><exit>"
		f"<pipe-message>cat >{stage.home}/piped<enter>")
	stage.equal("what it read is seen", {n for n, f in far.flags().items() if "\\Seen" in f}, {"m1", "m2"})
	stage.equal("what it read is what was sent", ground.body_of(stage.home.joinpath("piped").read_bytes()).strip(),
		ground.body_of(far.names()["m2"].octets).strip())
	keys("flags, copies, moves, removes", f"{at('m3')}<flag-message>{at('m4')}<copy-message>^U=Box<enter>"
		f"{at('m5')}<save-message>^U=Box<enter>{at('m6')}<delete-message>{at('m1')}<toggle-new><sync-mailbox>")
	stage.equal("what is left", sorted(far.names()), ["m0", "m1", "m2", "m3", "m4", "m7"])
	stage.equal("what was copied", sorted(far.names("Box")), ["m4", "m5"])
	stage.check("what was flagged", "\\Flagged" in far.flags()["m3"], far.flags())
	stage.check("what was marked as new", "\\Seen" not in far.flags()["m1"], far.flags())
	keys("searches texts at the server and tags", "<tag-pattern>=b \\\"text 7\\\"<enter><tag-prefix><flag-message><sync-mailbox>")
	stage.equal("what was found", {n for n, f in far.flags().items() if "\\Flagged" in f}, {"m3", "m7"})
	keys("removes a whole folder's mail", "<delete-pattern>~A<enter><sync-mailbox>", "Box")
	stage.equal("nothing is left", far.names("Box"), {})
	keys("copies into a folder that is not there", f"{at('m2')}<copy-message>^U=Made<enter>")
	stage.equal("the folder was made", sorted(far.names("Made")), ["m2"])

	rc = stage.write("rc-send", common + f"set copy={'yes' if program == 'mutt' else 'no'}\n")
	sent = stage.run(program, "-F", rc, "-s", f"from {program}", box.user, said="Hello, müde\n.\n..\n".encode())
	stage.check("sends", sent is not None)
	got = ground.wait_for(lambda: [m for m in far.look().values() if f"from {program}".encode() in m.octets])
	stage.check("what it sent came", got and text_of(got[0].octets) == "Hello, müde\n.\n..\n", got)
	if program == "mutt": # neomutt keeps no copy over IMAP of what it sends without a screen
		kept = list(far.look("Sent").values())
		stage.check("what it sent is kept", len(kept) == 1 and "\\Seen" in kept[0].flags, kept)


def mutt(stage):
	mutts(stage, "mutt")


def neomutt(stage):
	mutts(stage, "neomutt")
