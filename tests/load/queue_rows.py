"""What a long queue costs (bench --only queue): how soon and how fast messages leave with 10,000 and with 1,000,000
entries due, the memory of the processes that send them and do the house's work, what operators wait for; and whether one
post office with 100,000 entries for hosts that never answer (R22), or a user with 10,000 that are being sent (T19), holds up
another's mail."""
import json
import os
import re
import socket
import smtplib
import subprocess
import time

import outbound_rows

SHARDS = 64
LETTER_COPIES = 1000
SENT = 8000  # of a full queue
STUCK = 100_000
LETTERS = 1000
FLOOD = 10_000
BESIDE = 600  # letters while it lasts


def shard(domain):
    """As queue_shard() has it."""
    value = 14695981039346656037
    for octet in domain.encode():
        value = (value ^ octet) * 1099511628211 % 2**64
    return (value ^ value >> 32) % SHARDS


def copy_letter(server):
    """The small message the quickstart sent, a thousand times: entries for one message go out together."""
    server.sql(f"""
        create temp table letter as select * from message where postoffice <> 0 order by msg limit 1;
        create temp table copy as select * from letter where false;
        insert into copy select l.* from letter l, generate_series(1, {LETTER_COPIES});
        update copy c set msg = n.n from (select ctid as at, row_number() over () as n from copy) n where c.ctid = n.at;
        insert into message select * from copy""")


def counted(figure, n):
    """What is put in and taken away by hand is in the ledger of the demo post office too."""
    return f"""
        ; insert into ledger as l (postoffice, slot, {figure}) select postoffice, -1, {n} from message where msg = 1
        on conflict (postoffice, slot) do update set {figure} = l.{figure} + excluded.{figure}"""


def fill(server, count, domains):
    """Entries of the demo post office, all due."""
    places = ",".join(f"({n},'{domain}',{shard(domain)})" for n, domain in enumerate(domains))
    server.sql(f"""
        with place as materialized (select * from (values {places}) v (n, domain, shard)),
        letter as (select postoffice from message where msg = 1)
        insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, next_at, expires)
        select p.shard, l.postoffice, g, g / {len(domains)} % {LETTER_COPIES} + 1, 'anna@demo.test', p.domain, 'r' || g || '@' || p.domain, now(),
            now() + interval '1 day'
        from letter l, generate_series(1, {count}) g join place p on p.n = g % {len(domains)}""" + counted("put", count))


def spent(pid):
    with open(f"/proc/{pid}/stat") as f:
        return sum(map(int, f.read().rsplit(") ", 1)[1].split()[11:13]))


def resident(pid):
    """Megabytes."""
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def drain(server, sink, count):
    """Seconds until the first message of those that are due leaves, messages a second from it on to the last of `count`, and
    the process that sent them."""
    first = sink.counts()[0]
    before = {pid: spent(pid) for pid in server.mail_processes()}
    due = time.monotonic()
    sink.wait(first + 1)
    began, at = time.monotonic(), sink.counts()[0]
    sink.wait(first + count)
    rate = (sink.counts()[0] - at) / (time.monotonic() - began)
    return began - due, rate, max(before, key=lambda pid: spent(pid) - before[pid])


def agent(server):
    """The process that does the house's own work, as the log names it."""
    with open(os.path.join(server.state, "pennypostd.log")) as f:
        return re.findall(r"role=agent/\d+ pid=(\d+) event=WORKER_READY", f.read())[-1]


def ask(server, *words):
    """Seconds an operator waits, and what he is told."""
    began = time.monotonic()
    said = subprocess.run([*server.env["CLI"].split(), "--json", "queue", *words], check=True, text=True,
                          capture_output=True).stdout
    return time.monotonic() - began, json.loads(said)


def hold_one(server, number, domain):
    """An entry that stays while all others leave."""
    server.sql(f"""
        insert into queue (shard, postoffice, qid, msg, sender, domain, rcpt, state, next_at, expires)
        select {shard(domain)}, postoffice, {number}, msg, 'anna@demo.test', '{domain}', 'held@{domain}', 1, 'infinity',
            now() + interval '1 day'
        from message where msg = 1""" + counted("put", 1))


def operators(out, server, name, domain):
    """While mail leaves."""
    took, (held,) = ask(server, "list", "--state", "held")
    out[f"ms of queue list --state held, {name}"] = 1000 * took
    for what in (("list",), ("show", held["id"]), ("list", "--domain", domain), ("list", "--recipient", held["recipient"]),
                 ("status",)):
        out[f"ms of queue {' '.join(what[:2]).replace(held['id'], 'ID')}, {name}"] = 1000 * ask(server, *what)[0]


def empty(server):
    server.sql("begin; lock table queue, queue_deferred" + counted("deleted",
        "(select count(*) from queue) + (select count(*) from queue_deferred)") + "; truncate queue, queue_deferred; commit")
    time.sleep(4)  # what it has in hand goes too


def lengths(out, server, sink, domains, many):
    for count in (10_000, many):
        name = f"{count:,} due"
        hold_one(server, count + 1, domains[0])
        began = time.monotonic()
        fill(server, count, domains)
        out[f"rows/s put in, {name}"] = count / (time.monotonic() - began)
        soon, rate, sender = drain(server, sink, SENT)
        out[f"ms to the first message, {name}"] = 1000 * soon
        out[f"sent/s, {name}"] = rate
        out[f"MB of the sender, {name}"] = resident(sender)
        out[f"MB of the agent, {name}"] = resident(agent(server))
        if count == many:
            out[f"sent/s of the next {many // 10:,}, {name}"] = drain(server, sink, many // 10)[1]
            operators(out, server, name, domains[0])
        empty(server)


def letters(server, sink, domain, count=LETTERS):
    """Seconds from the 250 until the sink has it, of one message after the other."""
    took = []
    with smtplib.SMTP("127.0.0.1", int(server.smtp)) as s:
        for _ in range(count):
            have = sink.counts()[0]
            # Each is another one: a text that is said again at once waits until it is known to be no repetition.
            s.sendmail("sender@load.test", [f"r@{domain}"], f"Subject: hello {time.monotonic_ns()}\r\n\r\nhow are you?\r\n")
            began = time.monotonic()
            while sink.counts()[0] == have:
                time.sleep(0.0002)
                if time.monotonic() - began > 60:
                    raise RuntimeError("a letter is held up")
            took.append(time.monotonic() - began)
            time.sleep(0.01)
    took.sort()
    return took


def silent_hosts(server, count, port):
    """Hosts that take connections and never say a word."""
    listeners = [socket.create_server((f"127.0.3.{i + 1}", port), backlog=1000) for i in range(count)]
    server.route([(f"stuck{i + 1}.test", f"127.0.3.{i + 1}") for i in range(count)], port)
    return listeners, [f"stuck{i + 1}.test" for i in range(count)]


def settle(server):
    """What PostgreSQL does behind many rows that are put in at once is not what is measured."""
    server.sql("checkpoint")
    server.sql("vacuum analyze queue, queue_deferred")
    time.sleep(4)


def fairness(out, server, sink, port):
    listeners, domains = silent_hosts(server, 50, port + 1)
    letters(server, sink, "one.remote.test")  # everybody warm
    settle(server)
    alone = letters(server, sink, "one.remote.test")
    fill(server, STUCK, domains)
    settle(server)
    beside = letters(server, sink, "one.remote.test")
    times(out, "alone", alone)
    times(out, f"beside {STUCK:,} stuck", beside)
    for one in listeners:
        one.close()
    empty(server)


def times(out, name, took):
    out[f"ms to the sink {name}, p50"] = 1000 * took[len(took) // 2]
    out[f"ms to the sink {name}, p99"] = 1000 * took[len(took) * 99 // 100]


def flood(out, server, load, sink, port):
    """One user's messages, whose hosts take a tenth of a second each, leave while another post office's letters do."""
    slow = outbound_rows.Sink(os.path.join(os.path.dirname(load), "sink"), port, 100)
    domains = [f"flood{i + 1}.test" for i in range(20)]
    try:
        server.route([(domain, f"127.0.4.{i + 1}") for i, domain in enumerate(domains)], port)
        letters(server, sink, "one.remote.test", BESIDE)  # everybody warm
        settle(server)
        alone = letters(server, sink, "one.remote.test", BESIDE)
        fill(server, FLOOD, domains)
        slow.wait(1)
        beside = letters(server, sink, "one.remote.test", BESIDE)
        left = FLOOD - slow.counts()[0]
        slow.wait(FLOOD)
    finally:
        slow.stop()
    times(out, "before the flood", alone)
    times(out, f"beside one user's {FLOOD:,}", beside)
    out["of these not sent when the letters were"] = left


# What --rows chooses from, in their order.
ROWS = {
    "lengths": lambda out, server, load, sink, port, short: lengths(
        out, server, sink, [d for d, _ in outbound_rows.transports()], 100_000 if short else 1_000_000),
    "beside stuck": lambda out, server, load, sink, port, short: fairness(out, server, sink, port),
    "beside a flood": lambda out, server, load, sink, port, short: flood(out, server, load, sink, port + 2),
}


def measure(load, server, port, short, wanted):
    out = {}
    sink = outbound_rows.Sink(os.path.join(os.path.dirname(load), "sink"), port)
    try:
        server.route(outbound_rows.transports(), port)
        outbound_rows.send(load, server, 100, "r%03u@one.remote.test")
        sink.wait(100)
        copy_letter(server)
        for name, row in ROWS.items():
            if wanted(name):
                row(out, server, load, sink, port, short)
    finally:
        sink.stop()
    return out


def print_rows(rows):
    print()
    for name, value in rows.items():
        print(f"{name:45}{value:10.1f}")
