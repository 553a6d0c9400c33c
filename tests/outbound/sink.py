"""Another system's mail server, as good or bad as a test wants it. What it does depends on the recipient:
ok@, later-N@ (4xx N times, then yes), never@ (550), dies-N@ (closes behind the final dot N times, then
yes), slow@ (two seconds before the answer to the text), waits@ (no answer to the text before the test opens the gate)."""
import base64
import collections
import hashlib
import hmac
import socket
import threading
import time


class Sink:
	def __init__(self, dsn=False, chunking=False, at=("127.0.0.1", 0), tls=None, tls_first=False, eight_bit=True, users=None,
			mechanisms="SCRAM-SHA-256 PLAIN LOGIN"):
		self.socket = socket.create_server(at, family=socket.AF_INET6 if ":" in at[0] else socket.AF_INET)
		self.tls = tls # an ssl.SSLContext: STARTTLS is offered
		self.tls_first = tls_first # or spoken from the first byte
		self.users = users # {name: password}: who may send
		self.mechanisms = mechanisms
		self.logons = [] # (mechanism, name, whether it was good, through TLS)
		self.port = self.socket.getsockname()[1]
		self.dsn = dsn
		self.chunking = chunking # texts come by BDAT
		self.eight_bit = eight_bit
		self.lock = threading.Lock()
		self.messages = []  # (sender, [recipients], text) answered with 250
		self.texts = []     # the same for every text that came whole
		self.commands = []
		self.connections = 0
		self.refused = [] # handshakes that came to nothing
		self.resumed = 0  # those that took up a session of before
		self.peers = set() # addresses
		self.counts = collections.Counter()
		self.gate = threading.Event()
		self.waiting = [] # ports of who waits at the gate, or did
		threading.Thread(target=self._accept, daemon=True).start()

	def _accept(self):
		while True:
			try:
				peer, address = self.socket.accept()
			except OSError:
				return
			self.connections += 1
			self.peers.add(address[0])
			threading.Thread(target=self._secured if self.tls_first else self._talk, args=(peer, True), daemon=True).start()

	def _times(self, recipient, word):
		"""Whether a recipient called WORD-N has been here no more than N times, this one included."""
		name = recipient.partition("@")[0]
		if not name.startswith(word + "-"):
			return False
		with self.lock:
			self.counts[recipient] += 1
			return self.counts[recipient] <= int(name.split("-")[1])

	def _secured(self, peer, greet):
		"""The talk in TLS; behind STARTTLS the host's greeting is over."""
		try:
			secured = self.tls.wrap_socket(peer, server_side=True)
			self.resumed += secured.session_reused
			self._talk(secured, greet, through_tls=True)
		except OSError as e: # ssl.SSLError is one
			self.refused.append(str(e))

	def _asked(self, say, lines, challenge):
		say("334 " + base64.b64encode(challenge).decode())
		return base64.b64decode(lines.readline())

	def _logon(self, words, say, lines):
		"""The mechanism, the name, and whether the password is the right one (RFC 4616, 5802)."""
		mechanism = words[1].upper()
		first = base64.b64decode(words[2]) if len(words) > 2 else b""
		if mechanism == "PLAIN":
			_, name, secret = first.decode().split("\0")
			return mechanism, name, self.users.get(name) == secret
		if mechanism == "LOGIN":
			name = self._asked(say, lines, b"Username:").decode()
			return mechanism, name, self.users.get(name) == self._asked(say, lines, b"Password:").decode()
		bare = first.decode().removeprefix("n,,")
		name, nonce = (part[2:] for part in bare.split(","))
		salt, rounds, ours = b"salt", 4096, nonce + "sink"
		offered = f"r={ours},s={base64.b64encode(salt).decode()},i={rounds}"
		final = self._asked(say, lines, offered.encode()).decode()
		salted = hashlib.pbkdf2_hmac("sha256", self.users.get(name, "nobody").encode(), salt, rounds)
		said = f"{bare},{offered},{final[:final.rindex(',p=')]}".encode()

		def signed(key, text):
			return hmac.digest(key, text, "sha256")

		key = signed(salted, b"Client Key")
		wanted = bytes(a ^ b for a, b in zip(key, signed(hashlib.sha256(key).digest(), said)))
		good = name in self.users and base64.b64decode(final[final.rindex(",p=") + 3:]) == wanted
		if good:
			self._asked(say, lines, b"v=" + base64.b64encode(signed(signed(salted, b"Server Key"), said)))
		return mechanism, name, good

	def _talk(self, peer, greet=True, through_tls=False):
		lines, known = peer.makefile("rb"), self.users is None

		def say(*words):
			peer.sendall("".join(w + "\r\n" for w in words).encode())

		try:
			if greet:
				say("220 sink.test ESMTP")
			sender, to = "", []
			for line in lines:
				line = line.decode(errors="replace").rstrip("\r\n")
				self.commands.append(line)
				verb = line.split(" ")[0].upper()
				if verb == "EHLO":
					say("250-sink.test", "250-PIPELINING", *(["250-DSN"] if self.dsn else []),
						*(["250-CHUNKING"] if self.chunking else []),
						*(["250-STARTTLS"] if self.tls and not through_tls else []),
						*([f"250-AUTH {self.mechanisms}"] if self.users else []),
						"250 8BITMIME" if self.eight_bit else "250 HELP")
				elif verb == "STARTTLS":
					say("220 2.0.0 go on")
					self._secured(peer, False)
					return
				elif verb == "AUTH":
					mechanism, name, known = self._logon(line.split(" "), say, lines)
					self.logons.append((mechanism, name, known, through_tls))
					say("235 2.7.0 welcome" if known else "535 5.7.8 not with this password")
				elif verb == "MAIL" and not known:
					say("530 5.7.0 log on first")
				elif verb == "MAIL":
					sender, to = line[line.index("<") + 1:line.index(">")], []
					say("250 2.1.0 ok")
				elif verb == "RCPT":
					recipient = line[line.index("<") + 1:line.index(">")]
					if recipient.startswith("never"):
						say("550 5.1.1 nobody of that name")
					elif self._times(recipient, "later"):
						say("451 4.7.1 come back later")
					else:
						to.append(recipient)
						say("250 2.1.5 ok")
				elif verb == "DATA":
					if not to:
						say("554 5.5.1 no recipients")
						continue
					say("354 go on")
					text = b""
					for part in lines:
						if part == b".\r\n":
							break
						text += part[1:] if part.startswith(b".") else part
					self.texts.append((sender, to, text))
					if any(self._times(r, "dies") for r in to):
						return
					if any(r.startswith("slow") for r in to):
						time.sleep(2)
					if any(r.startswith("waits") for r in to):
						self.waiting.append(peer.getpeername()[1])
						self.gate.wait()
					say("250 2.0.0 taken")
					self.messages.append((sender, to, text))
				elif verb == "BDAT":
					text = lines.read(int(line.split(" ")[1]))
					self.texts.append((sender, to, text))
					say("250 2.0.0 taken")
					self.messages.append((sender, to, text))
				elif verb == "QUIT":
					say("221 2.0.0 bye")
					return
				else:
					say("250 2.0.0 ok")
		except OSError:
			pass
		finally:
			# The shutdown goes out at once, whoever else still holds the socket.
			try:
				peer.shutdown(socket.SHUT_RDWR)
			except OSError:
				pass
			peer.close()

	def got(self, recipient):
		return [m for m in self.messages if recipient in m[1]]

	def close(self):
		self.socket.close()
