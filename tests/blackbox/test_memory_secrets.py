"""Keys that a reload has withdrawn are nowhere in the memory of any process, which is searched
through /proc/PID/mem; and a crash leaves no core, whoever takes it."""
import base64
import json
import os
import pathlib
import re
import resource
import secrets
import signal
import subprocess
import sys
import time

import pytest

import procs
from httpraw import post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta, ok
from started import ROOT_ONLY, healthy, ini

pytestmark = [ROOT_ONLY,
              pytest.mark.skipif(not os.path.exists("/proc/self/mem"),
                                 reason="this looks into /proc"),
              pytest.mark.skipif(procs.sanitized(),
                                 reason="a sanitizer keeps what was freed, and takes no core")]
NAMES = ("api", "second", "user", "password", "file_key", "field", "client", "real", "file_client",
         "upstream_key", "plain_client", "environment")


def mappings(pid):
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        where, mode, _, _, _, *name = line.split()
        if mode.startswith("r") and name[:1] not in (["[vvar]"], ["[vsyscall]"],
                                                     ["[vvar_vclock]"]):
            yield [int(x, 16) for x in where.split("-")]


def memory(pid):
    """All that a process can read, mapping by mapping."""
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for low, high in mappings(pid):
            try:
                mem.seek(low)
                yield mem.read(high - low)
            except OSError:
                continue


def shapes(secret):
    """The secret as it is, and inside of base64, wherever in a group of three it begins."""
    raw = secret.encode()
    yield raw
    for before in range(3):
        inner = base64.b64encode(b"x" * before + raw).rstrip(b"=")
        yield inner[4 if before else 0:-4]


def found(pids, values):
    """The names of the secrets that stand in the memory of the processes, with what is around."""
    hits = {}
    for pid in pids:
        for data in memory(pid):
            for name, secret in values.items():
                for shape in shapes(secret):
                    for m in re.finditer(re.escape(shape), data):
                        around = data[max(0, m.start() - 60):m.end() + 30]
                        hits.setdefault(name, []).append((pid, around))
    return hits


def wait_gone(pids, values, wait=5):
    """Waits until none of the secrets is in memory: the last connections that had them end."""
    deadline = time.monotonic() + wait
    while hits := found(pids, values):
        assert time.monotonic() < deadline, hits
        time.sleep(0.3)


def fresh():
    return {name: secrets.token_hex(12) for name in NAMES}


class Site:
    """Two upstreams and an outgoing proxy, and a proxy.ini that names a set of secrets."""

    def __init__(self, folder, scripted, tls, workers):
        def handler(conn, n):
            while conn.buf or conn.more(30):
                r = conn.request()
                if b"stream" not in r.body:
                    conn.send(ok(b'{"x":1}'))
                else:
                    conn.send(SSE_HEAD + chunk(delta("a")))
                    conn.more(20)
                    conn.send(chunk(FINISH + DONE) + b"0\r\n\r\n")
        self.folder, self.workers = folder, workers
        self.first, self.out, self.tls = scripted(handler), scripted(handler), tls(handler)

    def sections(self, s):
        (self.folder / "key").write_text(s["file_key"] + "\n")
        (self.folder / "client").write_text(s["file_client"] + "\n")
        return {
            "server": {"workers": str(self.workers), "drain_timeout": "2"},
            "upstream": {
                "api_key": f"{s['api']}, {s['second']}", "fallback": "other",
                "proxy": f"http://{s['user']}:{s['password']}@127.0.0.1:{self.out.port}"},
            "upstream_headers": {"X-Secret": s["field"]},
            "upstream other": {"base_url": self.tls.url, "api_key": f"file:{self.folder}/key",
                               "proxy": "none", "models": "m2", "ca_file": self.tls.ca},
            "api_keys": {s["client"]: s["real"]},
            "key alice": {"key": f"file:{self.folder}/client", "upstream_key": s["upstream_key"]},
            "key bob": {"key": s["plain_client"]},
            "field_aliases": {"a": "b"},
            "log": {"level": "debug", "log_requests": "yes", "log_responses": "yes"}}

    def ask(self, p, s):
        """Every way that a key takes: heads whole and in parts, kept and sent again, bodies."""
        for name in ("client", "file_client", "plain_client"):
            key = f"Authorization: Bearer {s[name]}"
            bodies = ['{"a":1,"model":"m1"}', '{"model":"m2"}',
                      json.dumps({"model": "m1", "x": s["api"]})]
            for body in bodies:
                assert p.ask(post(body, key)).status == 200
            c = p.connect()
            for _ in range(3):
                assert c.send(post(bodies[0], f"api-key: {s[name]}")).response().status == 200
            whole = post(bodies[1], key)
            c.send(whole[:len(whole) - 20])
            time.sleep(0.05)
            assert c.send(whole[len(whole) - 20:] + whole).response().status == 200
            assert c.response().status == 200
            c.close()

    def stream(self, p, s):
        c = p.connect().send(post('{"model":"m2","stream":1}',
                                  f"Authorization: Bearer {s['client']}"))
        c.response_head()
        c.chunk()
        return c

    def reload(self, p, s, expect="reload: done"):
        n = len(re.findall(expect, p.log()))
        p.write_ini(self.first.url, self.sections(s))
        p.signal(signal.SIGHUP)
        procs.wait_for(lambda: len(re.findall(expect, p.log())) > n)


@pytest.fixture
def site(tmp_path, scripted, tls_upstream, good, authority):
    def tls(handler):
        u = tls_upstream(handler, good)
        u.ca = authority.file
        return u
    return lambda workers: Site(tmp_path, scripted, tls, workers)


def processes(p):
    return [p.pid, *procs.children(p.pid)]


@pytest.mark.parametrize("workers", [1, 2])
def test_withdrawn_keys_are_nowhere(proxy, site, workers):
    at, old, new = site(workers), fresh(), fresh()
    p = proxy(at.first, **at.sections(old))
    at.ask(p, old)
    there = found(processes(p), old)
    assert {"api", "client", "file_client", "user", "field"} <= set(there)     # the search finds
    at.reload(p, new)
    at.ask(p, new)
    wait_gone(processes(p), old)
    assert {"api", "client"} <= set(found(processes(p), new))


def test_they_go_with_the_last_request_that_has_them(proxy, site):
    at, old, new = site(1), fresh(), fresh()
    p = proxy(at.first, **at.sections(old))
    at.ask(p, old)
    c = at.stream(p, old)
    at.reload(p, new)
    assert "client" in found([p.pid], old)      # the stream's own settings
    c.send(b"\n").close()
    wait_gone([p.pid], old)


@pytest.mark.parametrize("workers", [1, 2])
def test_those_of_a_reload_that_failed_are_nowhere(proxy, site, workers):
    at, old, new = site(workers), fresh(), fresh()
    p = proxy(at.first, **at.sections(old))
    at.ask(p, old)
    sections = at.sections(new)
    sections["server"]["idle_timeout"] = "soon"
    p.write_ini(at.first.url, sections)
    p.signal(signal.SIGHUP)
    p.wait_log("nothing was changed")
    wait_gone(processes(p), new)


@pytest.fixture
def cores(tmp_path):
    """Has the kernel give cores to a program, also those of processes that changed their user; what
    came of it lies in the folder that this gives."""
    pattern, dumpable = (pathlib.Path("/proc/sys") / name
                         for name in ("kernel/core_pattern", "fs/suid_dumpable"))
    before = pattern.read_text(), dumpable.read_text()
    folder = tmp_path / "cores"
    folder.mkdir()
    taker = tmp_path / "taker"
    taker.write_text(f"#!/bin/sh\nexec cat >{folder}/$1\n")
    taker.chmod(0o755)
    try:
        dumpable.write_text("2")
        pattern.write_text(f"|{taker} %p")
    except OSError:
        pytest.skip("where cores go cannot be changed here")
    yield folder
    pattern.write_text(before[0])
    dumpable.write_text(before[1])


@pytest.mark.alone
@pytest.mark.parametrize("user, workers", [("", 1), ("", 2), ("nobody", 1)])
def test_a_crash_leaves_no_core(started, cores, user, workers):
    """Also where a program takes it, which no limit keeps from that, and after a change of the
    user, which makes a process dumpable again."""
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}",
                    more=f"[server]\nuser = {user}\nworkers = {workers}\n"),
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
    healthy(port)
    victims = procs.children(p.process.pid) or [p.process.pid]
    procs.wait_for(lambda: all("Seccomp:\t2" in pathlib.Path(f"/proc/{v}/status").read_text()
                               for v in victims))
    for v in victims:
        os.kill(v, signal.SIGSEGV)
        procs.wait_for(lambda v=v: not procs.alive(v))
    p.process.send_signal(signal.SIGKILL)
    p.process.wait()
    plain = subprocess.Popen([sys.executable, "-c",
                              "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"],
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
    plain.wait()
    procs.wait_for((cores / str(plain.pid)).exists)     # a core would have come
    assert [f.name for f in cores.iterdir()] == [str(plain.pid)]
