"""Lets `tagsmith serve` work for a long time, among idle and rude clients and through kills, and looks at its memory and answers.

    python bench/soak_serve.py --model TRAINED --input dev.conll --minutes 30 --idle 10000 --kills 5
    python bench/soak_serve.py --model golden/pipeline/bert --input examples/names.conll --tagsmith target/debug/tagsmith \
        --minutes 0.05 --idle 20 --kills 1                                              a smoke test

Three parts, each with --connections clients that ask as soon as they are answered:

- soak: texts of one to forty sentences in three dialects; one request of fifty is broken, and one client of fifty leaves before
  its answer. A text that comes again must get the same bytes. Memory is read ten times a minute.
- idle: connections that say nothing are held open while requests go on.
- kills: the process is killed under load by SIGKILL and started again at the same port; clients ask again until they are answered.

Prints a line a part, and one JSON line. errors counts answers with another status than the expected one, broken connections outside of kills, and
answers that differ. growth_mb is memory at the end less memory after a fifth of the soak. Exit status 1 if there are errors.
"""

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from race_serve import free_port
from rivals.conll import sentences

PATIENCE = 120
SAME = ("/", "/v1/tag", "/analyze")


def body_of(path, text):
    if path == "/analyze":
        return {"text": text, "language": "en"}
    return {"inputs": text, "parameters": {"stride": 64, "aggregation_strategy": "simple"}}


def request(path, body):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Process:
    """A server that may be killed and started again at its port."""

    def __init__(self, options):
        self.port, self.log = free_port(), tempfile.TemporaryFile("w+")
        limits = ["--max-connections", options.idle + options.connections + 100, "--header-timeout", 3600]
        command = [options.tagsmith, "serve", "--model", options.model, "--port", self.port, "--threads", options.threads, *limits]
        self.command = [str(word) for word in command]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)

    def memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Clients:
    """Clients under load, and what they saw."""

    def __init__(self, server, rows, options):
        self.server, self.rows, self.options = server, rows, options
        self.known, self.answered, self.left, self.errors, self.may_break = {}, 0, 0, [], False

    async def answer(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in head if line.startswith("content-length:"))
        return int(head[0].split()[1]), await reader.readexactly(length)

    async def client(self, number, until):
        draw = random.Random(number)
        reader = writer = None
        while time.perf_counter() < until:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
                text = " ".join(draw.choice(self.rows) for _ in range(draw.choice((1, 1, 1, 2, 3, 5, 8, 13, 40))))
                path, fate = draw.choice(SAME), draw.random()
                body = json.dumps(body_of(path, text)).encode()
                writer.write(request(path, body[:-1] if fate < 0.02 else body))
                if fate > 0.98:
                    writer.close()
                    writer = None
                    self.left += 1
                    continue
                status, got = await asyncio.wait_for(self.answer(reader), PATIENCE)
                self.answered += 1
                if status != (400 if fate < 0.02 else 200):
                    self.errors.append(f"{path}: status {status}")
                elif status == 200:
                    known = self.known.setdefault((path, hash(text)), hash(got))
                    if known != hash(got):
                        self.errors.append(f"{path}: another answer to the same text")
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
                if not self.may_break:
                    self.errors.append(f"a connection broke: {type(error).__name__}")
                writer = None
                await asyncio.sleep(0.02)
        if writer is not None:
            writer.close()

    async def run(self, seconds, beside=None):
        until = time.perf_counter() + seconds
        clients = [self.client(number, until) for number in range(self.options.connections)]
        await asyncio.gather(*clients, *([] if beside is None else [beside(until)]))

    async def first_answer(self):
        """Asks until there is an answer. Returns the seconds."""
        began = time.perf_counter()
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
                writer.write(request("/", json.dumps(body_of("/", "Jo moved to New York .")).encode()))
                status, _ = await asyncio.wait_for(self.answer(reader), PATIENCE)
                writer.close()
                if status == 200:
                    return time.perf_counter() - began
            except (OSError, asyncio.IncompleteReadError):
                if time.perf_counter() - began > PATIENCE:
                    self.server.log.seek(0)
                    sys.exit(f"the server does not answer:\n{self.server.log.read()[-4000:]}")
                await asyncio.sleep(0.01)


async def soak(clients, options):
    seconds, memory = 60 * options.minutes, []

    async def watch(until):
        began = time.perf_counter()
        while time.perf_counter() < until:
            memory.append((time.perf_counter() - began, clients.server.memory()))
            await asyncio.sleep(min(6, seconds / 20))

    await clients.run(seconds, watch)
    settled = [(at, mb) for at, mb in memory if at > seconds / 5] or memory[-1:]
    slope = statistics.linear_regression(*zip(*settled)).slope * 60 if len(settled) > 2 else 0.0
    return {"minutes": options.minutes, "answers": clients.answered, "left": clients.left, "idle_mb": round(memory[0][1], 1),
            "after_a_fifth_mb": round(settled[0][1], 1), "end_mb": round(settled[-1][1], 1),
            "growth_mb": round(settled[-1][1] - settled[0][1], 1), "slope_mb_a_minute": round(slope, 3)}  # fmt: skip


async def idle(clients, options):
    before, began, held = clients.server.memory(), time.perf_counter(), []
    for _ in range(options.idle):
        held.append(await asyncio.open_connection("127.0.0.1", clients.server.port))
    opened, answered = time.perf_counter() - began, clients.answered
    await clients.run(min(20, 60 * options.minutes))
    memory = clients.server.memory()
    for _, writer in held:
        writer.close()
    return {"connections": options.idle, "opened_s": round(opened, 2), "answers": clients.answered - answered,
            "kb_a_connection": round(1024 * (memory - before) / max(1, options.idle), 2)}  # fmt: skip


async def kills(clients, options):
    ready = []

    async def kill(until):
        clients.may_break = True
        for number in range(options.kills):
            await asyncio.sleep(min(3, 20 * options.minutes))
            clients.server.process.kill()
            clients.server.process.wait()
            clients.server.start()
            ready.append(await clients.first_answer())
            if number + 1 == options.kills:
                clients.may_break = False

    answered = clients.answered
    await clients.run(options.kills * min(5, 60 * options.minutes) + min(3, 60 * options.minutes), kill)
    return {"kills": options.kills, "answers": clients.answered - answered, "first_answer_s": [round(it, 2) for it in ready]}


async def everything(clients, options):
    await clients.first_answer()
    found = {}
    for part in (soak, idle, kills):
        found[part.__name__] = await part(clients, options)
        found[part.__name__]["errors"] = len(clients.errors)
        print(f"{part.__name__:>5}: {found[part.__name__]}", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--tagsmith", default="target/dist/tagsmith")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--idle", type=int, default=10000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    # Both ends of a connection are files, and the server has the same limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 2 * options.idle + 1000), most))
    rows = [" ".join(words) for words, _ in sentences(options.input)]
    server = Process(options)
    clients = Clients(server, rows, options)
    try:
        found = asyncio.run(everything(clients, options))
    finally:
        server.process.terminate()
        server.process.wait()
    for error in clients.errors[:10]:
        print(error, file=sys.stderr)
    print(json.dumps(found))
    return 1 if clients.errors else 0


if __name__ == "__main__":
    sys.exit(main())
