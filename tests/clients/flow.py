"""imapflow, from wherever node finds it or, once for this test, from npm."""
import os
import pathlib
import shutil
import subprocess

import ground

SCRIPT = pathlib.Path(__file__).with_name("flow.cjs")
VERSIONS = {20: "2.0.6", 18: "1.7.8"} # by the node that is wanted at least


def modules(stage):
	"""Where node finds imapflow."""
	if subprocess.run(["node", "-e", "require('imapflow')"], stderr=subprocess.DEVNULL).returncode == 0:
		return os.environ.get("NODE_PATH", "")
	if not shutil.which("npm"):
		raise ground.Skipped("node does not find the module imapflow")
	node = int(subprocess.run(["node", "-p", "process.versions.node"], stdout=subprocess.PIPE, text=True,
		check=True).stdout.split(".")[0])
	version = next((v for least, v in VERSIONS.items() if node >= least), None)
	if not version:
		raise ground.Skipped(f"node {node} is too old for the module imapflow")
	try:
		done = subprocess.run(["npm", "install", "--prefix", stage.home, "--no-audit", "--no-fund", "--ignore-scripts",
			f"imapflow@{version}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
			timeout=300).returncode
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
	# Where nothing is waited for any more, node ends well in the middle of it.
	stage.check("ends well", said is not None and b"\nok comes to its end\n" in said)
	stage.equal("what is left is right", sorted(stage.witness.names()), ["four", "one"])
