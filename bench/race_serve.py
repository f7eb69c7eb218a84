"""Races `tagsmith serve` against servers in Python: the same model, threads and texts, in turn, in one run.

    python bench/race_serve.py --model TRAINED --input dev.conll --seconds 20 --rounds 3
    python bench/race_serve.py --model golden/pipeline/bert --input examples/names.conll --tagsmith target/debug/tagsmith \
        --seconds 1 --rounds 1 --long-bytes 20000                                       a smoke test

The rivals of bench/rivals/serve.py: `lock` is transformers' pipeline, one request at a time, as in Hugging Face's container;
`batch` is the same with batches; `onnx` and `onnx-int8` are ONNX Runtime behind a bare server. Texts are sentences of a file
of columns. The loads:

- short: one sentence a request.
- mixed: one to forty sentences a request.
- long: short requests, while one more client sends a document of --long-bytes again and again.

A load has --connections clients, each of which asks as soon as it is answered; they share the machine with the server. p50 and p99 are of the time from a request's
first byte to its answer's last, in ms; under `long` they are those of short requests. ready_s runs from the start of the
process to the first answer; idle_mb is the memory of the process then, peak_mb at its end. The answers' cache of tagsmith is off,
as all texts come again and again. alike is the share of the first 50 sentences for which a server finds the entities that
`lock` finds. client_share is the part of one processor that all clients took. Prints a table, and one JSON line at the end.
"""

import argparse
import asyncio
import itertools
import json
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from rivals.conll import sentences

HERE = Path(__file__).parent
LOADS = ("short", "mixed", "long")
PATIENCE = 120
# Texts of a client, which come again and again.
TEXTS = 500


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def request(text, stride=None):
    """A request as bytes."""
    parameters = {"aggregation_strategy": "simple"} | ({} if stride is None else {"stride": stride})
    body = json.dumps({"inputs": text, "parameters": parameters}).encode()
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Server:
    """A server's process."""

    def __init__(self, name, command, options):
        self.name, self.port = name, free_port()
        self.log = tempfile.TemporaryFile("w+")
        began = time.perf_counter()
        words = [str(word) for word in [*command, "--port", self.port, "--threads", options.threads]]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log)
        while True:
            try:
                self.ask("Jo moved to New York .")
                break
            except OSError:
                if self.process.poll() is not None or time.perf_counter() - began > PATIENCE:
                    self.stop()
                    self.log.seek(0)
                    sys.exit(f"{name} does not answer:\n{self.log.read()[-4000:]}")
                time.sleep(0.01)
        self.ready_s = time.perf_counter() - began
        self.idle_mb = self.memory("VmRSS")

    def ask(self, text):
        body = json.dumps({"inputs": text, "parameters": {"aggregation_strategy": "simple"}}).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/", body, headers)
        return json.loads(urllib.request.urlopen(asked, timeout=PATIENCE).read())

    def memory(self, key):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{key}:")[1].split()[0]) / 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.name == "tagsmith" else signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Client(asyncio.Protocol):
    """Asks one request after the other until the time is over; notes how long each took. It shares the processor with the server, so it
    does as little as it can: requests are bytes before the time begins, and of an answer only its status and length are read."""

    def __init__(self, requests, until, times, ended):
        self.requests, self.until, self.times, self.ended = requests, until, times, ended
        self.got = bytearray()
        self.whole = 0

    def connection_made(self, transport):
        self.transport = transport
        self.ask()

    def ask(self):
        self.began = time.perf_counter()
        if self.began >= self.until:
            self.transport.close()
            return
        self.transport.write(next(self.requests))

    def data_received(self, data):
        self.got += data
        if not self.whole:
            head = self.got.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = bytes(self.got[:head]).lower()
            if b" 200 " not in lines[:16]:
                return self.fail(f"a request is refused: {lines[:80]}")
            at = lines.find(b"content-length:")
            if at < 0:
                return self.fail("an answer has no length")
            self.whole = head + 4 + int(lines[at + 15 :].split(b"\r", 1)[0])
        if len(self.got) >= self.whole:
            self.times.append(time.perf_counter() - self.began)
            self.whole = 0
            self.got.clear()
            self.ask()

    def fail(self, why):
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(why))
        self.transport.close()

    def connection_lost(self, error):
        if not self.ended.done():
            if error or (not self.whole and time.perf_counter() < self.until):
                self.ended.set_exception(error or RuntimeError("a connection ends before its time"))
            else:
                self.ended.set_result(None)


async def client(port, requests, until, times):
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    await loop.create_connection(lambda: Client(requests, until, times, ended), "127.0.0.1", port)
    await ended


def texts(load, rows, seed):
    """Texts of a load, each client its own."""
    draw = random.Random(seed)
    for _ in range(TEXTS):
        count = draw.choice((1, 1, 1, 2, 3, 5, 8, 13, 40)) if load == "mixed" else 1
        yield " ".join(draw.choice(rows) for _ in range(count))


async def under_load(server, load, rows, options, seconds):
    stride = options.stride if load != "short" else None
    loads = [[request(text, stride) for text in texts(load, rows, number)] for number in range(options.connections)]
    until = time.perf_counter() + seconds
    times, long_times = [], []
    clients = [client(server.port, itertools.cycle(asked), until, times) for asked in loads]
    if load == "long":
        document, draw = [], random.Random(0)
        while sum(map(len, document)) < options.long_bytes:
            document.append(draw.choice(rows))
        asked = request(" ".join(document), options.stride)
        clients.append(client(server.port, itertools.cycle([asked]), until, long_times))
    began, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*clients)
    passed, busy = time.perf_counter() - began, time.process_time() - busy
    ordered = sorted(times)
    at = lambda share: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
    return {"requests": len(times), "per_s": round(len(times) / passed, 1), "p50_ms": at(0.5), "p99_ms": at(0.99),
            "documents": len(long_times), "client_share": round(busy / passed, 3)}  # fmt: skip


def same(found, wanted):
    key = lambda entity: (entity["start"], entity["end"], entity["entity_group"])
    return [key(entity) for entity in found] == [key(entity) for entity in wanted]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--tagsmith", default="target/dist/tagsmith")
    parser.add_argument("--servers", default="tagsmith,lock,batch,onnx,onnx-int8")
    parser.add_argument("--loads", default=",".join(LOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stride", type=int, default=64, help="pieces that windows of mixed and long texts share")
    parser.add_argument("--long-bytes", type=int, default=1 << 20)
    parser.add_argument("--ours", default="", help="more options for tagsmith, in one string: --ours='--bf16'")
    options = parser.parse_args()
    rows = [" ".join(words) for words, _ in sentences(options.input)]
    rival = [sys.executable, HERE / "rivals" / "serve.py"]
    with tempfile.TemporaryDirectory() as scratch:
        commands = {"tagsmith": [options.tagsmith, "serve", "--model", options.model, "--cache-mb", 0, *options.ours.split()]}
        for name in ("lock", "batch"):
            commands[name] = [*rival, name, "--model", options.model]
        for name, more in (("onnx", []), ("onnx-int8", ["--int8"])):
            if name in options.servers.split(","):
                file = f"{scratch}/{name}.onnx"
                ran = subprocess.run([*rival, "export", "--model", options.model, "--onnx", file, *more], capture_output=True, text=True)
                if ran.returncode:
                    sys.exit(ran.stderr[-4000:])
                commands[name] = [*rival, "onnx", "--model", options.model, "--onnx", file]
        measured, answers = [], {}
        print(f"{'round':>5} {'server':>10} {'load':>6} {'per s':>9} {'p50 ms':>9} {'p99 ms':>9} {'documents':>9} {'peak MB':>8} {'client':>6}")
        for number in range(options.rounds):
            for name in options.servers.split(","):
                server = Server(name, commands[name], options)
                try:
                    answers.setdefault(name, [server.ask(row) for row in rows[:50]])
                    # What a server compiles or allocates at its first batches counts for none.
                    asyncio.run(under_load(server, "short", rows, options, min(2, options.seconds)))
                    for load in options.loads.split(","):
                        row = asyncio.run(under_load(server, load, rows, options, options.seconds))
                        row |= {"server": name, "load": load, "ready_s": server.ready_s, "idle_mb": server.idle_mb,
                                "peak_mb": server.memory("VmHWM")}  # fmt: skip
                        measured.append(row)
                        print(f"{number + 1:5} {name:>10} {load:>6} {row['per_s']:9.1f} {row['p50_ms']:9.2f} {row['p99_ms']:9.2f} "
                              f"{row['documents']:9} {row['peak_mb']:8.0f} {row['client_share']:6.2f}", flush=True)  # fmt: skip
                finally:
                    server.stop()
    summary = {}
    for name in options.servers.split(","):
        of_server = [row for row in measured if row["server"] == name]
        median = lambda key, rows: round(statistics.median(row[key] for row in rows), 3)
        summary[name] = {key: median(key, of_server) for key in ("ready_s", "idle_mb", "peak_mb")}
        for load in options.loads.split(","):
            of_load = [row for row in of_server if row["load"] == load]
            summary[name][load] = {key: median(key, of_load) for key in ("per_s", "p50_ms", "p99_ms", "client_share")}
        if "lock" in answers:
            alike = [same(*pair) for pair in zip(answers[name], answers["lock"])]
            summary[name]["alike"] = round(sum(alike) / len(alike), 3)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
