"""Requests that a proxy must refuse: each gets an error, the connection closes, and no later
byte is read as a request.

Each is followed by a request that an attacker would smuggle. It must never be answered.
"""
import pytest

from httpraw import PATH, Broken, Request, Response, error_of, head
from peers import Scripted, ok
from procs import wait_for

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: a\r\n"


def fields(*lines, body=b""):
    """A request with these field lines, exactly as they are."""
    return LINE + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body):
    return fields(b"Transfer-Encoding: chunked", body=body)


BAD_HEADS = {
    # Two opinions of where the body ends (RFC 9112, 6.3).
    "CL and TE": (fields(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
                  400),
    "TE and CL": (fields(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n"),
                  400),
    "CL twice, different": (fields(b"Content-Length: 5", b"Content-Length: 6", body=b"hello"), 400),
    "CL twice, the same": (fields(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    "CL list": (fields(b"Content-Length: 5, 5", body=b"hello"), 400),
    "CL plus": (fields(b"Content-Length: +5", body=b"hello"), 400),
    "CL minus": (fields(b"Content-Length: -5", body=b"hello"), 400),
    "CL minus zero": (fields(b"Content-Length: -0"), 400),
    "CL hex": (fields(b"Content-Length: 0x5", body=b"hello"), 400),
    "CL letters": (fields(b"Content-Length: 5a", body=b"hello"), 400),
    "CL inner space": (fields(b"Content-Length: 5 0", body=b"hello"), 400),
    "CL empty": (fields(b"Content-Length:"), 400),
    "CL decimal point": (fields(b"Content-Length: 5.0", body=b"hello"), 400),
    "CL overflow": (fields(b"Content-Length: 18446744073709551621", body=b"hello"), (400, 413)),
    "CL long overflow": (fields(b"Content-Length: " + b"9" * 40, body=b"hello"), (400, 413)),
    "TE gzip, chunked": (fields(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 501),
    "TE gzip": (fields(b"Transfer-Encoding: gzip", body=b"x"), (400, 501)),
    "TE identity": (fields(b"Transfer-Encoding: identity", body=b"x"), (400, 501)),
    "TE chunked, identity": (fields(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
                             (400, 501)),
    "TE chunked twice": (fields(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
                         (400, 501)),
    "TE two fields": (fields(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
                             body=b"0\r\n\r\n"), (400, 501)),
    "TE then identity": (fields(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
                                body=b"0\r\n\r\n"), (400, 501)),
    "TE xchunked": (fields(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), (400, 501)),
    "TE quoted": (fields(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), (400, 501)),
    "TE parameter": (fields(b"Transfer-Encoding: chunked;x=y", body=b"0\r\n\r\n"), (400, 501)),
    "TE vertical tab": (fields(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), (400, 501)),
    "TE empty": (fields(b"Transfer-Encoding:", body=b"x"), (400, 501)),
    "TE space before colon": (fields(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    "TE of HTTP/1.0": (fields(b"Transfer-Encoding: chunked",
                              body=b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    # Lines that two parsers cut differently (RFC 9112, 2.2, 5.1, 5.2).
    "folded field": (fields(b"X-A: b", b" c"), 400),
    "folded with tab": (fields(b"X-A: b", b"\tTransfer-Encoding: chunked"), 400),
    "white space before the first field": (LINE + b" X-A: b\r\n" + HOST + b"\r\n", 400),
    "bare LF in fields": (LINE + HOST + b"X-A: b\nX-C: d\r\n\r\n", 400),
    "bare LF everywhere": (b"POST /v1/chat/completions HTTP/1.1\nHost: a\n\n", 400),
    "bare LF ends the head": (LINE + HOST + b"\n", 400),
    "bare CR in a value": (fields(b"X-A: b\rContent-Length: 5"), 400),
    "bare CR in the request line": (b"POST /v1/chat/completions\r HTTP/1.1\r\n" + HOST + b"\r\n",
                                    400),
    "NUL in a value": (fields(b"X-A: b\0c"), 400),
    "NUL in a name": (fields(b"X\0A: b"), 400),
    "control in a value": (fields(b"X-A: b\x01"), 400),
    "DEL in a value": (fields(b"X-A: b\x7f"), 400),
    "space before the colon": (fields(b"X-A : b"), 400),
    "tab before the colon": (fields(b"X-A\t: b"), 400),
    "space in a name": (fields(b"X A: b"), 400),
    "no name": (fields(b": b"), 400),
    "no colon": (fields(b"X-A"), 400),
    "name of high bytes": (fields(b"X-\xc3\xa9: b"), 400),
    "bracket in a name": (fields(b"X(A): b"), 400),
    # Host (RFC 9112, 3.2).
    "no Host": (LINE + b"\r\n", 400),
    "two Hosts": (LINE + b"Host: a\r\nHost: b\r\n\r\n", 400),
    "the same Host twice": (LINE + b"Host: a\r\nHost: a\r\n\r\n", 400),
    # Request lines (RFC 9112, 3).
    "two spaces": (b"POST  /v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "tab for a space": (b"POST\t/v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "space in the target": (b"POST /v1/chat completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "space after the version": (b"POST /v1/chat/completions HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
    "space first": (b" POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "no version": (b"POST /v1/chat/completions\r\n" + HOST + b"\r\n", 400),
    "version in lower case": (b"POST /v1/chat/completions http/1.1\r\n" + HOST + b"\r\n", 400),
    "version 2.0": (b"POST /v1/chat/completions HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "version 0.9": (b"POST /v1/chat/completions HTTP/0.9\r\n" + HOST + b"\r\n", (400, 505)),
    "version 1.10": (b"POST /v1/chat/completions HTTP/1.10\r\n" + HOST + b"\r\n", (400, 505)),
    "version 11.1": (b"POST /v1/chat/completions HTTP/11.1\r\n" + HOST + b"\r\n", (400, 505)),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    "NUL in the target": (b"POST /v1/chat/\0completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "control in the target": (b"POST /v1/chat/\x01completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "high byte in the target": (b"POST /v1/chat/\xe9 HTTP/1.1\r\n" + HOST + b"\r\n", (400, 404)),
    "target without a slash": (b"POST v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "empty target": (b"POST  HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "method with a colon": (b"PO:ST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32 + b"\r\n\r\n",
                  400),
}

BAD_BODIES = {
    "size not hex": chunked(b"g\r\nhello\r\n0\r\n\r\n"),
    "size negative": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "size plus": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "size with 0x": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "size empty": chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "size after a space": chunked(b" 5\r\nhello\r\n0\r\n\r\n"),
    "size wraps at 64 bits": chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "size of many digits": chunked(b"F" * 40 + b"\r\nhello\r\n0\r\n\r\n"),
    "size with endless zeros": chunked(b"0" * 60000 + b"5\r\nhello\r\n0\r\n\r\n"),
    "size line ends in LF": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "size line ends in CR": chunked(b"5\rhello\r\n0\r\n\r\n"),
    "size line has CR CR LF": chunked(b"5\r\r\nhello\r\n0\r\n\r\n"),
    "bare CR in an extension": chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "LF in an extension": chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "endless extension": chunked(b"5;" + b"x" * 70000 + b"\r\nhello\r\n0\r\n\r\n"),
    "chunk too long": chunked(b"5\r\nhello!\r\n0\r\n\r\n"),
    "chunk without CRLF": chunked(b"5\r\nhello0\r\n\r\n"),
    "chunk ends in LF": chunked(b"5\r\nhello\n0\r\n\r\n"),
    "trailer with bare LF": chunked(b"5\r\nhello\r\n0\r\nX: y\n\r\n"),
    "trailer with bare CR": chunked(b"5\r\nhello\r\n0\r\nX: y\rz\r\n\r\n"),
    "endless trailer": chunked(b"5\r\nhello\r\n0\r\nX: " + b"y" * 70000 + b"\r\n\r\n"),
}

CODES = {400: "bad_request", 413: "body_too_large", 501: "unsupported_transfer_coding",
         505: "unsupported_http_version"}


class Recording:
    """An upstream's handler. heads: what has begun; ended: how many connections are over."""

    def __init__(self):
        self.heads, self.completed, self.ended = [], [], 0
        self.upstream = Scripted(self)

    def __call__(self, conn, n):
        try:
            self.heads.append(Request(conn.head_bytes()))
            r = conn.read_body(self.heads[-1], "none")
            if r.complete:
                self.completed.append(r)
                conn.send(ok(b"{}", "Connection: close"))
        except Broken:
            pass        # half a request is right here
        finally:
            self.ended += 1

    def whole(self):
        """The requests that came complete, once no connection is left that could complete one."""
        wait_for(lambda: self.ended == len(self.upstream.conns))
        return self.completed

    def forget(self):
        self.whole()
        self.heads.clear()
        self.completed.clear()


@pytest.fixture(scope="module")
def recording():
    r = Recording()
    yield r
    r.upstream.stop()


@pytest.fixture
def seen(recording):
    recording.forget()
    return recording


@pytest.fixture(scope="module")
def p(shared_proxy, recording):
    return shared_proxy(recording.upstream)


def all_that_comes(p, *raw):
    """Every byte of the response to raw, sent piece by piece, until the connection ends."""
    c = p.connect()
    try:
        for piece in raw:
            c.send(piece)
    except ConnectionError:
        pass
    while c.more():
        pass
    c.close()
    return c.buf


def refused(answer, statuses):
    """Checks that answer is one error, whole, and nothing more, with this status or one of them."""
    head_, _, body = answer.partition(b"\r\n\r\n")
    r = Response(head_ + b"\r\n\r\n")
    assert r.status in (statuses if isinstance(statuses, tuple) else (statuses,)), answer
    assert r.has_token("connection", "close"), answer
    assert int(r.get("content-length")) == len(body), answer
    assert error_of(body)["code"] == CODES[r.status] or r.status == 404, body


@pytest.mark.parametrize("name", BAD_HEADS)
def test_bad_heads(p, seen, name):
    raw, statuses = BAD_HEADS[name]
    refused(all_that_comes(p, raw + SMUGGLED), statuses)
    assert seen.whole() == [] and seen.heads == []


@pytest.mark.parametrize("name", ["CL and TE", "folded field", "bare LF in fields",
                                  "space before the colon", "NUL in a value", "TE gzip, chunked",
                                  "no Host"])
def test_bad_heads_byte_by_byte(p, name):
    raw, statuses = BAD_HEADS[name]
    refused(all_that_comes(p, *(raw[i:i + 1] for i in range(len(raw)))), statuses)


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_bodies(p, seen, name):
    refused(all_that_comes(p, BAD_BODIES[name] + SMUGGLED), 400)
    assert seen.whole() == []


@pytest.mark.parametrize("name", ["size negative", "chunk too long", "size line ends in LF",
                                  "trailer with bare CR"])
def test_bad_bodies_in_two_parts(p, seen, name):
    """The upstream has the head already when the body turns out to be malformed."""
    first, _, rest = BAD_BODIES[name].partition(b"\r\n\r\n")
    c = p.connect().send(first + b"\r\n\r\n")
    wait_for(lambda: seen.heads)
    c.send(rest + SMUGGLED)
    while c.more():
        pass
    refused(c.buf, 400)
    assert seen.whole() == []


@pytest.mark.parametrize("name", ["CL and TE", "folded field", "no Host"])
def test_a_refusal_of_head_has_no_body(p, name):
    raw = BAD_HEADS[name][0].replace(b"POST", b"HEAD", 1)
    head_, _, body = all_that_comes(p, raw).partition(b"\r\n\r\n")
    assert Response(head_ + b"\r\n\r\n").status == 400 and body == b""


def test_a_refusal_says_why(p):
    r = p.ask(fields(b"Content-Length: 4", b"Transfer-Encoding: chunked"))
    assert "RFC 911" in r.error["message"]


@pytest.mark.parametrize("raw", [
    head("POST", PATH, "Content-Length: 5"),
    head("POST", PATH, "Transfer-Encoding: chunked") + b"3\r\nhel\r\n",
    b"POST /v1/chat/comp"], ids=["length", "chunks", "head"])
def test_an_end_in_the_middle_completes_nothing(p, seen, raw):
    c = p.connect().send(raw)
    c.finish()
    c.gone()
    assert seen.whole() == []


def test_good_requests_still_pass(p, seen):
    assert p.ask(head("POST", PATH, "Content-Length: 2") + b"{}").status == 200
    assert len(seen.whole()) == 1
