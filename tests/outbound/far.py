"""Other systems on loopback: their DNS, their authority and certificates, their mail exchangers."""
import pathlib
import ssl
import subprocess

from house import BUILD, free_port
from sink import Sink


def openssl(*words):
	subprocess.run(["openssl", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
	"""Certificates in a folder, by ca.crt."""

	def __init__(self, folder):
		self.dir = folder
		openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority", "-keyout",
			folder / "ca.key", "-out", folder / "ca.crt")
		(folder / "ca.crt").chmod(0o644)

	def certificate(self, name, hosts, trusted=True):
		"""NAME.crt and NAME.key for these hosts, by the authority or by itself."""
		at = self.dir / name
		alternatives = ",".join(f"DNS:{h}" for h in hosts)
		if not trusted:
			openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=nobody", "-addext",
				f"subjectAltName={alternatives}", "-keyout", f"{at}.key", "-out", f"{at}.crt")
			return
		openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody", "-keyout", f"{at}.key", "-out", f"{at}.csr")
		pathlib.Path(f"{at}.ext").write_text(f"subjectAltName={alternatives}\n")
		openssl("x509", "-req", "-in", f"{at}.csr", "-CA", self.dir / "ca.crt", "-CAkey", self.dir / "ca.key",
			"-CAcreateserial", "-days", "2", "-extfile", f"{at}.ext", "-out", f"{at}.crt")

	def context(self, name):
		c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		c.load_cert_chain(self.dir / f"{name}.crt", self.dir / f"{name}.key")
		return c


def long_text(name, value):
	"""A zone's line for a TXT record that is longer than one of its strings may be."""
	strings = '" "'.join(value[i:i + 200] for i in range(0, len(value), 200))
	return f'{name.rstrip(".")} TXT "{strings}"\n'


class Resolver:
	"""The DNS server of tests/dns over a file of zones."""

	def __init__(self, zones, port=0):
		# Not one of those that the kernel gives to connections: it must be had again.
		self.zones, self.port = pathlib.Path(zones), port or free_port()
		self.open()

	def open(self):
		self.server = subprocess.Popen([BUILD / "dns_server", self.zones, str(self.port)], stdin=subprocess.PIPE,
			stdout=subprocess.PIPE, text=True)
		self.port = int(self.server.stdout.readline().split()[1])

	def serve(self, script):
		"""Other zones, at the same port."""
		self.close()
		self.zones.write_text(script)
		self.open()

	def asked(self, name):
		"""Questions that came for the name."""
		self.server.stdin.write(f"{name}\n")
		self.server.stdin.flush()
		return int(self.server.stdout.readline())

	def close(self):
		self.server.stdin.close()
		self.server.wait()


def exchangers(tls):
	"""Sinks at one port of several addresses, {address: its TLS context or None}: the port, and the sinks in order."""
	while True:
		port, sinks = free_port(), []
		try:
			for address, context in tls.items():
				sinks.append(Sink(at=(address, port), tls=context))
			return (port, *sinks)
		except OSError:
			for s in sinks:
				s.close()
