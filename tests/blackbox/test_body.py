"""Request bodies: Expect, uploads of every framing, early answers, pipelining, limits of size and
of time."""
import os
import re
import signal
import threading
import time

import pytest

from httpraw import PATH, head, post, post_chunked
from peers import SSE_HEAD, chunk, delta, ok


@pytest.fixture(scope="module")
def p(shared_proxy, upstream):
    return shared_proxy(upstream, server={"max_connections": "200"})


@pytest.fixture(scope="module")
def quick(shared_proxy, upstream):
    """A proxy with short time limits."""
    return shared_proxy(upstream, server={"header_timeout": "400ms", "body_timeout": "400ms",
                                          "idle_timeout": "400ms", "max_body_size": "1k"})


ECHO = PATH + "?echo=body"


def test_expect_continue(p):
    c = p.connect().send(head("POST", ECHO, "Content-Length: 5", "Expect: 100-continue"))
    r = c.response_head(interim=True)
    assert r.status == 100 and r.fields == []
    r = c.send(b"hello").response()
    assert (r.status, r.body) == (200, b"hello")


def test_expect_continue_in_chunks_and_any_case(p):
    c = p.connect().send(head("POST", ECHO, "Transfer-Encoding: chunked", "eXpect: 100-Continue"))
    assert c.response_head(interim=True).status == 100
    assert c.send(b"5\r\nhello\r\n0\r\n\r\n").response().body == b"hello"


def test_expect_without_waiting(p):
    c = p.connect().send(head("POST", ECHO, "Content-Length: 5", "Expect: 100-continue") + b"hello")
    r = c.response_head(interim=True)
    if r.status == 100:
        r = c.response_head(interim=True)
    assert c.read_body(r, "close").body == b"hello"


def test_other_expectations(p):
    r = p.ask(post("{}", "Expect: a-pony"))
    assert r.status == 417 and r.error["code"] == "expectation_failed"


def test_expect_of_http_1_0_is_ignored(p):
    c = p.connect().send(head("POST", ECHO, "Content-Length: 2", "Expect: 100-continue",
                              version="1.0") + b"{}")
    assert c.response_head(interim=True).status == 200


def test_no_body_at_all(p):
    c = p.connect()
    assert c.send(head("POST", ECHO)).response().body == b""
    assert c.send(head("POST", ECHO, "Content-Length: 0")).response().body == b""
    assert c.send(head("POST", ECHO, "Transfer-Encoding: chunked")
                  + b"0\r\n\r\n").response().body == b""


def test_large_uploads_arrive_as_they_are(p):
    body = os.urandom(3_000_000)
    assert p.ask(post(body, query="echo=body")).body == body
    pieces = [body[i:i + n] for i, n in ((0, 1), (1, 65536), (65537, 200_000),
                                         (265_537, 3))] + [body[265_540:]]
    assert p.ask(post_chunked(pieces, query="echo=body")).body == body


def test_chunk_extensions_and_trailers_stop_here(p):
    raw = head("POST", ECHO, "Transfer-Encoding: chunked", "Trailer: X-T")
    c = p.connect().send(raw + b'5;a=b;c="d"\r\nhello\r\n006\r\n world\r\n0;last\r\nX-T: 1\r\n'
                               b'Content-Length: 99\r\n\r\n' + post("next", query="echo=body"))
    assert c.response().body == b"hello world"
    assert c.response().body == b"next"


def test_nagle_holds_no_upload_back(p):
    """As test_stream.py says of events."""
    c, took = p.connect(), []
    for _ in range(15):
        start = time.monotonic()
        c.send(head("POST", ECHO, "Content-Length: 3"))
        for byte in (b"a", b"b", b"c"):
            time.sleep(0.002)
            c.send(byte)
        assert c.response().body == b"abc"
        took.append(time.monotonic() - start)
    assert min(took[5:]) < 0.035, took


def test_byte_by_byte(p):
    raw = post("hello", query="echo=body") + post_chunked([b"he", b"llo"], query="echo=body")
    c = p.connect()
    for i in range(len(raw)):
        c.send(raw[i:i + 1])
    assert c.response().body == b"hello"
    assert c.response().body == b"hello"


def test_empty_lines_before_a_request(p):
    assert p.ask(b"\r\n\r\n" + post()).status == 200


def test_pipelined_requests_are_answered_in_order(p):
    c = p.connect().send(b"".join(post(str(i), query=f"echo=body&delay={30 if i % 3 == 0 else 0}")
                                  for i in range(12)))
    assert [c.response().body for _ in range(12)] == [b"%d" % i for i in range(12)]


def test_pipelined_after_errors(p):
    c = p.connect().send(head("GET", "/nowhere") + post("a", query="echo=body") + head("GET", PATH)
                         + head("GET", "/healthz"))
    assert [c.response().status for _ in range(4)] == [404, 200, 405, 200]


def test_pipelined_large_answers_to_a_slow_reader(p):
    c = p.connect(rcvbuf=8192).send(post(query="size=600000") * 4)
    time.sleep(0.3)
    sizes = [len(c.response().body) for _ in range(4)]
    assert len(set(sizes)) == 1 and sizes[0] > 600000


def test_pipelining_without_reading_is_bounded(p):
    """Requests that a client sends ahead of its responses stay in its socket's buffer."""
    before, c = p.rss(), p.connect(rcvbuf=4096)
    c.sock.settimeout(0.5)
    raw = post("{}", "X-Fill: " + "f" * 1000, query="size=20000") * 100
    try:
        for _ in range(200):
            c.sock.sendall(raw)
    except TimeoutError:
        pass
    else:
        pytest.fail("the proxy took 22 MB of requests ahead of their answers")
    assert p.rss() - before < 1 << 20


def test_an_early_answer_reaches_a_client_that_still_sends(proxy, scripted):
    def handler(conn, n):
        conn.head_bytes()
        conn.send(ok(b'{"early":true}', "Connection: close", status="400 Bad Request"))
        conn.gone()
    p = proxy(scripted(handler))
    c = p.connect().send(head("POST", PATH, "Content-Length: 50000000") + b"x" * 100000)
    r = c.response()
    assert r.status == 400 and r.body == b'{"early":true}' and r.complete
    assert c.gone() < 7


def test_an_early_response_ends_the_connection(proxy, upstream):
    """Where the rest of the body comes is not guessed: it is read away, and nothing after it is
    taken for a request."""
    p = proxy(upstream)
    c = p.connect().send(head("POST", PATH + "?early=1", "Content-Length: 10") + b"12345")
    r = c.response()
    assert r.status == 200 and r.complete and r.has_token("connection", "close")
    c.send(b"67890" + post("next", query="echo=body"))
    assert c.closed() and not c.reset
    p.wait_log("status=200 .*end=complete")
    assert len(re.findall("status=", p.log())) == 1


def test_an_early_answer_then_the_client_stops(proxy, scripted):
    """The upstream connection of an unfinished upload is not used again."""
    def handler(conn, n):
        conn.head_bytes()
        conn.send(ok(b"%d" % n))
        conn.gone()
    p = proxy(scripted(handler))
    first = p.connect().send(head("POST", PATH, "Content-Length: 10") + b"12345")
    assert first.response().body == b"0"
    assert p.ask(post()).body == b"1"


def test_too_large_by_length(proxy, scripted):
    u = scripted(lambda conn, n: conn.gone())
    p = proxy(u, server={"max_body_size": "1k"})
    c = p.connect().send(head("POST", PATH, "Content-Length: 1025", "Expect: 100-continue"))
    r = c.read_body(c.response_head(interim=True), "close")
    assert r.status == 413 and r.error["code"] == "body_too_large"
    assert not u.conns


def test_too_large_in_chunks(proxy, scripted):
    u = scripted(lambda conn, n: conn.gone())
    p = proxy(u, server={"max_body_size": "1k"})
    c = p.connect().send(head("POST", PATH, "Transfer-Encoding: chunked") + b"200\r\n" + b"x" * 512
                         + b"\r\n201\r\n" + b"x" * 513 + b"\r\n0\r\n\r\n")
    r = c.response()
    assert r.status == 413 and r.error["code"] == "body_too_large"
    for conn in u.conns:
        assert b"0\r\n\r\n" not in conn.buf
        conn.gone(2)


def test_exactly_as_large_as_allowed(quick):
    assert len(quick.ask(post(b"x" * 1024, query="echo=body")).body) == 1024
    assert len(quick.ask(post_chunked([b"x" * 1000, b"y" * 24], query="echo=body")).body) == 1024


@pytest.mark.parametrize("length", ["1025", "4294967296", "18446744073709551615",
                                    "9223372036854775807"])
def test_large_lengths(quick, length):
    status = quick.ask(head("POST", PATH, f"Content-Length: {length}")).status
    assert status in ((413,) if len(length) < 19 else (400, 413))


@pytest.mark.parametrize("request_, status, code", [
    (head("POST", PATH + "?" + "q" * 20000), 414, "uri_too_long"),
    (b"POST /" + b"q" * 20000, 414, "uri_too_long"),
    (head("POST", PATH, "X-A: " + "v" * 20000), 431, "headers_too_large"),
    (head("POST", PATH, *["X-A: v"] * 200), 431, "headers_too_large"),
    (head("POST", PATH, *["X-A: " + "v" * 90] * 170)[:-2] + b"X-B: " + b"v" * 2000, 431,
     "headers_too_large"),
], ids=["target", "target without end", "field", "too many fields", "many long fields"])
def test_too_large_heads(p, request_, status, code):
    c = p.connect().send(request_)
    r = c.response()
    assert r.status == status and r.error["code"] == code
    assert c.gone() < 7


def test_a_head_of_the_allowed_size(p):
    raw = head("POST", PATH, "Content-Length: 0", *["X-A: " + "v" * 150] * 100)
    assert 15000 < len(raw) <= 16384
    assert p.ask(raw).status == 200


def test_a_head_that_does_not_come(quick):
    start = time.monotonic()
    c = quick.connect().send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
    r = c.response()
    assert r.status == 408 and r.error["code"] == "request_timeout"
    assert r.has_token("connection", "close")
    assert c.gone() < 7 and 0.3 < time.monotonic() - start < 3


def test_a_head_that_drips(quick):
    """header_timeout covers the whole head; a further byte does not extend it."""
    c = quick.connect()
    start = time.monotonic()
    with pytest.raises((OSError, AssertionError)):
        for b in post("{}", "X: " + "y" * 100):
            c.send(bytes([b]))
            time.sleep(0.02)
            assert c.silent(0.01)
    assert time.monotonic() - start < 2
    assert c.response().status == 408


def test_a_body_that_stops(quick):
    for raw in (head("POST", PATH, "Content-Length: 100") + b"x",
                head("POST", PATH, "Transfer-Encoding: chunked") + b"5\r\nhe"):
        c = quick.connect().send(raw)
        r = c.response()
        assert r.status == 408 and r.error["code"] == "request_timeout"
        assert r.has_token("connection", "close")
        assert c.gone() < 7


def test_a_slow_but_steady_body(quick):
    c = quick.connect().send(head("POST", ECHO, "Content-Length: 10"))
    for i in range(10):
        time.sleep(0.1)
        c.send(b"x")
    assert c.response().body == b"x" * 10


def test_silence_between_requests_ends_without_a_word(quick):
    c = quick.connect()
    assert c.send(post()).response().status == 200
    start = time.monotonic()
    assert c.closed()
    assert 0.3 < time.monotonic() - start < 3


def test_a_silent_newcomer_is_let_go(quick):
    assert quick.connect().gone() < 3


def test_waiting_for_an_answer_is_not_the_clients_silence(quick):
    assert quick.ask(post(query="delay=1000")).status == 200


def test_connection_close_is_kept_to(p):
    c = p.connect().send(post("{}", "Connection: close"))
    r = c.response()
    assert r.status == 200 and r.has_token("connection", "close")
    assert c.closed()


def test_http_1_0(p):
    c = p.connect().send(post("{}", version="1.0"))
    r = c.response()
    assert r.status == 200 and r.framing in ("length", "close") and r.complete
    assert c.closed()


def test_http_1_0_that_would_stay(p):
    c = p.connect()
    for _ in range(3):
        r = c.send(post("{}", "Connection: keep-alive", version="1.0")).response()
        assert r.status == 200 and r.framing == "length" and r.has_token("connection", "keep-alive")
    r = c.send(post("{}", version="1.0")).response()
    assert r.status == 200 and r.has_token("connection", "close")
    assert c.closed()


def test_an_event_stream_that_the_body_is_too_late_for_says_so(proxy, scripted):
    def handler(conn, n):
        conn.head_bytes()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone()
    for version, complete in (("1.1", True), ("1.0", True)):
        p = proxy(scripted(handler), server={"body_timeout": "400ms"})
        r = p.ask(head("POST", PATH, "Content-Length: 100", version=version) + b"{}")
        assert r.status == 200 and b'data: {"error":' in r.body and r.complete == complete
        p.wait_log("status=200 .*end=timeout")


@pytest.mark.parametrize("bad", [b"zz\r\n", b"400\r\n" + b"x" * 1024],
                         ids=["malformed", "too large"])
def test_an_answer_that_the_clients_own_fault_cuts_is_not_complete(proxy, scripted, bad):
    def handler(conn, n):
        conn.head_bytes()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")
        conn.gone()
    p = proxy(scripted(handler), server={"max_body_size": "1k"})
    c = p.connect().send(head("POST", PATH, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n")
    r = c.response_head()
    c.send(bad)
    c.read_body(r, "close")
    assert r.body == b"0123456789" and not r.complete
    p.wait_log("warning .*\n.*status=200 .*end=client_gone")


def test_an_empty_line_between_requests_is_no_head(quick):
    c = quick.connect()
    assert c.send(post()).response().status == 200
    assert c.send(b"\r\n").closed(), "idle_timeout, without a word"
    c = quick.connect()
    assert c.send(post()).response().status == 200
    assert c.send(b"\r\n" + post()).response().status == 200


def test_what_was_passed_on_is_not_lost_to_what_the_client_still_sends(proxy, scripted):
    """Closing while more comes in causes a reset, and a reset throws away the bytes in the buffers
    of both sides."""
    def handler(conn, n):
        for _ in range(3):
            r = conn.request()
            if r.body == b"1":
                conn.send(ok(b"x" * 400_000))
            elif r.body == b"2":
                time.sleep(0.3)
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
                return
    c = proxy(scripted(handler)).connect(rcvbuf=4096)
    for i in (b"1", b"2", b"3"):
        c.send(post(i))
        time.sleep(0.1)
    time.sleep(0.6)
    r = c.response()
    assert r.complete and len(r.body) == 400_000
    r = c.response()
    assert not r.complete and r.body == b"abc"


def test_a_client_that_goes_while_its_answer_is_written_has_gone(proxy, scripted):
    go = threading.Event()

    def handler(conn, n):
        conn.request()
        go.wait(5)
        conn.send(ok())
        conn.gone()
    p = proxy(scripted(handler))
    c = p.connect().send(post())
    time.sleep(0.1)
    p.signal(signal.SIGSTOP)
    go.set()
    time.sleep(0.1)
    c.close(rst=True)
    time.sleep(0.05)
    p.signal(signal.SIGCONT)
    p.wait_log("end=client_gone")
