"""The IMAP part of `make bench`: what a reader waits for, command by command, from one connection at a
time; then many connections through load.c. Messages are made from a seed, the same for every server.

Times are what passes between the first octet of the command and the last one of its tagged answer. A
row called "again" is the median of further runs on the same connection. Each group of rows makes what it
needs, so that one of them may be measured without the others.
"""
import os
import re
import select
import smtplib
import statistics
import subprocess
import sys
import time

from imap_talk import Talk, fill, messages

MANY, FEW = 10000, 2000  # messages of a full run and of a short one
HUGE = 100000
BEHIND = 2  # seconds until what a server makes behind its answers is made
MIXED = {"clients": 100, "mailboxes": 100, "first": 401, "messages": 30}

# name, command, how often again, whether over TLS too
READS = (
    ("FETCH envelopes of all", "FETCH 1:* (FLAGS UID ENVELOPE RFC822.SIZE)", 7, True),
    ("FETCH flags of all", "FETCH 1:* (FLAGS UID)", 7, False),
    ("FETCH header fields of all", "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (DATE FROM TO SUBJECT)])", 3, True),
    ("FETCH 100 bodies", "FETCH 1001:1100 (UID BODY.PEEK[])", 7, True),
    ("FETCH structures of all", "FETCH 1:* (UID BODYSTRUCTURE)", 3, False),
    ("SEARCH SUBJECT", "SEARCH SUBJECT quarterly", 5, False),
    ("SEARCH TEXT", "SEARCH TEXT xyzzy", 3, True),
    ("SEARCH BODY, not there", "SEARCH BODY nowhere", 3, False),
    ("SORT of all", "SORT (SUBJECT REVERSE DATE) UTF-8 ALL", 5, False),
    ("THREAD of all", "THREAD REFERENCES UTF-8 ALL", 5, False),
)


class Rows:
    """name -> (value, unit) of the rows that were asked for; of ms and KB less is better, of /s more."""

    def __init__(self, wanted):
        self.wanted, self.rows, self.notes = wanted, {}, []

    def wants(self, *names):
        return any(map(self.wanted, names))

    def put(self, name, value, unit):
        if self.wanted(name):
            self.rows[name] = (value, unit)


def first_again(name):
    return f"{name}, first", f"{name}, again"


# ---- one connection that reads

def reading_names(count):
    out = ["MULTIAPPEND, 100 each", behind_name(count), *first_again(f"SELECT {count}"), *first_again("SELECT 100")]
    for name, _, _, over_tls in READS:
        out += [*first_again(name), *([f"{name}, TLS"] if over_tls else [])]
    return out


def select_rows(rows, name, talk, folder, other):
    rows.put(f"{name}, first", talk.timed(f"SELECT {folder}"), "ms")
    again = []
    for _ in range(9):
        talk.ask(f"SELECT {other}")
        again.append(talk.timed(f"SELECT {folder}"))
    rows.put(f"{name}, again", statistics.median(again), "ms")


def reading_rows(rows, server, several):
    if not rows.wants(*reading_names(len(several))):
        return
    talk = Talk(server.imap, "u1001@demo.test")
    for folder in ("few", "middle"):
        talk.ask(f"CREATE {folder}")
    fill(talk, "few", several[:100])
    began = time.perf_counter()
    fill(talk, "INBOX", several)
    rows.put("MULTIAPPEND, 100 each", len(several) / (time.perf_counter() - began), "/s")
    behind_row(rows, server, several)
    select_rows(rows, f"SELECT {len(several)}", talk, "INBOX", "few")
    other = Talk(server.imap, "u1001@demo.test")
    select_rows(rows, "SELECT 100", other, "few", "middle")
    other.close()
    over_tls = Talk(server.imaps, "u1001@demo.test", tls=True)
    over_tls.ask("SELECT INBOX")
    for read in READS:
        read_rows(rows, talk, over_tls, *read)
    over_tls.close()
    talk.close()


def behind_name(count):
    return f"SELECT {count}, right behind its mail"


def behind_row(rows, server, several):
    """While a server still makes what it makes behind its answers; meanwhile it comes to an end for the rows that follow."""
    if rows.wants(behind_name(len(several))):
        talk = Talk(server.imap, "u1009@demo.test")
        fill(talk, "INBOX", several)
        rows.put(behind_name(len(several)), talk.timed("SELECT INBOX"), "ms")
        talk.close()
    time.sleep(BEHIND)


def read_rows(rows, talk, over_tls, name, command, runs, both):
    first, again = first_again(name)
    if rows.wants(first, again):
        rows.put(first, talk.timed(command), "ms")
        rows.put(again, statistics.median(talk.timed(command) for _ in range(runs)), "ms")
    if both and rows.wants(f"{name}, TLS"):
        over_tls.ask(command)
        rows.put(f"{name}, TLS", statistics.median(over_tls.timed(command) for _ in range(runs)), "ms")


# ---- with the index of searches

INDEXED = "SEARCH TEXT, with the index"


def indexed_rows(rows, server, several):
    """Of ours alone, before all rows that are measured without it; it is taken away again."""
    if not rows.wants(INDEXED) or server.name != "pennypost":
        return
    talk = Talk(server.imap, "u1007@demo.test")
    fill(talk, "INBOX", several)
    server.set("search_index_old", "100000")
    server.set("search_index", "on")
    while not server.indexed():
        time.sleep(1)
    talk.ask("SELECT INBOX")
    found = talk.ask("SEARCH TEXT xyzzy")
    rows.put(INDEXED, statistics.median(talk.timed("SEARCH TEXT xyzzy") for _ in range(5)), "ms")
    if found.count(b" ") < len(several) // 100:
        raise RuntimeError("the index hides messages")
    talk.close()
    server.set("search_index", "off")


# ---- one connection that changes

CHANGING = "STORE on 1000", "COPY 1000", "MOVE 1000", "EXPUNGE 5000"
CHANGING_TLS = "STORE on 1000, TLS", "APPEND one by one, TLS"


def changing_rows(rows, server, several):
    if not rows.wants(*CHANGING, *CHANGING_TLS):
        return
    talk = Talk(server.imap, "u1005@demo.test")
    fill(talk, "INBOX", several)
    talk.ask("CREATE other")
    time.sleep(BEHIND)
    talk.ask("SELECT INBOX")
    flips = [talk.timed(f"STORE 1001:2000 {sign}FLAGS (\\Flagged)") for sign in "+-+-+"]
    rows.put("STORE on 1000", statistics.median(flips), "ms")
    changing_over_tls(rows, server, several)
    for command in ("COPY", "MOVE"):
        times = [talk.timed(f"{command} 1:1000 other") for _ in range(3)]
        rows.put(f"{command} 1000", statistics.median(times), "ms")
    talk.ask("STORE 1:5000 +FLAGS.SILENT (\\Deleted)")
    rows.put("EXPUNGE 5000", talk.timed("EXPUNGE"), "ms")
    talk.close()


def changing_over_tls(rows, server, several):
    talk = Talk(server.imaps, "u1005@demo.test", tls=True)
    talk.ask("SELECT INBOX")
    flips = [talk.timed(f"STORE 1001:2000 {sign}FLAGS (\\Flagged)") for sign in "+-+-+"]
    rows.put(CHANGING_TLS[0], statistics.median(flips), "ms")
    began = time.perf_counter()
    for raw in several[:200]:
        talk.append("other", [raw])
    rows.put(CHANGING_TLS[1], 200 / (time.perf_counter() - began), "/s")
    talk.close()


# ---- a folder of very many, and a client that comes back to it

SELECT_HUGE, QRESYNC_HUGE = f"SELECT {HUGE}", f"QRESYNC, 100 changed in {HUGE}"
QRESYNC = "QRESYNC, 100 changed in 6000"


def uids_of(answer):
    return re.search(rb"UIDVALIDITY (\d+)", answer)[1].decode(), re.search(rb"HIGHESTMODSEQ (\d+)", answer)[1].decode()


def resync_row(rows, name, server, user, folder):
    """Another client changed 90 messages and expunged 10 since this one looked."""
    talk, times = Talk(server.imap, user), []
    talk.ask("ENABLE QRESYNC")
    for turn in range(3):
        validity, modseq = uids_of(talk.ask(f"SELECT {folder}"))
        changer = Talk(server.imap, user)
        changer.ask(f"SELECT {folder}")
        changer.ask("STORE 101:1000 -FLAGS.SILENT (\\Answered)")
        changer.ask("STORE " + ",".join(str(n) for n in range(110, 1010, 10)) + " +FLAGS.SILENT (\\Answered)")
        changer.ask(f"STORE {turn * 10 + 1}:{turn * 10 + 10} +FLAGS.SILENT (\\Deleted)")
        changer.ask("EXPUNGE")
        changer.close()
        back = Talk(server.imap, user)
        back.ask("ENABLE QRESYNC")
        times.append(back.timed(f"SELECT {folder} (QRESYNC ({validity} {modseq}))"))
        back.close()
    rows.put(name, statistics.median(times), "ms")
    talk.close()


def resync_rows(rows, server, several):
    if rows.wants(QRESYNC):
        talk = Talk(server.imap, "u1006@demo.test")
        fill(talk, "INBOX", several[:6000])
        talk.close()
        time.sleep(BEHIND)
        resync_row(rows, QRESYNC, server, "u1006@demo.test", "INBOX")


def huge_rows(rows, server, several):
    """Copied together: to append 100,000 takes Dovecot's maildir five minutes."""
    if not rows.wants(*first_again(SELECT_HUGE), QRESYNC_HUGE):
        return
    talk = Talk(server.imap, "u1099@demo.test")
    talk.ask("CREATE huge")
    talk.ask("CREATE middle")
    fill(talk, "INBOX", several)
    talk.ask("SELECT INBOX")
    for _ in range(HUGE // len(several)):
        talk.ask("COPY 1:* huge")
    time.sleep(BEHIND)
    select_rows(rows, SELECT_HUGE, talk, "huge", "middle")
    talk.close()
    if rows.wants(QRESYNC_HUGE):
        resync_row(rows, QRESYNC_HUGE, server, "u1099@demo.test", "huge")


# ---- several that wait

IDLE = "IDLE latency, median", "IDLE latency, p99"


def idle_rows(rows, server, several, rounds):
    """From the OK of the APPEND to the EXISTS at each of eight who wait."""
    if not rows.wants(*IDLE):
        return
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
    rows.put(IDLE[0], statistics.median(times), "ms")
    rows.put(IDLE[1], times[int(0.99 * (len(times) - 1))], "ms")
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


# ---- several that wait at another node

FAR = "news of another node, median", "news of another node, p99"


def far_rows(rows, load, server, several, rounds):
    """From the 250 of a delivery at the one node to the word of it at each of eight who wait at the other, four in IDLE,
    four with NOTIFY and no folder, while eight conversations bring others mail. Of ours alone."""
    if not rows.wants(*FAR) or server.name != "pennypost":
        return
    user, times = "u1008@demo.test", []
    server.begin_second()
    busy = subprocess.Popen([load, "smtp", f"127.0.0.1:{server.smtp}", "--messages", "1000000", "--conversations", "8",
                             "--mailboxes", "100", "--seconds", "600"], stdout=subprocess.DEVNULL)
    try:
        waiting = [far_talk(server.second_imap, user, asked) for asked in
                   4 * [b"t IDLE\r\n"] + 4 * [b"t NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))\r\n"]]
        for turn in range(rounds):
            time.sleep(0.2)
            stored = deliver(server.smtp, user, several[turn % len(several)])
            times += [1000 * max(0.0, at - stored) for at in far_round(waiting, turn + 1)]
    finally:
        busy.terminate()
        busy.wait()
        server.end_second()
    times.sort()
    rows.put(FAR[0], statistics.median(times), "ms")
    rows.put(FAR[1], times[int(0.99 * (len(times) - 1))], "ms")
    for talk in waiting:
        talk.close()


def far_talk(port, user, asked):
    talk = Talk(port, user)
    if b"IDLE" in asked:
        talk.ask("SELECT INBOX")
    talk.socket.sendall(asked)
    while not talk.buffer.startswith((b"+", b"t OK"), talk.last_line()):
        talk.more()
    talk.buffer.clear()
    return talk


def deliver(port, user, raw):
    """When its 250 came."""
    with smtplib.SMTP("127.0.0.1", port) as line:
        line.sendmail("news@load.test", [user], raw)
        return time.perf_counter()


def far_round(waiting, number):
    """When each of them was told that there are so many messages."""
    left, heard, wanted = {talk.socket: talk for talk in waiting}, [], (b"* %d EXISTS\r\n" % number, b"MESSAGES %d" % number)
    while left:
        ready, _, _ = select.select(list(left), [], [], 60)
        now = time.perf_counter()
        if not ready:
            raise RuntimeError("nobody at the other node heard for a minute")
        for one in ready:
            left[one].more()
            if any(word in left[one].buffer for word in wanted):
                heard.append(now)
                left.pop(one).buffer.clear()
    return heard


# ---- memory of those that wait

KINDS = ("", "TLS ", "packed ")  # of idle connections; packed: COMPRESS over TLS


def memory_name(count, kind):
    return f"memory of an idle {kind}connection, {count}"


def memory_counts(server, short, long):
    """Dovecot has a process for each connection: 10,000 would need some 6 GB and are left out."""
    ours = server is None or server.name == "pennypost"
    return (100,) if short else (1000, 10000) if long and ours else (1000,)


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


def memory_rows(rows, server, short, long):
    """First of all, while nothing lies about that earlier rows needed, and the small ones first, since a row finds what
    the one before gave back; all are counted from the same beginning."""
    wanted = [(count, kind) for count in memory_counts(server, short, long) for kind in KINDS
              if rows.wants(memory_name(count, kind)) and (kind != "packed " or server.packs)]
    if not wanted:
        return
    warm = [Talk(server.imaps if tls else server.imap, "u1003@demo.test", tls) for tls in (False, True)]
    time.sleep(1)
    before = memory_kb(server)
    for count, kind in wanted:
        held = hold(server, count, kind)
        rows.put(memory_name(count, kind), (memory_kb(server) - before) / count, "KB")
        for talk in held:
            talk.close()
        time.sleep(2)  # until they are gone there, too
    for talk in warm:
        talk.close()
    server.afresh()


def hold(server, count, kind):
    held = []
    for number in range(count):
        talk = Talk(server.imaps if kind else server.imap, f"u{1003 + number % 50}@demo.test", bool(kind))
        if kind == "packed ":
            talk.pack()
        talk.ask("SELECT INBOX")
        talk.socket.sendall(b"t IDLE\r\n")
        held.append(talk)
    time.sleep(6)
    return held


# ---- many connections, by load.c

APPENDS = (("APPEND 4 kB, 1 c.", 1500, 1), ("APPEND 4 kB, 8 c.", 6000, 8))
LOGINS = (("logins, 8 c.", 8000, False), ("logins over TLS, 8 c.", 3000, True))
MIXED_ROWS = "mixed load, 100 c.", "mixed load, processor time each", "mixed load, p99"


def run_load(load, name, *words):
    done = subprocess.run([load, *map(str, words)], text=True, capture_output=True)
    if done.returncode:
        print(f"  {name}: {done.stdout.splitlines()[0]}", file=sys.stderr)
    lines = [dict(word.partition("=")[::2] for word in line.split()) for line in done.stdout.splitlines()]
    return lines[0], {line.split()[0]: facts for line, facts in zip(done.stdout.splitlines()[1:], lines[1:])}


def append_rows(rows, load, server, few):
    for name, count, clients in APPENDS:
        if rows.wants(name):
            facts, _ = run_load(load, name, "imap-append", f"127.0.0.1:{server.imap}", "--messages", count // few,
                                "--conversations", clients, "--size", 4096, "--user", "u103%u@demo.test",
                                "--mailboxes", 8)
            rows.put(name, float(facts["rate"]), "/s")


def login_rows(rows, load, server, few):
    for name, count, tls in LOGINS:
        if rows.wants(name):
            # First logons pay for the hash; what follows is what clients that come again cost.
            for cycles in (400, count // few):
                facts, _ = run_load(load, name, "imap-login", f"127.0.0.1:{server.imaps if tls else server.imap}",
                                    "--cycles", cycles, "--conversations", 8, "--user", "u10%02u@demo.test",
                                    "--mailboxes", 40, *(("--tls",) if tls else ()))
            rows.put(name, float(facts["rate"]), "/s")


def mixed_rows(rows, load, server, several, seconds, processor_seconds):
    """Every mailbox begins with the same messages; the mix is that of mixed.c."""
    if not rows.wants(*MIXED_ROWS):
        return
    whose = ("--first", MIXED["first"], "--mailboxes", MIXED["mailboxes"], "--user", "u%04u@demo.test")
    where = f"127.0.0.1:{server.imap}"
    for number in range(MIXED["mailboxes"]):
        talk = Talk(server.imap, f"u{MIXED['first'] + number:04}@demo.test")
        talk.ask("CREATE copies")
        fill(talk, "INBOX", several[:MIXED["messages"]])
        talk.close()
    # What a first logon, a first process and a first statement cost is not what is asked for.
    mix = ("imap-mixed", where, "--conversations", MIXED["clients"], "--commands", 10000000, "--keep-messages",
           MIXED["messages"], "--size", 4096, *whose)
    run_load(load, MIXED_ROWS[0], "imap-login", where, "--cycles", 8 * MIXED["mailboxes"], "--conversations", 8, *whose)
    run_load(load, MIXED_ROWS[0], *mix, "--for", 3, "--seed", 2)
    server.rest()
    still = processor_seconds(server.roots())
    server.rest()
    before = processor_seconds(server.roots())
    facts, kinds = run_load(load, MIXED_ROWS[0], *mix, "--for", seconds)
    server.rest()
    used = processor_seconds(server.roots()) - before - (before - still)
    rows.put(MIXED_ROWS[0], float(facts["rate"]), "/s")
    rows.put(MIXED_ROWS[1], 1000 * used / max(float(facts["done"]), 1), "ms")
    rows.put(MIXED_ROWS[2], float(facts["p99_ms"]), "ms")
    rows.notes += [(kind, int(fact["done"]), int(fact["gone"]), float(fact["mean_ms"])) for kind, fact in kinds.items()]


# ---- all of them

def names(short, long):
    """What `--rows` may choose from."""
    out = [memory_name(count, kind) for count in memory_counts(None, short, long) for kind in KINDS]
    out += reading_names(FEW if short else MANY)
    if not short:
        out += [*CHANGING, *CHANGING_TLS, QRESYNC, *first_again(SELECT_HUGE), QRESYNC_HUGE]
    out += [INDEXED, *IDLE, *FAR, *(name for name, *_ in APPENDS + LOGINS), *MIXED_ROWS]
    return out


def measure(load, server, short, long, wanted, processor_seconds):
    rows = Rows(wanted)
    several = list(messages(FEW if short else MANY))
    memory_rows(rows, server, short, long)
    reading_rows(rows, server, several)
    if not short:
        changing_rows(rows, server, several)
        resync_rows(rows, server, several)
        huge_rows(rows, server, several)
    indexed_rows(rows, server, several)
    idle_rows(rows, server, several, 10 if short else 30)
    far_rows(rows, load, server, several, 10 if short else 60)
    append_rows(rows, load, server, 4 if short else 1)
    login_rows(rows, load, server, 4 if short else 1)
    mixed_rows(rows, load, server, several, 5 if short else 20, processor_seconds)
    return {"rows": rows.rows, "mixed": rows.notes}


# ---- the report

def print_rows(results, peers):
    ours = results["pennypost"]["rows"]
    print(f"\n{'IMAP':42}{'ours':>10}     " + "".join(f"  | {name:>20}: value, ours better" for name in peers))
    for name, (mine, unit) in ours.items():
        line = f"{name:42}{mine:10.2f} {unit:4}"
        for peer in peers:
            if name not in results[peer]["rows"]:
                line += f"  | {'left out':>21} {'':15}    "
                continue
            other, _ = results[peer]["rows"][name]
            better = mine / other if unit == "/s" else other / mine if mine else float("inf")
            line += f"  | {other:21.2f} {better:13.2f}x     "
        print(line)
    if any(name not in results[peer]["rows"] for name in ours for peer in peers):
        print("left out: Dovecot has a process for each connection, 10,000 of which need some 6 GB; it has no index of texts"
              " and no COMPRESS as it is set here, and is one node")
    print_mixed(results, peers)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def print_mixed(results, peers):
    """What the mix was made of, and how long each kind took in the mean; "gone": it named what another client removed."""
    if not results["pennypost"]["mixed"]:
        return
    who = ["pennypost", *peers]
    print(f"\n{'in the mixed load':20}" + "".join(f"  | {name:>20}: done, gone, mean ms" for name in who))
    for rows in zip(*(results[name]["mixed"] for name in who)):
        print(f"{rows[0][0]:20}" + "".join(f"  | {done:21d} {gone:7d} {mean:13.2f}" for _, done, gone, mean in rows))
