"""What the IMAP part of `make bench` talks by: messages that are made from a seed, the same for every server, and
one connection that says a command and waits for its tagged answer."""
import random
import socket
import ssl
import time
import zlib

WORDS = ("letter office penny stamp morning river answer train under between seven yellow harbour promise"
         " kitchen window report garden question market").split()


# ---- messages

def lines_of(dice, count):
    return ["".join(f"{word} " for word in dice.choices(WORDS, k=11)) + f"{dice.getrandbits(20):x}" for _ in range(count)]


def messages(count):
    """About 3 KB each: text; one in eight with an alternative in HTML, one in fifty about the quarter, one in a hundred
    with the word xyzzy."""
    dice = random.Random(42)
    pool = lines_of(dice, 500)
    for number in range(count):
        body = dice.choices(pool, k=25)
        subject = "Quarterly figures" if number % 50 == 7 else " ".join(dice.choices(WORDS, k=4))
        if number % 100 == 13:
            body[20] = "the word is Xyzzy and nothing else"
        kind, text = "text/plain; charset=utf-8", "\r\n".join(body)
        if number % 8 == 3:
            kind = 'multipart/alternative; boundary="edge"'
            html = "".join(f"<p>{line}</p>\r\n" for line in body[:20])
            text = (f"--edge\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--edge\r\nContent-Type: text/html\r\n"
                    f"Content-Transfer-Encoding: 7bit\r\n\r\n{html}--edge--")
        head = (f"Return-Path: <sender{number % 97}@load.test>\r\n"
                f"Received: from relay{number % 7}.load.test by mail.load.test with ESMTP id {number:08x};\r\n"
                f"\tFri, 21 Nov 2025 02:43:{number % 60:02d} +0000\r\n"
                f"Message-ID: <{number}.{number * 7919 % 100003}@load.test>\r\n"
                f"Date: Fri, 21 Nov 2025 {number % 24:02d}:{number % 60:02d}:00 +0100\r\n"
                f"From: Sender Number {number % 97} <sender{number % 97}@load.test>\r\n"
                f"To: Reader <reader@load.test>, other{number % 13}@load.test\r\n"
                f"Subject: {subject} {number}\r\n"
                f"In-Reply-To: <{max(number - 3, 0)}@load.test>\r\n"
                f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n")
        yield (head + text + "\r\n").encode()


# ---- one connection

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all: 10,000 of them would be this program's memory
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


class Talk:
    def __init__(self, port, user, tls=False):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(300)
        self.most = 1 << 14 if tls else 1 << 20  # TLS gives one record at a time
        if tls:
            self.socket = CONTEXT.wrap_socket(self.socket)
        self.buffer = bytearray()
        self.until(b"\r\n")
        self.ask(f"LOGIN {user} secret")

    def until(self, end):
        while not self.buffer.endswith(end):
            self.more()
        self.buffer.clear()

    def more(self):
        got = self.socket.recv(self.most)
        if not got:
            raise RuntimeError("the server hung up")
        self.buffer += got

    def last_line(self):
        """Where the last line begins, if it is a whole one; else the end."""
        if not self.buffer.endswith(b"\r\n"):
            return len(self.buffer)
        before = self.buffer.rfind(b"\r\n", 0, len(self.buffer) - 2)
        return before + 2 if before >= 0 else 0

    def answer(self):
        """Reads to the tagged line; gives all that came."""
        while not self.buffer.startswith((b"t OK", b"t NO", b"t BAD"), self.last_line()):
            self.more()
        if not self.buffer.startswith(b"t OK", self.last_line()):
            raise RuntimeError(bytes(self.buffer[-300:]).decode(errors="replace"))
        out = bytes(self.buffer)
        self.buffer.clear()
        return out

    def ask(self, command):
        self.socket.sendall(f"t {command}\r\n".encode())
        return self.answer()

    def timed(self, command):
        began = time.perf_counter()
        self.ask(command)
        return 1000 * (time.perf_counter() - began)

    def append(self, folder, several):
        out = b"t APPEND " + folder.encode()
        for raw in several:
            out += b" {%d+}\r\n" % len(raw) + raw
        self.socket.sendall(out + b"\r\n")
        return self.answer()

    def pack(self):
        """COMPRESS DEFLATE, both ways from here on."""
        self.ask("COMPRESS DEFLATE")
        self.socket = Packed(self.socket)

    def close(self):
        self.socket.close()


class Packed:
    """A socket behind COMPRESS."""

    def __init__(self, below):
        self.below, self.into, self.out = below, zlib.compressobj(1, zlib.DEFLATED, -9), zlib.decompressobj(-15)

    def sendall(self, octets):
        self.below.sendall(self.into.compress(octets) + self.into.flush(zlib.Z_SYNC_FLUSH))

    def recv(self, most):
        while (got := self.below.recv(most)) and not (plain := self.out.decompress(got)):
            pass
        return plain if got else b""

    def close(self):
        self.below.close()


def fill(talk, folder, several):
    for at in range(0, len(several), 100):
        talk.append(folder, several[at:at + 100])
