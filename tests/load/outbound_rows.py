"""The rows of make bench about mail for other systems: taken by SMTP from a privileged network, kept, and
handed to a sink on loopback (tests/load/sink.c), over routes here and transports there. A message counts when
the sink has it."""
import mmap
import os
import struct
import subprocess
import tempfile
import time

DESTINATIONS = 100
PATIENCE = 120
# rows: name, messages, recipients' form, distinct recipients
ROWS = [
    ("to 1 destination", 6000, "r%03u@one.remote.test"),
    ("to 100 destinations", 6000, "r@d%03u.remote.test"),
]


def transports():
    """(domain, host) of every destination; each host is an address of its own."""
    return [("one.remote.test", "127.0.2.1")] + [
        (f"d{i:03}.remote.test", f"127.0.1.{i}") for i in range(1, DESTINATIONS + 1)]


class Sink:
    def __init__(self, program, port, delay=0):
        self.file = tempfile.NamedTemporaryFile(prefix="sink.")
        self.process = subprocess.Popen([program, str(port), self.file.name, str(delay)])
        while os.fstat(self.file.fileno()).st_size < 16:
            time.sleep(0.01)
        self.map = mmap.mmap(self.file.fileno(), 16, prot=mmap.PROT_READ)

    def counts(self):
        return struct.unpack("QQ", self.map[:16])

    def wait(self, messages):
        until = time.monotonic() + PATIENCE
        while self.counts()[0] < messages:
            if time.monotonic() > until:
                raise RuntimeError(f"the sink has {self.counts()[0]} of {messages} messages")
            time.sleep(0.005)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def send(load, server, count, form):
    return subprocess.run([load, "smtp", f"127.0.0.1:{server.smtp}", "--messages", str(count), "--conversations", "32",
                           "--size", "4096", "--per-connection", "20", "--mailboxes", str(DESTINATIONS), "--to", form],
                          text=True, capture_output=True).stdout


def row(load, server, sink, cpu, count, form):
    messages, connections = sink.counts()
    before, began = cpu(server.roots()), time.monotonic()
    said = send(load, server, count, form)
    taken = time.monotonic() - began
    sink.wait(messages + count)
    took = time.monotonic() - began
    return {"rate": count / took, "cpu_ms": 1000 * (cpu(server.roots()) - before) / count, "taken": count / taken,
            "connections": sink.counts()[1] - connections, "load": said.strip()}


def measure(load, server, port, short, cpu):
    """The sink listens at `port`; `cpu` tells the processor seconds of the processes below some roots."""
    sink = Sink(os.path.join(os.path.dirname(load), "sink"), port)
    try:
        server.route(transports(), port)
        row(load, server, sink, cpu, 300, ROWS[1][2])  # everybody warm
        return {name: row(load, server, sink, cpu, count // (4 if short else 1), form) for name, count, form in ROWS}
    finally:
        sink.stop()


def print_rows(results):
    ours = results["pennypost"]
    others = [name for name in results if name != "pennypost"]
    print(f"\n{'outbound, 4 kB, 32 c.':28}{'msg/s':>9}{'ms cpu':>9}{'taken/s':>9}{'connections':>13}" + "".join(
        f"  | {name:>16}: msg/s, ms cpu, connections, faster, lighter" for name in others))
    for name, mine in ours.items():
        line = f"{name:28}{mine['rate']:9.0f}{mine['cpu_ms']:9.3f}{mine['taken']:9.0f}{mine['connections']:13}"
        for other in others:
            theirs = results[other][name]
            line += (f"  | {theirs['rate']:22.0f} {theirs['cpu_ms']:8.2f} {theirs['connections']:8}"
                     f" {mine['rate'] / theirs['rate']:7.1f}x {theirs['cpu_ms'] / mine['cpu_ms']:6.1f}x")
        print(line)
