#!/usr/bin/env python3
"""What a request, an event and a byte cost on other CPUs: instructions, which qemu counts the same
each time, and which say nothing of how long one takes.

The static programs are those that packaging/build leaves. Usage: instructions.py [CPU...], as
packaging/cpus has them; all that are built without one.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "blackbox"))
import httpraw  # noqa: E402
import procs  # noqa: E402
from peers import DONE, FINISH, SSE_HEAD, Scripted, answering, chunk, delta, ok  # noqa: E402

TEXT = ("You are a helpful assistant. The user says \"hello\",\nand you answer in one sentence. "
        "Numbers: 1, 22, 333. ") * 4
WAIT = 60                               # seconds: an emulator that writes is slow
CHAT = json.dumps({"model": "gpt-4o", "temperature": 0.7, "stream": True, "messages": [
    {"role": "user" if i % 2 else "assistant", "content": TEXT} for i in range(60)]}).encode()


class Emulated:
    """The program in an emulator that writes a line for each instruction."""

    def __init__(self, cpu, target, folder, aliases):
        row = re.search(rf"^{cpu} .*", (ROOT / "packaging" / "cpus").read_text(), re.M)[0].split()
        emulator, _, model = row[4].partition(":")
        self.port = procs.free_port()
        ini = folder / "proxy.ini"
        ini.write_text(f"[server]\nlisten = 127.0.0.1:{self.port}\nsandbox = no\n[log]\n"
                       f"level = error\n[upstream]\nproxy = none\nbase_url = {target}\n"
                       + ("[field_aliases]\nmax_tokens = limit\n" if aliases else ""))
        lines = folder / "lines"
        if not lines.exists():
            os.mkfifo(lines)
        self.counter = subprocess.Popen(["grep", "-c", "^Trace", str(lines)],
                                        stdout=subprocess.PIPE, text=True)
        self.process = subprocess.Popen(
            [f"qemu-{emulator}-static", "-cpu", model, "-singlestep", "-d", "exec,nochain", "-D",
             str(lines), str(ROOT / "build" / "static" / cpu / "openai-chat-proxy"), "-c",
             str(ini)], stderr=subprocess.DEVNULL, env=procs.clean_env())
        procs.wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, 60)

    def end(self):
        """Ends it. Returns how many instructions it took."""
        self.process.terminate()
        self.process.wait(60)
        return int(self.counter.communicate(timeout=60)[0])


def cost(cpu, target, work, few, many, aliases=False):
    """Instructions for each n of work(connection, n)."""
    counts = []
    for n in (few, many):
        with tempfile.TemporaryDirectory() as folder:
            p = Emulated(cpu, target, pathlib.Path(folder), aliases)
            c = httpraw.connect(p.port)
            work(c, n)
            c.close()
            counts.append(p.end())
    return (counts[1] - counts[0]) / (many - few)


def requests(body):
    raw = httpraw.post(body, "Authorization: Bearer x")

    def work(c, n):
        for _ in range(n):
            assert c.send(raw).response(wait=WAIT).status == 200
    return work


def main():
    names = sys.argv[1:] or sorted(p.name for p in (ROOT / "build" / "static").iterdir())
    has_it = threading.Semaphore(0)

    def one_by_one(conn, _):
        n = int(conn.request().target.partition("?")[2])
        conn.send(SSE_HEAD)
        for _ in range(n):
            conn.send(chunk(delta("some words")))
            assert has_it.acquire(timeout=20)
        conn.send(chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")

    def events(c, n):
        r = c.send(httpraw.post(httpraw.STREAM, query=str(n))).response_head()
        for _ in range(n):
            c.chunk()
            has_it.release()
        c.read_body(r, "close")

    answers, streams = Scripted(answering(ok(b"{}"))), Scripted(one_by_one)
    print("| CPU | a small request | an event | a byte of a renamed body |")
    print("| --- | --- | --- | --- |")
    for cpu in names:
        small = cost(cpu, answers.url, requests('{"model":"m","messages":[]}'), 10, 60)
        event = cost(cpu, streams.url, events, 10, 60)
        renamed = cost(cpu, answers.url, requests(CHAT), 1, 3, True) - small
        print(f"| {cpu} | {small:.0f} | {event:.0f} | {renamed / len(CHAT):.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
