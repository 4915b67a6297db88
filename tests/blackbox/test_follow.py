"""Reloads of several workers: when one is done, nobody serves with settings that were withdrawn.
And reloads that take long hold up neither streams nor other signals."""
import os
import pathlib
import re
import resource
import signal
import threading
import time

import pytest

import procs
from httpraw import STREAM, head, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta
from procs import children
from streams import begun, streaming, whole

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/task"),
                                reason="this looks into /proc")


def statuses(p, key, n=20):
    return {p.ask(post("{}", f"Authorization: Bearer {key}")).status for _ in range(n)}


def revoke(p, base, **server):
    """Takes the key old-key-1 out of the file, and asks for a reload."""
    p.write_ini(base, {"server": {"workers": "2", **server}, "api_keys": {"new-key-1": "real-1"}})
    p.signal(signal.SIGHUP)


@pytest.fixture
def two(workers, upstream):
    """Two workers that know the key old-key-1."""
    p = workers(upstream, api_keys={"old-key-1": "real-1"})
    assert statuses(p, "old-key-1") == {200}
    return p


def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{pid}/stat")
    procs.wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


def test_a_reload_is_done_when_all_have_followed(two, upstream):
    victim = children(two.pid)[0]
    stopped(victim)
    revoke(two, upstream.url)
    time.sleep(0.5)
    assert "reload: done" not in two.log()
    os.kill(victim, signal.SIGCONT)
    two.wait_log("reload: done")
    assert statuses(two, "old-key-1") == {401} and statuses(two, "new-key-1") == {200}
    assert victim in children(two.pid)


def test_a_worker_that_dies_meanwhile_starts_with_what_is_new(two, upstream):
    victim = children(two.pid)[0]
    stopped(victim)
    revoke(two, upstream.url)
    time.sleep(0.2)
    os.kill(victim, signal.SIGKILL)
    two.wait_log("reload: done")
    procs.wait_for(lambda: len(children(two.pid)) == 2)
    assert statuses(two, "old-key-1") == {401} and statuses(two, "new-key-1") == {200}


def test_one_more_reload_while_one_is_under_way(two, upstream):
    victim = children(two.pid)[0]
    stopped(victim)
    two.write_ini(upstream.url, {"server": {"workers": "2"}, "log": {"level": "debug"}})
    for _ in range(20):
        two.signal(signal.SIGHUP)
        time.sleep(0.01)
    revoke(two, upstream.url)
    os.kill(victim, signal.SIGCONT)
    two.wait_log("reload: done(.|\n)*reload: done")
    assert statuses(two, "old-key-1") == {401} and statuses(two, "new-key-1") == {200}
    assert two.log().count("reload: done") <= 3


def allow_files(pid, n):
    """Sets how many a process may open from here on. Returns how many it could before."""
    before, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (n, most))
    return before


def test_a_reload_needs_no_descriptor(two, upstream):
    """The workers may open none."""
    before = [allow_files(pid, 3) for pid in children(two.pid)]
    held = two.connect()
    two.wait_log("accepting connections on .* pauses: ")
    revoke(two, upstream.url)
    two.wait_log("reload: done")
    held.close()
    for pid, n in zip(children(two.pid), before):
        allow_files(pid, n)
    assert statuses(two, "old-key-1") == {401} and statuses(two, "new-key-1") == {200}


def test_a_worker_that_cannot_follow_is_replaced(workers, scripted):
    """It has no descriptor left for a new listener. Its streams come to their end."""
    u = scripted(streaming(2))
    p = workers(u, server={"drain_timeout": "30"})
    streams, first, other = begun(p, 6), children(p.pid), procs.free_port()
    before = [allow_files(pid, 3) for pid in first]
    revoke(p, u.url, listen=f"127.0.0.1:{p.port}, 127.0.0.1:{other}", drain_timeout="30")
    p.wait_log("reload: done")
    for pid, n in zip(first, before):       # a sanitizer opens files at the end
        allow_files(pid, n)
    assert len(re.findall(r"warning worker \d \(process \d+\) cannot follow", p.log())) == 2
    assert whole(streams)
    assert statuses(p, "old-key-1") == {401}
    p.port = other
    assert statuses(p, "old-key-1") == {401}
    procs.wait_for(lambda: len(children(p.pid)) == 2 and not set(first) & set(children(p.pid)))
    assert " error worker" not in p.log(), "their end was expected"


def many_keys(n):
    return {f"client-key-{i:06d}": f"real-key-{i:06d}" for i in range(n)}


@pytest.mark.parametrize("n", [1, 2])
def test_signals_do_not_queue_up(proxy, upstream, n):
    """However many ask for a reload that takes long, one is enough, and TERM goes first."""
    p = proxy(upstream, server={"workers": str(n)}, api_keys=many_keys(20000))
    p.ask(head("GET", "/healthz"), "GET")
    for _ in range(100):
        p.signal(signal.SIGHUP)
        time.sleep(0.001)
    p.signal(signal.SIGTERM)
    assert p.wait_end(20) == 0
    assert p.log().count("reload: ") <= 10


def test_a_reload_does_not_hold_up_streams(proxy, scripted):
    """The tables of 20,000 keys are built while events go on."""
    stop = threading.Event()

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        while not stop.is_set():
            conn.send(chunk(delta("x")))
            time.sleep(0.002)
        conn.send(chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")
    keys = many_keys(20000)
    p = proxy(scripted(handler), api_keys=keys)
    c = p.connect().send(post(STREAM, f"Authorization: Bearer {next(iter(keys))}"))
    c.response_head()
    c.chunk()
    gaps, last = [], time.monotonic()
    p.signal(signal.SIGHUP)
    while "reload: done" not in p.log() or len(gaps) < 100:
        c.chunk()
        gaps.append(time.monotonic() - last)
        last = time.monotonic()
    stop.set()
    if not procs.sanitized():
        assert sorted(gaps)[-3] < 0.05, sorted(gaps)[-10:]
