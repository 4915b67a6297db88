"""Memory follows neither the bodies nor the connections: RSS is looked at, not guessed."""
import threading
import time

import pytest

import procs
from httpraw import PATH, STREAM, connect, head, post

pytestmark = pytest.mark.skipif(procs.sanitized(), reason="a sanitizer's memory is not the program's own")
MIB = 1 << 20


class Peak:
    """The highest RSS of a process while the block runs."""

    def __init__(self, p):
        self.p = p

    def __enter__(self):
        self.start = self.most = self.p.rss()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        while not self.over.wait(0.01):
            self.most = max(self.most, self.p.rss())

    def __exit__(self, *args):
        self.over.set()
        self.thread.join()

    @property
    def grown(self):
        return self.most - self.start


def warm(proxy, sample, **sections):
    p = proxy(sample, **sections)
    p.ask(post(query="size=200000"))
    p.ask(post(b"x" * 200000))
    p.ask(post(STREAM))
    return p


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_answer_to_a_client_that_does_not_read(proxy, upstream, framing):
    p = warm(proxy, upstream)
    with Peak(p) as peak:
        c = p.connect(rcvbuf=65536).send(post(query=f"size=41943040&framing={framing}"))
        time.sleep(1)
        r = c.response()
    assert r.complete and len(r.body) > 40 * MIB
    assert peak.grown < MIB, peak.grown


def test_a_large_stream_to_a_client_that_does_not_read(proxy, upstream):
    p = warm(proxy, upstream)
    with Peak(p) as peak:
        c = p.connect(rcvbuf=65536).send(post(STREAM, query="events=60&size=700000"))
        time.sleep(1)
        r = c.response()
    assert r.complete and len(r.body) > 40 * MIB
    assert peak.grown < MIB, peak.grown


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_to_an_upstream_that_does_not_read(proxy, upstream, chunked):
    p = warm(proxy, upstream, server={"max_body_size": "1G"})
    fields = "Transfer-Encoding: chunked" if chunked else "Content-Length: 300000000"
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if chunked else b"x" * 65536
    with Peak(p) as peak:
        c = p.connect().send(head("POST", PATH + "?hang=1", fields))
        c.sock.settimeout(0.7)
        with pytest.raises(TimeoutError):       # the proxy stops taking what the upstream does not take
            for _ in range(4570):                   # the kernel may take tens of MiB
                c.sock.sendall(piece)
    assert peak.grown < MIB, peak.grown


def many(p, n, raw):
    """n connections that have each sent raw and seen the first event of their answer."""
    conns = []
    for i in range(n):
        conns.append(connect(p.port, rcvbuf=4096))
        if raw:
            conns[-1].send(raw)
        if raw and i % 50 == 49:
            for c in conns[-50:]:
                c.response_head()
                assert c.chunk()
                c.buf = b""
    return conns


def files_for(n):
    if procs.raise_file_limit() < n:
        pytest.skip(f"fewer than {n} files may be open here")


def test_silent_streams_cost_less_than_a_kibibyte(proxy, upstream):
    """Each further one, when the program's own pages have been touched by the first."""
    first, n = 500, 5000
    files_for(2 * (first + n) + 500)
    p = warm(proxy, upstream, server={"max_connections": "6000"}, upstream={"connection_limit": "6000"}, log={"level": "warning"})
    raw = post(STREAM, query="events=1&pause=600000")
    conns = many(p, first, raw)
    before = p.rss()
    conns += many(p, n, raw)
    each = (p.rss() - before) / n
    print(f"\nRSS {before // 1024} KiB at {first} streams, {p.rss() // 1024} KiB at {first + n}: {each:.0f} bytes each")
    for c in conns:
        c.close(rst=True)
    assert each < 1024, each


def test_idle_connections_cost_less_than_a_kibibyte(proxy, upstream):
    n = 5000
    files_for(n + 500)
    p = warm(proxy, upstream, server={"max_connections": "6000"})
    before = p.rss()
    conns = many(p, n, b"")
    assert p.ask(post()).status == 200
    each = (p.rss() - before) / n
    for c in conns:
        c.close(rst=True)
    assert each < 1024, each


def test_memory_does_not_grow_with_requests(proxy, upstream):
    p = warm(proxy, upstream, log={"level": "warning"})
    c = p.connect()
    for _ in range(300):
        c.send(post()).response()
    before = p.rss()
    for i in range(3000):
        c.send(post(query="stream=1" if i % 10 == 0 else "")).response()
    for _ in range(300):
        p.ask(post("{}", query="close=1"))
    assert p.rss() - before < MIB // 4


def test_waiting_costs_no_processor_time(proxy, upstream):
    """Nothing spins: not a stream that waits, not a client that does not read, not an upload that is stuck."""
    p = warm(proxy, upstream)
    p.connect().send(post(STREAM, query="events=1&pause=600000"))
    p.connect(rcvbuf=4096).send(post(query="size=41943040"))
    stuck = p.connect().send(head("POST", PATH + "?hang=1", "Content-Length: 30000000"))
    stuck.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        stuck.sock.sendall(b"x" * 30_000_000)
    ahead = p.connect().send(post(query="hang=2") + post() * 50)
    assert ahead.silent(0.1)
    before = p.cpu()
    time.sleep(1)
    assert p.cpu() - before <= 0.05
