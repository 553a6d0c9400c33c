"""The IMAP part of `make bench`: what a reader waits for, command by command, from one connection at a
time; then many connections through load.c. Messages are made from a seed, the same for every server.

Times are what passes between the first octet of the command and the last one of its tagged answer. A
row called "again" is the median of further runs on the same connection.
"""
import os
import random
import re
import select
import socket
import ssl
import statistics
import subprocess
import sys
import time

WORDS = ("letter office penny stamp morning river answer train under between seven yellow harbour promise"
         " kitchen window report garden question market").split()
MANY = 10000


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

class Talk:
    def __init__(self, port, user, tls=False):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(120)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.buffer = bytearray()
        self.until(b"\r\n")
        self.ask(f"LOGIN {user} secret")

    def until(self, end):
        while not self.buffer.endswith(end):
            self.more()
        self.buffer.clear()

    def more(self):
        got = self.socket.recv(1 << 20)
        if not got:
            raise RuntimeError("the server hung up")
        self.buffer += got

    def answer(self):
        """Reads to the tagged line; gives all that came."""
        tail = re.compile(rb"(?:^|\r\n)t (OK|NO|BAD)[^\r\n]*\r\n$")
        while True:
            self.more()
            found = tail.search(self.buffer, max(0, len(self.buffer) - 30000))
            if found:
                break
        if found[1] != b"OK":
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

    def close(self):
        self.socket.close()


def fill(talk, folder, several):
    for at in range(0, len(several), 100):
        talk.append(folder, several[at:at + 100])


# ---- rows: name -> (value, unit); of ms less is better, of /s more

def first_and_again(out, name, talk, command, runs=7):
    out[name + ", first"] = (talk.timed(command), "ms")
    out[name + ", again"] = (statistics.median(talk.timed(command) for _ in range(runs)), "ms")


def uids_of(answer):
    return re.search(rb"UIDVALIDITY (\d+)", answer)[1].decode(), re.search(rb"HIGHESTMODSEQ (\d+)", answer)[1].decode()


def reading_rows(out, server, several):
    talk = Talk(server.imap, "u1001@demo.test")
    talk.ask("CREATE few")
    talk.ask("CREATE other")
    fill(talk, "few", several[:100])
    began = time.perf_counter()
    fill(talk, "INBOX", several)
    out["MULTIAPPEND, 100 each"] = (len(several) / (time.perf_counter() - began), "/s")
    talk.ask("CREATE middle")
    many = f"SELECT {len(several)}"
    out[many + ", first"] = (talk.timed("SELECT INBOX"), "ms")
    again = []
    for _ in range(9):
        talk.ask("SELECT few")
        again.append(talk.timed("SELECT INBOX"))
    out[many + ", again"] = (statistics.median(again), "ms")
    other = Talk(server.imap, "u1001@demo.test")
    out["SELECT 100, first"] = (other.timed("SELECT few"), "ms")
    again = []
    for _ in range(9):
        other.ask("SELECT middle")
        again.append(other.timed("SELECT few"))
    out["SELECT 100, again"] = (statistics.median(again), "ms")
    other.close()
    first_and_again(out, "FETCH envelopes of all", talk, "FETCH 1:* (FLAGS UID ENVELOPE RFC822.SIZE)")
    first_and_again(out, "FETCH flags of all", talk, "FETCH 1:* (FLAGS UID)")
    first_and_again(out, "FETCH header fields of all", talk,
                    "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (DATE FROM TO SUBJECT)])", 3)
    first_and_again(out, "FETCH 100 bodies", talk, "FETCH 1001:1100 (UID BODY.PEEK[])")
    first_and_again(out, "FETCH structures of all", talk, "FETCH 1:* (UID BODYSTRUCTURE)", 3)
    first_and_again(out, "SEARCH SUBJECT", talk, "SEARCH SUBJECT quarterly", 5)
    first_and_again(out, "SEARCH TEXT", talk, "SEARCH TEXT xyzzy", 3)
    first_and_again(out, "SEARCH BODY, not there", talk, "SEARCH BODY nowhere", 3)
    first_and_again(out, "SORT of all", talk, "SORT (SUBJECT REVERSE DATE) UTF-8 ALL", 5)
    first_and_again(out, "THREAD of all", talk, "THREAD REFERENCES UTF-8 ALL", 5)
    return talk


def changing_rows(out, server, talk):
    talk.ask("SELECT INBOX")
    flips = [talk.timed(f"STORE 1001:2000 {sign}FLAGS (\\Flagged)") for sign in "+-+-+"]
    out["STORE on 1000"] = (statistics.median(flips), "ms")
    out["COPY 1000"] = (statistics.median(talk.timed("COPY 1:1000 other") for _ in range(3)), "ms")
    out["MOVE 1000"] = (statistics.median(talk.timed("MOVE 1:1000 other") for _ in range(3)), "ms")
    talk.ask("STORE 1:5000 +FLAGS.SILENT (\\Deleted)")
    out["EXPUNGE 5000"] = (talk.timed("EXPUNGE"), "ms")
    talk.close()


def resync_rows(out, server):
    """Another client changed 90 messages and expunged 10 since this one looked."""
    talk, times = Talk(server.imap, "u1001@demo.test"), []
    talk.ask("ENABLE QRESYNC")
    for turn in range(3):
        validity, modseq = uids_of(talk.ask("SELECT other"))
        changer = Talk(server.imap, "u1001@demo.test")
        changer.ask("SELECT other")
        changer.ask("STORE 101:1000 -FLAGS.SILENT (\\Answered)")
        changer.ask("STORE " + ",".join(str(n) for n in range(110, 1010, 10)) + " +FLAGS.SILENT (\\Answered)")
        changer.ask(f"STORE {turn * 10 + 1}:{turn * 10 + 10} +FLAGS.SILENT (\\Deleted)")
        changer.ask("EXPUNGE")
        changer.close()
        back = Talk(server.imap, "u1001@demo.test")
        back.ask("ENABLE QRESYNC")
        times.append(back.timed(f"SELECT other (QRESYNC ({validity} {modseq}))"))
        back.close()
    out["QRESYNC, 100 changed"] = (statistics.median(times), "ms")
    talk.close()


def idle_rows(out, server, several, rounds):
    """From the OK of the APPEND to the EXISTS at each of eight who wait."""
    writer = Talk(server.imap, "u1002@demo.test")
    idlers = [Talk(server.imap, "u1002@demo.test") for _ in range(8)]
    times = []
    for talk in idlers:
        talk.ask("SELECT INBOX")
        talk.socket.sendall(b"t IDLE\r\n")
        talk.more()
        talk.buffer.clear()
    for turn in range(rounds):
        time.sleep(0.05)
        times += idle_round(writer, idlers, several[turn % len(several)])
    times.sort()
    out["IDLE latency, median"] = (statistics.median(times), "ms")
    out["IDLE latency, p99"] = (times[int(0.99 * (len(times) - 1))], "ms")
    for talk in [writer] + idlers:
        talk.close()


def idle_round(writer, idlers, raw):
    writer.socket.sendall(b"t APPEND INBOX {%d+}\r\n" % len(raw) + raw + b"\r\n")
    waiting, heard, stored = {talk.socket: talk for talk in idlers}, [], None
    while waiting or stored is None:
        ready, _, _ = select.select([*waiting, *([writer.socket] if stored is None else [])], [], [], 60)
        now = time.perf_counter()
        if not ready:
            raise RuntimeError("IDLE heard nothing for a minute")
        for one in ready:
            talk = writer if one is writer.socket else waiting[one]
            talk.more()
            if talk is writer and talk.buffer.endswith(b"\r\n"):
                stored = now
            elif talk is not writer and b" EXISTS" in talk.buffer:
                heard.append(now)
                del waiting[one]
            else:
                continue
            talk.buffer.clear()
    return [max(0.0, 1000 * (at - stored)) for at in heard]


def memory_kb(server):
    """What the server's processes have in memory that would be free without them (PSS)."""
    total = 0
    for pid in server.mail_processes():
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
        except (OSError, TypeError):
            pass
    return total


def memory_rows(out, server, count):
    warm = Talk(server.imaps, "u1003@demo.test", tls=True)
    time.sleep(1)
    before, held = memory_kb(server), []
    for number in range(count):
        talk = Talk(server.imaps, f"u{1003 + number % 50}@demo.test", tls=True)
        talk.ask("SELECT INBOX")
        talk.socket.sendall(b"t IDLE\r\n")
        held.append(talk)
    time.sleep(6)
    out[f"memory of an idle TLS connection, {count}"] = ((memory_kb(server) - before) / count, "KB")
    for talk in [warm] + held:
        talk.close()


def load_row(out, name, load, kind, port, number, count, *options):
    done = subprocess.run([load, kind, f"127.0.0.1:{port}", number, str(count), *map(str, options)],
                          text=True, capture_output=True)
    facts = dict(word.partition("=")[::2] for word in done.stdout.split())
    if done.returncode:
        print(f"  {name}: {done.stdout.strip()}", file=sys.stderr)
    out[name] = (float(facts["rate"]), "/s")


def load_rows(out, load, server, short):
    few = 4 if short else 1
    for count, clients in ((1500, 1), (6000, 8)):
        load_row(out, f"APPEND 4 kB, {clients} c.", load, "imap-append", server.imap, "--messages", count // few,
                 "--conversations", clients, "--size", 4096, "--user", "u103%u@demo.test", "--mailboxes", 8)
    for name, port, count, options in (("logins, 8 c.", server.imap, 8000, ()),
                                       ("logins over TLS, 8 c.", server.imaps, 3000, ("--tls",))):
        # First logons pay for the hash; what follows is what clients that come again cost.
        load_row({}, name, load, "imap-login", port, "--cycles", 400, "--conversations", 8,
                 "--user", "u10%02u@demo.test", "--mailboxes", 40, *options)
        load_row(out, name, load, "imap-login", port, "--cycles", count // few, "--conversations", 8,
                 "--user", "u10%02u@demo.test", "--mailboxes", 40, *options)


def measure(load, server, short, long):
    out = {}
    several = list(messages(2000 if short else MANY))
    talk = reading_rows(out, server, several)
    if short:
        talk.close()
    else:
        changing_rows(out, server, talk)
        resync_rows(out, server)
    idle_rows(out, server, several, 10 if short else 30)
    load_rows(out, load, server, short)
    memory_rows(out, server, 100 if short else 1000)
    if long:
        talk = Talk(server.imap, "u1004@demo.test")
        for _ in range(10):
            fill(talk, "INBOX", several)
        first_and_again(out, "SELECT 100,000", talk, "SELECT INBOX")
        talk.close()
    return out


# ---- the report

def print_rows(results, peers):
    ours = results["pennypost"]
    print(f"\n{'IMAP':40}{'ours':>10}     " + "".join(f"  | {name:>20}: value, ours better" for name in peers))
    for name, (mine, unit) in ours.items():
        line = f"{name:40}{mine:10.2f} {unit:4}"
        for peer in peers:
            other, _ = results[peer][name]
            better = mine / other if unit == "/s" else other / mine if mine else float("inf")
            line += f"  | {other:21.2f} {better:13.2f}x     "
        print(line)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
