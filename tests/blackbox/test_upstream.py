"""Requests whose upstream is away, late, wrong or closes; and the reuse of connections."""
import queue
import signal
import socket
import threading
import time

import pytest

import procs
from httpraw import PATH, STREAM, Broken, error_of, head, post
from peers import SSE_HEAD, BlackHole, answering, chunk, delta, ok


def failed(r, status, code, retry):
    assert r.status == status, r.raw + r.body
    assert r.error["code"] == code
    assert r.get("x-should-retry") == retry
    assert r.get("x-request-id") and r.framing == "length" and r.complete
    return r.error["message"]


def test_refused(proxy):
    port = procs.free_port()
    p = proxy(f"http://127.0.0.1:{port}")
    c = p.connect()
    for _ in range(2):
        message = failed(c.send(post()).response(), 502, "upstream_connect_error", "true")
        assert "127.0.0.1" in message and "refused" in message


def test_a_name_that_nobody_knows(proxy):
    start = time.monotonic()
    try:
        socket.getaddrinfo("no-such-host.invalid", 80)
        pytest.skip("this machine resolves every name")
    except OSError:
        if time.monotonic() - start > 2:
            pytest.skip("the resolver of this machine does not answer")
    p = proxy("http://no-such-host.invalid")
    assert "no-such-host.invalid" in failed(p.ask(post()), 502, "upstream_dns_error", "true")


def test_a_name_of_hosts_file(proxy, upstream):
    assert proxy(f"http://localhost:{upstream.port}").ask(post()).status == 200


def test_connecting_takes_too_long(proxy, black_hole):
    start = time.monotonic()
    r = proxy(black_hole, upstream={"timeout": "500ms"}).ask(post())
    failed(r, 504, "upstream_timeout", "true")
    assert 0.4 < time.monotonic() - start < 2


def test_no_answer_in_time(proxy, scripted):
    took = queue.Queue()

    def handler(conn, n):
        conn.request()
        took.put(conn.gone(5))
    start = time.monotonic()
    p = proxy(scripted(handler), upstream={"response_timeout": "500ms"})
    failed(p.ask(post()), 504, "upstream_timeout", "false")
    assert 0.4 < time.monotonic() - start < 4
    p.wait_log("timeout")
    assert took.get(timeout=5) < 1.5


def test_an_upload_is_not_the_upstreams_silence(proxy, upstream):
    p = proxy(upstream, upstream={"response_timeout": "400ms"})
    c = p.connect().send(head("POST", "/v1/chat/completions?echo=body", "Content-Length: 8"))
    for _ in range(8):
        time.sleep(0.1)
        c.send(b"x")
    assert c.response().body == b"x" * 8


def test_silence_in_a_stream(proxy, upstream):
    p = proxy(upstream, upstream={"idle_timeout": "400ms"})
    start = time.monotonic()
    r = p.ask(post(STREAM, query="events=3&pause=5000"))
    assert time.monotonic() - start < 3
    assert r.complete and r.body.endswith(b"\n\n")
    last = r.body.rstrip(b"\n").rpartition(b"\n\ndata: ")[2]
    assert error_of(last)["code"] in ("upstream_timeout", "upstream_error")
    assert p.ask(post(STREAM, query="events=8&pause=150")).body.endswith(b"data: [DONE]\n\n")


def test_silence_in_another_body(proxy, upstream):
    p = proxy(upstream, upstream={"idle_timeout": "400ms"})
    assert not p.ask(post(query="split=100&pause=3000")).complete


def test_a_slow_reader_is_not_the_upstreams_silence(proxy, upstream):
    p = proxy(upstream, upstream={"idle_timeout": "400ms"})
    c = p.connect(rcvbuf=65536).send(post(query="size=30000000"))
    r = c.response_head()
    time.sleep(1)
    assert c.read_body(r, "close").complete


def test_a_reader_that_stands_still_is_let_go(proxy, upstream):
    p = proxy(upstream, server={"body_timeout": "400ms"})
    p.connect(rcvbuf=65536).send(post(query="size=30000000"))
    p.wait_log("end=timeout")


def test_a_slow_but_steady_reader_is_served(proxy, upstream):
    """The upload takes three times body_timeout, but never stands still for as long."""
    p = proxy(upstream, server={"body_timeout": "700ms"})
    c = p.connect(rcvbuf=65536).send(post(query="size=30000000"))
    c.response_head()
    c.take(len(c.buf))
    for _ in range(20):
        time.sleep(0.1)
        assert len(c.exactly(1_400_000, time.monotonic() + 5)) == 1_400_000


BAD_ANSWERS = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing at all": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                 b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "NUL in a field": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "bare CR in a field": b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 0\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "head without end": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"v" * 300_000,
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers(proxy, scripted, name):
    def handler(conn, n):
        conn.request()
        conn.send(BAD_ANSWERS[name])
        if name not in ("nothing at all", "half a head"):
            conn.gone(5)
    p = proxy(scripted(handler))
    c = p.connect().send(post())
    assert failed(c.response(), 502, "upstream_error", "false")
    assert c.send(head("GET", "/healthz")).response().status == 200


def test_an_upstream_that_resets(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.close(rst=True)
    failed(proxy(scripted(handler)).ask(post()), 502, "upstream_error", "false")


@pytest.mark.parametrize("interim", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
                                     b"HTTP/1.1 100 Continue\r\n\r\n" * 5,
                                     b"HTTP/1.1 102 Processing\r\n\r\n"])
def test_interim_answers(proxy, scripted, interim):
    c = proxy(scripted(answering(interim + ok(b"hello")))).connect()
    for _ in range(2):
        assert c.send(post()).response().body == b"hello"


def test_interim_answers_are_no_answer(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 32)
        conn.gone()
    p = proxy(scripted(handler), upstream={"response_timeout": "500ms"})
    failed(p.ask(post()), 504, "upstream_timeout", "false")


@pytest.mark.parametrize("status, extra", [("204 No Content", b""), ("304 Not Modified", b""),
                                           ("304 Not Modified", b"Content-Length: 5\r\n"),
                                           ("304 Not Modified", b"ETag: x\r\n")])
def test_answers_without_a_body(proxy, scripted, status, extra):
    u = scripted(answering(f"HTTP/1.1 {status}\r\n".encode() + extra + b"\r\n"))
    c = proxy(u).connect()
    for _ in range(3):
        r = c.send(post()).response()
        assert r.status == int(status[:3]) and r.body == b""
    assert len(u.conns) == 1


def test_until_close(proxy, scripted):
    for version in (b"1.0", b"1.1"):
        def handler(conn, n, version=version):
            conn.request()
            conn.send(b"HTTP/" + version + b" 200 OK\r\n\r\nhello")
        c = proxy(scripted(handler)).connect()
        for _ in range(2):
            r = c.send(post()).response()
            assert r.body == b"hello" and r.complete
            if r.framing == "close":
                break


# Reuse of connections.

def who(r):
    """The id of the upstream connection that carried a response of the sample upstream."""
    return r.get("x-request-id").split("-")[1]


def test_connections_are_used_again(proxy, upstream):
    p = proxy(upstream)
    queries = ("", "framing=chunked", "status=429", "size=100000", "echo=1", "stream=1")
    assert len({who(p.ask(post(query=q))) for q in queries}) == 1


def test_after_204_and_304_too(proxy, upstream):
    p = proxy(upstream)
    assert len({who(p.ask(post(query=q))) for q in ("status=204", "status=304", "")}) == 1


def test_two_at_once_use_two(proxy, upstream):
    p = proxy(upstream)
    conns = [p.connect().send(post(query="delay=200")) for _ in range(2)]
    assert len({who(c.response()) for c in conns}) == 2


@pytest.mark.parametrize("query", ["close=1", "framing=close", "stream=1&framing=close",
                                   "stream=1&cut=2", "cut=10"])
def test_ended_connections_are_not_used_again(proxy, upstream, query):
    p = proxy(upstream)
    assert who(p.ask(post(query=query))) != who(p.ask(post()))


def test_keep_alive_timeout_is_heeded(proxy, upstream):
    p = proxy(upstream)
    first = who(p.ask(post(query="timeout=1")))
    assert who(p.ask(post(query="timeout=1"))) == first
    time.sleep(0.95)        # the upstream closes now; a request must not use the connection
    for _ in range(6):
        r = p.ask(post())
        assert r.status == 200 and who(r) != first
        time.sleep(0.02)


def test_idle_connections_are_dropped_after_our_time_too(proxy, scripted):
    idle = []

    def handler(conn, n):
        conn.request()
        conn.send(ok())
        idle.append(conn.gone(5))
    p = proxy(scripted(handler), upstream={"keepalive_timeout": "500ms"})
    assert p.ask(post()).status == 200
    deadline = time.monotonic() + 5
    while not idle and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 0.3 < idle[0] < 2


def closing_after(n_answers, log):
    """Answers n_answers requests on each connection, then closes it while it is idle."""
    def handler(conn, n):
        for _ in range(n_answers):
            log.append(conn.request())
            conn.send(ok(b"%d" % n))
        time.sleep(0.05)
    return handler


def test_a_connection_closed_while_idle_is_not_used(proxy, scripted):
    log = []
    p = proxy(scripted(closing_after(1, log)))
    for n in range(4):
        assert p.ask(post()).body == b"%d" % n
        time.sleep(0.1)
    assert len(log) == 4


def test_bytes_after_an_answer_end_the_connection(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(ok(b"%d" % n) + ok(b"evil"))
        conn.gone()
    p = proxy(scripted(handler))
    assert [p.ask(post()).body for _ in range(3)] == [b"0", b"1", b"2"]


def test_bytes_that_come_while_idle_end_the_connection(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(ok(b"%d" % n))
        time.sleep(0.1)
        conn.send(ok(b"evil"))
        conn.gone()
    p = proxy(scripted(handler))
    for n in range(3):
        assert p.ask(post()).body == b"%d" % n
        time.sleep(0.2)


@pytest.mark.parametrize("rst", [False, True])
def test_a_used_connection_that_closes_on_a_request_is_no_reason_to_ask_again(proxy, scripted, rst):
    """The request may have been acted on: it is not sent a second time."""
    def handler(conn, n):
        u.read(conn)
        conn.send(ok(b"first"))
        u.read(conn)
        conn.close(rst=rst)
    u = scripted(handler)
    p = proxy(u)
    assert p.ask(post(query="a")).body == b"first"
    failed(p.ask(post(query="b")), 502, "upstream_error", "false")
    assert [r.target.rpartition("?")[2] for r in u.requests] == ["a", "b"]


def test_requests_that_race_with_the_upstreams_close(proxy, scripted):
    """A connection that closes after three responses may meet the fourth request, which is not sent
    again then. All others are answered, and no request arrives twice."""
    seen, answered = [], []

    def handler(conn, n):
        for _ in range(3):
            try:
                r = conn.request()
            except Broken:
                return
            seen.append(r.target)
            conn.send(ok())
    p = proxy(scripted(handler))
    c = p.connect()
    for i in range(120):
        r = c.send(post(query=f"n{i}")).response()
        if r.status == 200:
            answered.append(f"{PATH}?n{i}")
        else:
            failed(r, 502, "upstream_error", "false")
    assert seen == answered
    assert len(answered) >= 90


def test_connection_limit(proxy, upstream):
    p = proxy(upstream, upstream={"connection_limit": "1"})
    first = p.connect().send(post(query="delay=500"))
    assert first.silent(0.1)
    r = p.ask(post())
    failed(r, 503, "overloaded", "true")
    assert r.get("retry-after") == "1"
    assert first.response().status == 200
    assert p.ask(post()).status == 200


def test_max_connections(proxy, upstream):
    p = proxy(upstream, server={"max_connections": "2"})
    time.sleep(0.1)
    held = [p.connect() for _ in range(2)]
    for c in held:
        assert c.send(post()).response().status == 200
    third = p.connect()
    try:
        third.send(post())
    except ConnectionError:
        pass
    r = third.response()
    failed(r, 503, "overloaded", "true")
    assert r.get("retry-after") == "1" and third.gone() < 5
    third.close()
    held[0].close()
    time.sleep(0.1)
    assert p.ask(post()).status == 200


def test_an_answer_goes_out_before_the_upstream_is_done(proxy, scripted):
    go = threading.Event()

    def handler(conn, n):
        conn.request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"one"))
        assert go.wait(5)
        conn.send(chunk(b"two") + b"0\r\n\r\n")
    c = proxy(scripted(handler)).connect().send(post())
    c.response_head()
    assert c.chunk() == b"one"
    go.set()
    assert c.chunk() == b"two" and c.chunk() == b""


def test_a_request_goes_out_before_the_client_is_done(proxy, scripted):
    got = threading.Event()

    def handler(conn, n):
        conn.head_bytes()
        assert conn.need(5, time.monotonic() + 5)
        got.set()
        assert conn.need(10, time.monotonic() + 5)
        conn.send(ok())
    c = proxy(scripted(handler)).connect().send(head("POST", PATH, "Content-Length: 10") + b"hello")
    assert got.wait(5)
    assert c.send(b"world").response().status == 200


def test_a_stream_that_floods_starves_nobody(proxy, scripted, upstream):
    stop = threading.Event()

    def handler(conn, n):
        r = conn.request()
        if "flood" not in r.target:
            conn.send(ok())
            return
        conn.send(SSE_HEAD)
        while not stop.is_set():
            conn.send(chunk(delta("x" * 1000)) * 50)
    p = proxy(scripted(handler))
    flood = p.connect().send(post(STREAM, query="flood"))

    def drink():
        while not stop.is_set() and flood.more():
            flood.buf = b""
    reader = threading.Thread(target=drink)
    reader.start()
    try:
        took = []
        for _ in range(20):
            start = time.monotonic()
            assert p.ask(head("GET", "/healthz")).status == 200
            took.append(time.monotonic() - start)
    finally:
        stop.set()
        reader.join()
    assert sorted(took)[10] < 0.2


# Abandoned requests.

EVIL = b"POST /v1/files HTTP/1.1\r\nHost: up\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("start, sections", [
    (b"2\r\n{}\r\n", {}),
    (b"20000\r\n[" + b"1," * 65_535 + b"1\r\n", {"field_aliases": {"a": "b"}}),
], ids=["plain", "aliases"])
def test_the_rest_of_a_body_opens_no_connection(proxy, scripted, start, sections):
    """The upstream answers early and more than the client reads; then the client's body turns out
    to be malformed. The rest of the response is thrown away."""
    more = {}

    def handler(conn, n):
        if n > 0:
            more[n] = conn.more(3) and conn.buf
            return
        conn.head_bytes()
        conn.send(SSE_HEAD)
        with pytest.raises(OSError):
            while True:
                conn.send(chunk(delta("x" * 2000)))
    u = scripted(handler)
    p = proxy(u, **sections)
    c = p.connect(rcvbuf=4096)
    c.send(head("POST", PATH, "Transfer-Encoding: chunked") + start)
    time.sleep(1.5)
    for piece in (b"zz\r\n", b"%x\r\n%s\r\n" % (len(EVIL), EVIL), EVIL):
        c.send(piece)
        time.sleep(0.2)
    c.close()
    time.sleep(0.2)
    assert len(u.conns) == 1 and not more


@pytest.mark.parametrize("version, fields, rest", [
    ("1.1", ["Transfer-Encoding: chunked"], b"3\r\ndef\r\n"),
    ("1.0", ["Content-Length: 100000"], b"def"),
], ids=["1.1", "1.0"])
def test_a_reset_that_a_write_hears_of_first(proxy, scripted, version, fields, rest):
    """After such a reset a read sees the end, as it would after a whole response without a
    length."""
    go = threading.Event()

    def handler(conn, n):
        conn.head_bytes()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
                  + b'{"half":"of the ans')
        go.wait(5)
        conn.close(rst=True)
    p = proxy(scripted(handler))
    c = p.connect().send(head("POST", PATH, *fields, version=version) + rest)
    r = c.response_head()
    time.sleep(0.1)
    p.signal(signal.SIGSTOP)
    c.send(rest)
    time.sleep(0.05)
    go.set()
    time.sleep(0.1)
    p.signal(signal.SIGCONT)
    c.read_body(r, "close")
    assert r.body == b'{"half":"of the ans' and not r.complete
    p.wait_log("status=200 .*end=upstream_lost")


def test_a_thread_that_cannot_be_started_is_no_look_up_under_way(proxy, upstream, tmp_path):
    library = procs.preload_library("""
        #include <errno.h>
        #include <pthread.h>
        int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg)
        {
            (void)t, (void)a, (void)f, (void)arg;
            return EAGAIN;
        }
        """, tmp_path)
    p = proxy(upstream.url.replace("127.0.0.1", "localhost"), preload=library)
    start = time.monotonic()
    assert "localhost" in failed(p.ask(post()), 502, "upstream_connect_error", "true")
    assert time.monotonic() - start < 5


def test_every_address_gets_its_turn(proxy, upstream, tmp_path):
    """Six silent addresses stand before the one that answers."""
    holes = [BlackHole(f"127.0.0.{i}", upstream.port) for i in range(2, 8)]
    library = procs.preload_library("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <netdb.h>
        int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **out)
        {
            static const char *const names[] = { "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5",
                                                 "127.0.0.6", "127.0.0.7", "127.0.0.1" };
            int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
                (int (*)(const char *, const char *, const struct addrinfo *,
                         struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
            (void)host;
            for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
                int err = next(names[i], service, hints, out);
                if (err)
                    return err;
                while (*out)
                    out = &(*out)->ai_next;
            }
            return 0;
        }
        """, tmp_path)
    p = proxy(f"http://many.test:{upstream.port}", preload=library,
              upstream={"timeout": "8", "keepalive_timeout": "1ms"})
    assert p.ask(post()).status == 200
    start = time.monotonic()
    assert p.ask(post()).status == 200      # those that were silent are asked last now
    assert time.monotonic() - start < 0.2
    for h in holes:
        h.stop()
