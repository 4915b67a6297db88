"""TERM and INT: requests under way finish and no new one begins; a second signal, or drain_timeout,
ends the rest."""
import signal
import time

import pytest

import httpraw
from httpraw import STREAM, head, post
from peers import SSE_HEAD, chunk, delta


def refused(p):
    """True if the proxy takes no new connection, or answers on it that it is draining."""
    try:
        c = p.connect()
    except ConnectionError:
        return True
    try:
        c.send(post())
        r = c.response()
    except (httpraw.Broken, ConnectionError):
        return True
    return r.status == 503 and r.error["code"] == "draining"


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_proxy_ends_at_once(proxy, upstream, which):
    p = proxy(upstream, server={"drain_timeout": "30"})
    c = p.connect()
    assert c.send(post()).response().status == 200
    silent = p.connect()
    start = time.monotonic()
    p.signal(which)
    assert p.wait_end(3) == 0
    assert time.monotonic() - start < 1.5
    assert c.closed() and silent.gone() < 1


def test_a_stream_is_finished(proxy, upstream):
    p = proxy(upstream, server={"drain_timeout": "30"})
    raw = post(STREAM, query="events=20&pause=50")
    c = p.connect().send(raw)
    c.response_head()
    first = c.chunk()
    p.signal(signal.SIGTERM)
    time.sleep(0.2)
    assert p.process.poll() is None
    assert refused(p)
    rest = []
    while (data := c.chunk()):
        rest.append(data)
    assert data == b""
    assert first + b"".join(rest) == upstream.ask(raw).body
    assert c.closed(2)
    assert p.wait_end(3) == 0


def test_an_answer_that_is_waited_for_comes(proxy, upstream):
    p = proxy(upstream, server={"drain_timeout": "30"})
    c = p.connect().send(post(query="delay=600"))
    time.sleep(0.2)
    p.signal(signal.SIGTERM)
    r = c.response()
    assert r.status == 200 and r.complete and r.has_token("connection", "close")
    assert c.closed(2)
    assert p.wait_end(3) == 0


def test_an_upload_is_finished(proxy, upstream):
    p = proxy(upstream, server={"drain_timeout": "30"})
    c = p.connect().send(head("POST", httpraw.PATH + "?echo=body", "Content-Length: 10") + b"hello")
    time.sleep(0.2)
    p.signal(signal.SIGTERM)
    time.sleep(0.2)
    assert c.send(b"world").response().body == b"helloworld"
    assert p.wait_end(3) == 0


def test_drain_timeout(proxy, upstream):
    p = proxy(upstream, server={"drain_timeout": "500ms"})
    c = p.connect().send(post(STREAM, query="events=1000&pause=100"))
    c.response_head()
    start = time.monotonic()
    p.signal(signal.SIGTERM)
    assert p.wait_end(4) == 0
    assert 0.4 < time.monotonic() - start < 3
    got = c.buf
    while c.more():
        got = c.buf
    assert b"[DONE]" not in got
    assert not got.endswith(b"0\r\n\r\n") or b'"error"' in got


PLAIN_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("start", [b"", PLAIN_HEAD + chunk(b"part 1"),
                                   SSE_HEAD + chunk(delta("part 1"))],
                                   ids=["nothing", "plain", "stream"])
def test_an_answer_that_is_cut_says_so(proxy, scripted, start, version, twice):
    """After drain_timeout or a second signal: an error, an error event, or an end that is visibly
    early."""
    def handler(conn, n):
        conn.request()
        conn.send(start)
        conn.gone()
    p = proxy(scripted(handler), server={"drain_timeout": "30" if twice else "300ms"})
    c = p.connect().send(post(STREAM, version=version))
    time.sleep(0.3)
    p.signal(signal.SIGTERM)
    if twice:
        time.sleep(0.1)
        p.signal(signal.SIGTERM)
    r = c.response()
    if not start:
        assert r.status == 502 and r.get("x-should-retry") == "false"
        assert r.complete and r.get("connection") == "close"
    elif start.startswith(PLAIN_HEAD):
        assert r.status == 200 and r.body == b"part 1" and not r.complete
    else:
        assert r.complete and r.body.startswith(delta("part 1"))
        assert b'data: {"error":' in r.body and b"[DONE]" not in r.body
    assert p.wait_end(3) == 0
    p.wait_log("status=(200|502) .*end=timeout")


def test_an_answer_that_nobody_takes_is_cut_visibly(proxy, scripted):
    """body_timeout also limits how long a client may take nothing. Only a reset tells an HTTP/1.0
    client that its response was cut."""
    def handler(conn, n):
        conn.request()
        conn.send(PLAIN_HEAD + chunk(b"x" * 60_000) * 200 + b"0\r\n\r\n")
        conn.gone()
    p = proxy(scripted(handler), server={"body_timeout": "500ms"})
    c = p.connect(rcvbuf=4096).send(post(version="1.0"))
    p.wait_log("status=200 .*end=timeout", 5)
    r = c.response()
    assert len(r.body) < 12_000_000 and not r.complete


def test_a_second_signal_ends_at_once(proxy, upstream):
    p = proxy(upstream, server={"drain_timeout": "30"})
    c = p.connect().send(post(STREAM, query="events=1000&pause=100"))
    c.response_head()
    p.signal(signal.SIGTERM)
    time.sleep(0.3)
    assert p.process.poll() is None
    start = time.monotonic()
    p.signal(signal.SIGTERM)
    assert p.wait_end(2) == 0
    assert time.monotonic() - start < 1
    assert c.gone() < 1


def test_requests_sent_ahead_are_not_begun(proxy, scripted):
    """Of two pipelined requests, the one under way finishes. The other never began, and its sender
    may send it again."""
    def handler(conn, n):
        u.read(conn)
        time.sleep(0.5)
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        conn.gone()
    u = scripted(handler)
    p = proxy(u, server={"drain_timeout": "30"})
    c = p.connect().send(post() + post())
    time.sleep(0.2)
    p.signal(signal.SIGTERM)
    assert c.response().has_token("connection", "close")
    c.gone()
    c.close()
    assert p.wait_end(3) == 0
    assert len(u.requests) == 1
