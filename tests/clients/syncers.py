"""mbsync and offlineimap keep a local maildir and a mailbox alike: mail, flags and removals of both sides,
and nothing at all when nothing happened."""
import os
import pathlib
import re

import ground

LETTERS = {"S": "\\Seen", "F": "\\Flagged", "R": "\\Answered", "T": "\\Deleted", "D": "\\Draft"}
FAR = "B&APw-ro" # a folder with a letter beyond ASCII, as it is written on the wire


class Maildirs:
	"""The local side, by its file names alone."""

	def __init__(self, root, folder_name):
		self.root, self.folder_name = root, folder_name

	def paths(self, folder="INBOX"):
		return [p for sub in ("cur", "new") for p in sorted((self.root / self.folder_name(folder) / sub).glob("*"))]

	def listing(self):
		return sorted(str(p) for p in self.root.rglob("*") if p.is_file() and p.parent.name in ("cur", "new"))

	def names(self, folder="INBOX"):
		"""{letter's name: Message}"""
		found = {}
		for path in self.paths(folder):
			octets, info = path.read_bytes(), path.name.partition(":2,")[2]
			name = ground.name_of(octets)
			assert name not in found, f"doubled in the maildir: {name}"
			found[name] = ground.Message(frozenset(LETTERS[c] for c in info if c in LETTERS), octets)
		return found

	def add(self, folder, octets, info="", sub="new"):
		there = self.root / self.folder_name(folder)
		self.added = getattr(self, "added", 0) + 1
		(there / sub / f"1767225600.M{self.added}.here{':2,' if sub == 'cur' else ''}{info}").write_bytes(
			octets.replace(b"\r\n", b"\n"))

	def flag(self, folder, name, info):
		"""All flags anew, as a mail reader does: by renaming."""
		path = next(p for p in self.paths(folder) if ground.name_of(p.read_bytes()) == name)
		os.rename(path, path.parent.parent / "cur" / (re.sub(r":2,.*", "", path.name) + ":2," + info))

	def remove(self, folder, name):
		next(p for p in self.paths(folder) if ground.name_of(p.read_bytes()) == name).unlink()


def both_ways(stage, sync, local, remove):
	"""`sync` brings both sides together once; `remove` takes a message out of the local side."""
	far = stage.witness

	def synced(what):
		return stage.check(what, sync() is not None, "the client failed")

	def alike(what, folders, wanted=None):
		for folder in folders:
			here, there = local.names(folder), far.names(folder)
			stage.equal(f"{what}: the same mail in {folder}", sorted(here), sorted(there))
			stage.equal(f"{what}: the same flags in {folder}", {n: m.flags for n, m in here.items()},
				{n: m.flags for n, m in there.items()})
			stage.check(f"{what}: the same octets in {folder}", all(n in there and
				ground.body_of(m.octets) == ground.body_of(there[n].octets) for n, m in here.items()))
		if wanted is not None:
			stage.equal(f"{what}: what must be there is", {n: set(f) for n, f in far.flags().items()}, wanted)

	def rests(what):
		before = local.listing(), far.state()
		synced(f"{what}: once more")
		stage.equal(f"{what}: once more changes nothing here", local.listing(), before[0])
		stage.equal(f"{what}: once more changes nothing there", far.state(), before[1])

	long = "ä" * 400 + "\r\n.\r\n..dots\r\nFrom here\r\n" + "x" * 900 + "\r\n"
	for n, flags in enumerate(("", "\\Seen", "\\Flagged", "\\Answered \\Seen", "", "\\Draft")):
		far.add("INBOX", ground.letter(f"m{n}", long * n), flags)
	far.create(FAR)
	far.add(FAR, ground.letter("b0"), "\\Seen")
	synced("the first time")
	alike("the first time", ("INBOX", FAR))
	rests("the first time")

	local.add("INBOX", ground.letter("here1", long))
	local.add("INBOX", ground.letter("here2"), "FS", "cur")
	local.add(FAR, ground.letter("here3"))
	local.flag("INBOX", "m1", "")
	local.flag("INBOX", "m2", "FRS")
	remove("INBOX", "m3")
	far.add("INBOX", ground.letter("there1"))
	far.add("INBOX", ground.letter("there2"), "\\Seen \\Answered")
	far.store("INBOX", "m0", "+", "\\Seen \\Flagged")
	far.store("INBOX", "m5", "-", "\\Draft")
	far.remove("INBOX", "m4")
	synced("changes on both sides")
	alike("changes on both sides", ("INBOX", FAR), {"m0": {"\\Seen", "\\Flagged"}, "m1": set(),
		"m2": {"\\Flagged", "\\Answered", "\\Seen"}, "m5": set(), "here1": set(),
		"here2": {"\\Flagged", "\\Seen"}, "there1": set(), "there2": {"\\Seen", "\\Answered"}})
	rests("changes on both sides")

	local.flag("INBOX", "m1", "F")
	far.store("INBOX", "m1", "+", "\\Seen")
	remove("INBOX", "m0")
	far.remove("INBOX", "m0", "there1")
	remove("INBOX", "here2")
	synced("changes of the same mail")
	alike("changes of the same mail", ("INBOX", FAR))
	stage.equal("changes of the same mail: what is removed stays so", sorted(far.names()),
		["here1", "m1", "m2", "m5", "there2"])
	rests("changes of the same mail")

	for name in list(local.names()):
		remove("INBOX", name)
	far.remove(FAR, "b0", "here3")
	synced("everything is removed")
	stage.equal("everything is removed there", far.names(), {})
	stage.equal("everything is removed here", local.names(FAR), {})
	rests("everything is removed")


def mbsync(stage):
	stage.open()
	root = stage.home / "mail"
	root.mkdir()
	rc = stage.write("mbsyncrc", f"""
IMAPStore far
Host {stage.ground.host}
Port {stage.ground.imaps}
User {stage.box.user}
Pass {stage.box.password}
SSLType IMAPS
CertificateFile {stage.ground.ca}

MaildirStore near
Path {root}/
Inbox {root}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
""")
	local = Maildirs(root, lambda name: name)
	both_ways(stage, lambda: stage.run("mbsync", "-c", rc, "-a"), local,
		lambda folder, name: local.flag(folder, name, "T"))
	local.root.joinpath("Made").mkdir()
	for sub in ("cur", "new", "tmp"):
		local.root.joinpath("Made", sub).mkdir()
	local.add("Made", ground.letter("made"))
	stage.check("a new folder", stage.run("mbsync", "-c", rc, "-a") is not None)
	stage.equal("a new folder is there with its mail", sorted(stage.witness.names("Made")), ["made"])


def offlineimap(stage):
	stage.open()
	rc = stage.write("offlineimaprc", f"""
[general]
accounts = house
metadata = {stage.home}/metadata
fsync = False
[Account house]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {stage.home}/mail
[Repository far]
type = IMAP
remotehost = {stage.ground.host}
remoteport = {stage.ground.imaps}
remoteuser = {stage.box.user}
remotepass = {stage.box.password}
ssl = yes
sslcacertfile = {stage.ground.ca}
""")
	local = Maildirs(pathlib.Path(stage.home / "mail"), lambda name: name)
	both_ways(stage, lambda: stage.run("offlineimap", "-c", rc, "-o", "-u", "basic"), local, local.remove)
