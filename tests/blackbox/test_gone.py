"""The client leaves, at any moment, in any way: the upstream's connection is closed within a second
and nobody else notices."""
import re
import threading

import pytest

from httpraw import PATH, STREAM, head, post
from peers import SSE_HEAD, chunk, delta
from procs import wait_for

LEAVE = {
    "close": lambda c: c.close(),
    "reset": lambda c: c.close(rst=True),
    "half-close": lambda c: c.finish(),
}

each_way = pytest.mark.parametrize("leave", LEAVE)


class Watching:
    """An upstream that runs its script, then measures how long its connection lives after the
    client left."""

    def __init__(self, play):
        self.play = play
        self.ready = threading.Event()
        self.left = threading.Event()
        self.took = None
        self.done = threading.Event()

    def __call__(self, conn, n):
        self.play(conn)
        self.ready.set()
        assert self.left.wait(8)
        self.took = conn.gone(5)
        self.done.set()

    def check(self, client, leave):
        assert self.ready.wait(8)
        LEAVE[leave](client)
        self.left.set()
        assert self.done.wait(8)
        assert self.took < 1, self.took


def check(proxy, scripted, play, request, leave, before=None):
    w = Watching(play)
    p = proxy(scripted(w))
    c = p.connect(rcvbuf=4096).send(request)
    if before:
        before(c)
    w.check(c, leave)
    assert p.ask(head("GET", "/healthz")).status == 200
    return p


def read_all(conn):
    conn.request()


@each_way
def test_while_waiting_for_the_answer(proxy, scripted, leave):
    check(proxy, scripted, read_all, post(STREAM), leave).wait_log("client_gone")


@each_way
def test_in_an_upload(proxy, scripted, leave):
    check(proxy, scripted, lambda conn: conn.head_bytes(),
          head("POST", PATH, "Content-Length: 100000") + b"x" * 1000, leave)


@each_way
def test_in_an_upload_in_chunks(proxy, scripted, leave):
    check(proxy, scripted, lambda conn: conn.head_bytes(),
          head("POST", PATH, "Transfer-Encoding: chunked") + b"fff\r\nx", leave)


def until_stuck(c):
    c.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            c.sock.sendall(b"x" * 65536)


@each_way
def test_in_an_upload_that_the_upstream_does_not_take(proxy, scripted, leave):
    check(proxy, scripted, lambda conn: None, head("POST", PATH, "Content-Length: 90000000"), leave,
          until_stuck)


@each_way
def test_after_half_of_the_answers_head(proxy, scripted, leave):
    def play(conn):
        conn.request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-")
    check(proxy, scripted, play, post(), leave)


@each_way
def test_in_a_stream(proxy, scripted, leave):
    def play(conn):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))

    def before(c):
        c.response_head()
        assert c.chunk() == delta("a")
    check(proxy, scripted, play, post(STREAM), leave, before)


@each_way
def test_in_a_plain_answer(proxy, scripted, leave):
    def play(conn):
        conn.request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    check(proxy, scripted, play, post(), leave, lambda c: c.response_head())


@each_way
def test_a_reader_that_does_not_read(proxy, scripted, leave):
    """The response is stuck in the proxy when the client leaves."""
    def play(conn):
        conn.request()
        conn.sock.settimeout(0.5)
        try:
            conn.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n"
                              + b"x" * 90_000_000)
        except TimeoutError:
            pass
    check(proxy, scripted, play, post(), leave)


@each_way
def test_with_more_requests_sent_ahead(proxy, scripted, leave):
    check(proxy, scripted, read_all, post() + post() * 100, leave)


def test_in_a_stream_that_never_pauses(proxy, scripted):
    """The proxy sees the end even while events keep the connection busy."""
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        try:
            for i in range(1_000_000):
                conn.send(chunk(delta("x" * 500)))
        except ConnectionError:
            gone.set()
    gone = threading.Event()
    p = proxy(scripted(handler))
    c = p.connect().send(post(STREAM))
    c.response_head()
    for _ in range(50):
        c.chunk()
    c.close()
    assert gone.wait(1)


@each_way
@pytest.mark.parametrize("raw", [b"", b"POST /v1", head("POST", PATH)[:-2]])
def test_before_the_head_is_in(proxy, scripted, leave, raw):
    u = scripted(lambda conn, n: conn.gone())
    p = proxy(u)
    c = p.connect().send(raw)
    LEAVE[leave](c)
    if leave == "half-close":
        c.gone(2)
    assert p.ask(head("GET", "/healthz")).status == 200
    assert not u.conns


@each_way
def test_while_connecting(proxy, black_hole, leave):
    p = proxy(black_hole, upstream={"connection_limit": "1"})
    c = p.connect().send(post())
    assert c.silent(0.2)
    LEAVE[leave](c)
    p.wait_log("client_gone")
    again = p.connect().send(post())        # the place is free again: no 503
    assert again.silent(0.2)
    again.close()


def test_before_100_continue_was_answered(proxy, scripted):
    u = scripted(lambda conn, n: conn.gone())
    p = proxy(u)
    c = p.connect().send(head("POST", PATH, "Content-Length: 10", "Expect: 100-continue"))
    assert c.response_head(interim=True).status == 100
    c.close()
    p.wait_log("client_gone")
    assert all(b"0123" not in conn.buf for conn in u.conns)
    for conn in u.conns:
        conn.gone(1)


def test_many_leave_at_once(proxy, scripted):
    n, left = 200, []

    def handler(conn, i):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone()
        left.append(i)
    p = proxy(scripted(handler))
    conns = [p.connect().send(post(STREAM)) for _ in range(n)]
    for c in conns:
        c.response_head()
    assert left == []
    for i, c in enumerate(conns):
        c.close(rst=i % 2 == 0)
    wait_for(lambda: len(left) == n, 2)
    assert p.ask(head("GET", "/healthz")).status == 200
    wait_for(lambda: len(re.findall("end=client_gone", p.log())) == n)
