"""Responses that break RFC 9112 though their meaning is not in doubt: they reach the client clean,
and their connection is not used again."""
import pytest

from httpraw import post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta

TOLERATED = {
    "head ended by LF": b"HTTP/1.1 200 OK\nX-A: b\nContent-Length: 2\n\nok",
    "mixed line ends": b"HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 2\r\n\nok",
    "equal lengths": b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n"
                     b"ok",
    "list of equal lengths": b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2, 2\r\n\r\nok",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nX-A: b\r\nConnection: keep-alive\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "space before a colon": b"HTTP/1.1 200 OK\r\nX-A \t: b\r\nContent-Length : 2\r\n\r\nok",
    "chunk lines ended by LF": b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
                               b"1\no\n1\nk\n0\n\n",
    "blanks after a chunk size": b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 b"2 \t\r\nok\r\n0 \r\n\r\n",
}

IN_DOUBT = {
    "different lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "list of different lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n"
                         b"\r\n2\r\nok\r\n0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "CR in a value": b"HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 2\r\n\r\nok",
    "folded field": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "coding behind a control byte": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n"
                                    b"2\r\nok\r\n0\r\n\r\n",
}


def stays_open(raw):
    """An upstream that sends raw for each request and does not close."""
    def handler(conn, _):
        while conn.buf or conn.more():
            conn.request()
            conn.send(raw)
    return handler


@pytest.mark.parametrize("raw", TOLERATED.values(), ids=TOLERATED)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "byte by byte"])
def test_tolerated(proxy, scripted, raw, split):
    def handler(conn, _):
        while conn.buf or conn.more():
            conn.request()
            for i in range(0, len(raw), 1 if split else len(raw)):
                conn.send(raw[i:i + 1] if split else raw)

    upstream = scripted(handler)
    c = proxy(upstream).connect()
    for n in (1, 2):
        r = c.send(post()).response()
        assert (r.status, r.body, r.get("x-a")) == (200, b"ok", "b")
        assert len(r.all("content-length")) + len(r.all("transfer-encoding")) == 1
        assert len(upstream.conns) == n


@pytest.mark.parametrize("raw", IN_DOUBT.values(), ids=IN_DOUBT)
def test_in_doubt(proxy, scripted, raw):
    assert proxy(scripted(stays_open(raw))).ask(post()).status == 502


def test_a_control_byte_stays_where_it_is(proxy, scripted):
    """nginx, HAProxy and curl pass it on, too."""
    upstream = scripted(stays_open(b"HTTP/1.1 200 OK\r\nX-A: a\x01\x1b[2Jb\x7f\r\n"
                                   b"Content-Length: 2\r\n\r\nok"))
    c = proxy(upstream).connect()
    for n in (1, 2):
        assert b"\r\nX-A: a\x01\x1b[2Jb\x7f\r\n" in c.send(post()).response().raw
        assert len(upstream.conns) == n


def test_an_event_stream_with_lf(proxy, scripted):
    """No bare LF of the framing reaches the client, also where the payload has many."""
    events = [delta("a"), delta("b"), FINISH, DONE]
    raw = SSE_HEAD.replace(b"\r\n", b"\n") + b"".join(chunk(e)[:-2].replace(b"\r\n", b"\n", 1)
                                                      + b"\n" for e in events) + b"0\n\n"
    upstream = scripted(stays_open(raw))
    c = proxy(upstream).connect()
    for n in (1, 2):
        assert c.send(post()).response().body == b"".join(events)
        assert len(upstream.conns) == n
