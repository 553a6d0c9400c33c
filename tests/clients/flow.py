"""imapflow, from wherever node finds it or, once for this test, from npm."""
import os
import pathlib
import shutil
import subprocess

import ground

SCRIPT = pathlib.Path(__file__).with_name("flow.cjs")
VERSION = "2.0.6"


def modules(stage):
	"""Where node finds imapflow."""
	if subprocess.run(["node", "-e", "require('imapflow')"], stderr=subprocess.DEVNULL).returncode == 0:
		return os.environ.get("NODE_PATH", "")
	if not shutil.which("npm"):
		raise ground.Skipped("node does not find the module imapflow")
	try:
		done = subprocess.run(["npm", "install", "--prefix", stage.home, "--no-audit", "--no-fund", "--ignore-scripts",
			f"imapflow@{VERSION}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
			timeout=60).returncode
	except subprocess.TimeoutExpired:
		done = 1
	if done:
		raise ground.Skipped("npm cannot install the module imapflow")
	return str(stage.home / "node_modules")


def imapflow(stage):
	found = modules(stage)
	stage.open()
	stage.environment["NODE_PATH"] = found
	place, box = stage.ground, stage.box
	said = stage.run("node", SCRIPT, place.host, place.imaps, box.user, box.password, place.ca)
	for line in stage.log.decode().splitlines():
		word, _, what = line.partition(" ")
		if word in ("ok", "not"):
			stage.check(what, word == "ok")
	stage.check("ends well", said is not None)
	stage.equal("what is left is right", sorted(stage.witness.names()), ["four", "one"])
