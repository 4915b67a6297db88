"""Peers that vanish: nobody says that they are gone, so it is found out, and soon. Peers that are
only slow are left alone."""
import pathlib
import threading
import time

import pytest

import httpraw
from httpraw import STREAM, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta, ok
from procs import wait_for
from vanish import linux_only, vanish

pytestmark = linux_only

LIMIT = 2       # seconds that bytes may be unacknowledged
SLACK = 1.5


class Streaming:
    """An upstream that sends an event every pause seconds, until its connection is closed."""

    def __init__(self, pause=0.05):
        self.pause, self.gone_at = pause, None
        self.gone = threading.Event()

    def __call__(self, conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        while True:
            try:
                conn.send(chunk(delta("word")))
                if conn.silent(self.pause):
                    continue
            except ConnectionError:
                pass
            break
        self.gone_at = time.monotonic()
        self.gone.set()

    def took(self, since):
        assert self.gone.wait(LIMIT + 5)
        return self.gone_at - since


def test_a_client_that_vanishes_stops_the_bill(proxy, scripted):
    """The kernel's buffer would take this stream for hours."""
    upstream = Streaming()
    p = proxy(scripted(upstream), server={"body_timeout": f"{LIMIT}s"})
    c = p.connect().send(post(STREAM))
    c.response_head()
    c.chunk()
    vanish(c)
    assert LIMIT / 2 < upstream.took(time.monotonic()) < LIMIT + SLACK
    p.wait_log("client_gone")


@pytest.mark.parametrize("end", ["far", "near"])
def test_a_client_whose_network_is_gone_stops_the_bill(proxy, scripted, cable, end):
    """far: the cable is pulled out over there; near: here, so that no way leads to it."""
    upstream = Streaming()
    listen = "127.0.0.1:{port}, %s:{port}" % cable.near
    p = proxy(scripted(upstream), server={"body_timeout": f"{LIMIT}s", "listen": listen},
              api_keys={"k": "sk"})
    c = cable.from_far(lambda: httpraw.connect(p.port, host=cable.near))
    c.send(post(STREAM, "Authorization: Bearer k"))
    c.response_head()
    c.chunk()
    cable.cut(end)
    assert LIMIT / 2 < upstream.took(time.monotonic()) < LIMIT + SLACK
    p.wait_log("client_gone")
    c.close()


def test_an_upstream_that_vanished_while_its_connection_was_kept(proxy, scripted):
    """The request may have reached it, for all that is known, so nobody should send it again."""
    def handler(conn, n):
        conn.request()
        conn.send(ok())
        if n == 0:
            vanish(conn)
            kept.set()
            time.sleep(LIMIT + 2)
    kept = threading.Event()
    u = scripted(handler)
    p = proxy(u, upstream={"timeout": f"{LIMIT}s"})
    assert p.ask(post()).status == 200
    assert kept.wait(5)
    start = time.monotonic()
    r = p.ask(post())
    assert LIMIT / 2 < time.monotonic() - start < LIMIT + SLACK
    assert r.status == 502 and r.error["code"] == "upstream_error"
    assert r.get("x-should-retry") == "false"
    assert p.ask(post()).status == 200      # over a new connection


def test_a_client_that_does_not_read_for_a_while_is_there(proxy, scripted):
    """Its window is closed for longer than body_timeout, but the kernel takes all that there is to
    send."""
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        for _ in range(9):
            conn.send(chunk(delta("x" * 30000)))
            time.sleep(0.5)
        conn.send(chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")
    p = proxy(scripted(handler), server={"body_timeout": f"{LIMIT}s"})
    c = p.connect(rcvbuf=4096).send(post(STREAM))
    time.sleep(9 * 0.5 + 1)
    r = c.response()
    assert r.complete and len(r.chunks) == 11
    p.wait_log("complete")


def test_an_upstream_that_is_busy_is_there(proxy, scripted):
    """A local model with one place takes a connection, and reads the request when it has time."""
    def handler(conn, n):
        time.sleep(2 * LIMIT)
        conn.request()
        conn.send(ok())
    p = proxy(scripted(handler), upstream={"timeout": f"{LIMIT}s"})
    assert p.ask(post(b"[" + b" " * (8 << 20) + b"]")).status == 200


def test_silent_connections_are_probed(proxy, scripted):
    """The kernel shows a socket's timer: 2 is that of keep-alive, due in so many hundredths. It may
    leave a socket out while others come and go, so it is asked until it shows both."""
    def handler(conn, n):
        conn.request()
        asked.set()
        conn.gone()
    asked = threading.Event()
    u = scripted(handler)
    p = proxy(u)
    c = p.connect().send(post())
    assert asked.wait(5)

    def both_are_probed():
        found = set()
        for line in pathlib.Path(f"/proc/{p.pid}/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, _, timer, *_ = line.split()
            ports = int(local.split(":")[1], 16), int(remote.split(":")[1], 16)
            kind, due = timer.split(":")
            if kind == "02" and int(due, 16) <= 60 * 100:
                found.update(ports)
        return {p.port, u.port} <= found
    wait_for(both_are_probed)
    c.close()
