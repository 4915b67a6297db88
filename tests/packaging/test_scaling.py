"""Three replicas behind the HAProxy of docs/scaling.md, each drained and replaced under 500
requests a second and 200 open streams: nothing is lost, and each key is at one replica."""
import asyncio
import calendar
import collections
import json
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import blocks, need
from procs import BINARY, clean_env, free_port, ini_text
from test_fronts import Front, haproxy

RATE = 500
STREAMS = 200
KEYS = [f"front-{n}" for n in range(40)]
EVENTS = 6      # of a stream, half a second apart


class Replica:
    """One of the proxies, which comes and goes on a port that stays."""

    def __init__(self, folder, name, base):
        self.folder = folder / name
        self.folder.mkdir()
        self.port = free_port()
        self.ini = self.folder / "proxy.ini"
        sections = {"server": {"listen": f"127.0.0.1:{self.port}", "drain_timeout": "20"},
                    "upstream": {"base_url": base, "proxy": "none"},
                    "log": {"format": "json", "file": str(self.folder / "log")}}
        keys = {f"key {k}": {"key": k, "upstream_key": f"sk-real-{k}"} for k in KEYS}
        self.ini.write_text(ini_text({**sections, **keys}).replace("[key front-", "[key of-"))
        self.start()

    def start(self):
        self.process = subprocess.Popen([str(BINARY), "-c", str(self.ini)], env=clean_env(),
                                        stdin=subprocess.DEVNULL)
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
        raise AssertionError("a replica did not start")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(25)
        return self.process.returncode

    def requests(self):
        """(when it had ended, whose, how long) of each request in the log."""
        for line in (self.folder / "log").read_text().splitlines():
            seen = json.loads(line)
            if seen.get("key"):
                when = time.strptime(seen["time"][:19], "%Y-%m-%dT%H:%M:%S")
                ms = int(seen["time"][20:23])
                yield calendar.timegm(when) + ms / 1000, seen["key"], seen["total_ms"] / 1000


class Load:
    """Requests and streams through one port, and what became of them."""

    def __init__(self, port):
        self.port = port
        self.done = 0
        self.streamed = 0
        self.open = 0
        self.lost = collections.Counter()
        self.running = True

    async def ask(self, reader, writer, key, query, body):
        writer.write((f"POST /v1/chat/completions{query} HTTP/1.1\r\nHost: x\r\n"
                      f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
                      f"{body}").encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(head.partition(b"\r\n")[0].decode())
        length = re.search(rb"content-length: (\d+)", head, re.I)
        if length:
            return await reader.readexactly(int(length[1]))
        parts = []
        while True:
            size = int(await asyncio.wait_for(reader.readline(), 20), 16)
            data = await reader.readexactly(size + 2)
            if size == 0:
                return b"".join(parts)
            parts.append(data[:-2])

    async def requests(self, n, of):
        """RATE / of requests a second, on a connection that is kept."""
        due = time.monotonic() + n / RATE
        reader = writer = None
        while self.running:
            await asyncio.sleep(max(0, due - time.monotonic()))
            due += of / RATE
            try:
                if writer is None or reader.at_eof():
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                body = await self.ask(reader, writer, KEYS[(n + self.done) % len(KEYS)], "", "{}")
                json.loads(body)
                self.done += 1
            except (ValueError, OSError, EOFError, asyncio.TimeoutError) as e:
                self.lost[f"request: {e!r}"] += 1
                writer = None

    async def stream(self, n):
        await asyncio.sleep(n / STREAMS)
        while self.running:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                self.open += 1
                body = await self.ask(reader, writer, KEYS[n % len(KEYS)],
                                      f"?events={EVENTS}&pause=500", '{"stream":true}')
                if not body.endswith(b"data: [DONE]\n\n") or body.count(b"delta") < EVENTS:
                    raise ValueError(f"a stream of {len(body)} bytes")
                self.streamed += 1
                writer.close()
            except (ValueError, OSError, EOFError, asyncio.TimeoutError) as e:
                self.lost[f"stream: {e!r}"] += 1
            self.open -= 1


def control(path, command):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.sendall(f"{command}\n".encode())
        said = s.recv(4096).decode()
    assert not said.strip(), said


@pytest.fixture
def balanced(tmp_path, upstream):
    """A HAProxy with three replicas behind it."""
    need("haproxy")
    replicas = {name: Replica(tmp_path, name, upstream.url) for name in ("one", "two", "three")}
    port = free_port()
    settings = blocks("scaling.md", "haproxy")[0]
    for name, r in replicas.items():
        settings = re.sub(rf"server {name} [0-9.:]+", f"server {name} 127.0.0.1:{r.port}", settings)
    settings = re.sub(r"/run/haproxy/admin.sock", str(tmp_path / "admin"), settings)
    settings = re.sub(r"bind :443 .*", f"bind 127.0.0.1:{port}", settings)
    front = Front(tmp_path, haproxy(tmp_path, settings), port)
    front.replicas, front.admin = replicas, tmp_path / "admin"
    yield front
    front.stop()
    for r in replicas.values():
        r.stop()


async def rolled_over(front, load):
    """Replaces one replica after the other. Returns when each was out: name to (from, to)."""
    tasks = [asyncio.create_task(load.requests(n, 50)) for n in range(50)]
    tasks += [asyncio.create_task(load.stream(n)) for n in range(STREAMS)]
    await asyncio.sleep(2.5)
    out = {}
    for name, replica in front.replicas.items():
        assert load.open >= STREAMS * 0.9
        begin = time.time()
        control(front.admin, f"set server chat/{name} state drain")
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(replica.stop) == 0
        await asyncio.to_thread(replica.start)
        control(front.admin, f"set server chat/{name} state ready")
        await asyncio.sleep(1.5)
        out[name] = begin, time.time()
        await asyncio.sleep(1)
    load.running = False
    await asyncio.gather(*tasks)
    return out


def homes(front, out):
    """Where each key is when all replicas are there. A request somewhere else must have begun while
    its key's own replica was out, and at one other."""
    where = collections.defaultdict(collections.Counter)
    strays = []
    for name, replica in front.replicas.items():
        for when, key, took in replica.requests():
            began = when - took + 0.05      # clocks are read once a turn
            away = next((n for n, (a, b) in out.items() if a <= began <= b), None)
            where[key, away][name] += 1
    for (key, away), seen in where.items():
        home = where[key, None].most_common(1)[0][0]
        allowed = 1 if away != home else 2      # at home until it went, or when it came back
        if away is None and len(seen) > 1 or away != home and set(seen) != {home} or \
                len(seen) > allowed:
            strays.append((key, away, dict(seen)))
    assert not strays, strays
    return {key: where[key, None].most_common(1)[0][0] for key, away in where if away is None}


@pytest.mark.alone
def test_nothing_is_lost_while_replicas_are_replaced(balanced):
    load = Load(balanced.port)
    begin = time.monotonic()
    out = asyncio.run(rolled_over(balanced, load))
    took = time.monotonic() - begin
    print(f"{load.done} requests and {load.streamed} streams in {took:.0f} s")
    assert not load.lost, load.lost
    assert load.done > RATE * took * 0.8, f"{load.done / took:.0f} requests/s"
    assert load.streamed > 2 * STREAMS
    keys = homes(balanced, out)
    assert len(keys) == len(KEYS)
    spread = collections.Counter(keys.values())
    assert len(spread) == 3 and min(spread.values()) >= len(KEYS) // 10, spread
