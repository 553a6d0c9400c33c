"""Disks of a few megabytes that a test fills and frees: each a tmpfs that no other process sees, for which one must be root."""
import ctypes
import os
import pathlib
import subprocess
import tempfile

from place import run

SKIPPED = 77 # exit code where none can be mounted
CLONE_NEWNS = 0x20000


class Disk:
	alone = False # whether this process has mounts of its own

	def __init__(self, size):
		self.size = size
		self.at = pathlib.Path(tempfile.mkdtemp(prefix="pennypost-disk."))
		self.at.chmod(0o755)
		self.ballast = self.at / "zeroes"

	def mount(self):
		"""Why it cannot be; empty when it is."""
		words = [f"-t tmpfs -o size={self.size} none {self.at}"]
		if not Disk.alone:
			if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
				return f"unshare: {os.strerror(ctypes.get_errno())}"
			words.insert(0, "--make-rprivate /")
		for each in words:
			got = subprocess.run(["mount", *each.split()], capture_output=True, text=True)
			if got.returncode:
				return got.stderr.strip()
		Disk.alone = True
		return ""

	def unmount(self):
		if os.path.ismount(self.at):
			run("umount", self.at)
		self.at.rmdir()

	def fill(self):
		with open(self.ballast, "wb", buffering=0) as f:
			for piece in (1 << 20, 4096):
				try:
					while f.write(bytes(piece)) == piece:
						pass
				except OSError:
					pass

	def free(self):
		self.ballast.unlink()
