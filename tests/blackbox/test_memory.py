"""Memory grows neither with bodies nor with connections: RSS is measured."""
import os
import selectors
import threading
import time

import pytest

import procs
from httpraw import PATH, STREAM, connect, head, post

pytestmark = [pytest.mark.alone,
              pytest.mark.skipif(procs.sanitized(),
                                 reason="a sanitizer's memory is not the program's own")]
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


def unsent(port, peer):
    """How many bytes the kernel holds for the client at port peer."""
    for line in open("/proc/net/tcp"):
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[2].endswith(f":{peer:04X}"):
            return int(fields[4].partition(":")[0], 16)
    return 0


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="this looks into /proc")
def test_the_kernel_holds_little_for_a_client_that_does_not_read(proxy, upstream):
    """Its memory for connections is shared by all."""
    p = warm(proxy, upstream)
    c = p.connect(rcvbuf=4096).send(post(query="size=41943040"))
    time.sleep(1)
    held = unsent(p.port, c.sock.getsockname()[1])
    assert 0 < held < MIB, held
    assert c.response(wait=60).complete


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
        with pytest.raises(TimeoutError):       # the proxy takes no more than the upstream
            for _ in range(4570):                   # the kernel may take tens of MiB
                c.sock.sendall(piece)
    assert peak.grown < MIB, peak.grown


def many(p, n, raw):
    """n connections. Each has sent raw and seen the first event of its response."""
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


STREAM_MAX = 973        # 0.95 KiB, both sides of a plain stream


@pytest.fixture
def crowded():
    """An upstream for one test: it is busy for a while when thousands of connections end."""
    s = procs.Sample()
    yield s
    s.stop()


def test_silent_streams_are_small(proxy, crowded):
    """The cost of a further stream, after the first ones have touched the program's own pages."""
    first, n = 500, 5000
    files_for(2 * (first + n) + 500)
    p = warm(proxy, crowded, server={"max_connections": "6000"},
             upstream={"connection_limit": "6000"}, log={"level": "warning"})
    raw = post(STREAM, query="events=1&pause=600000")
    conns = many(p, first, raw)
    before = p.rss()
    conns += many(p, n, raw)
    each = (p.rss() - before) / n
    print(f"\nRSS {before // 1024} KiB at {first} streams, {p.rss() // 1024} KiB at {first + n}: "
          f"{each:.0f} bytes each")
    for c in conns:
        c.close(rst=True)
    assert each <= STREAM_MAX, each


def test_idle_connections_are_small(proxy, upstream):
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
    """Nothing spins: neither a waiting stream nor a client that does not read nor a stuck
    upload."""
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


def test_a_thousand_bodies_that_wait_for_their_model(proxy, upstream):
    """A megabyte each, and the model comes last. Who does not fit is told to come again, and nobody
    else has to wait."""
    p = warm(proxy, upstream, server={"buffer_memory": "16M"},
             **{"upstream b": {"base_url": upstream.url, "models": "x"}})
    p.ask(post(b'{"messages":"' + b"i" * 300000 + b'","model":"x"}'))
    body = b'{"messages":"' + b"i" * 1000000 + b'","model":"x"}'
    raw = post(body)
    todo = {}
    with Peak(p) as peak, selectors.DefaultSelector() as ready:
        for _ in range(1000):
            c = p.connect()
            c.sock.setblocking(False)
            ready.register(c.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, c)
            todo[c] = 0
        others = 0
        while todo:
            for key, events in ready.select(5):
                c = key.data
                if events & selectors.EVENT_READ:
                    ready.unregister(c.sock)
                    todo.pop(c)
                elif todo[c] < len(raw):
                    todo[c] += c.sock.send(raw[todo[c]:todo[c] + 65536])
                else:
                    ready.modify(c.sock, selectors.EVENT_READ, c)
            if others < 20:
                assert p.ask(post(b'{"model":"y","messages":[]}')).status == 200
                others += 1
        answers = [c.response() for c in p.conns[-1000 - others:] if c.sock.fileno() >= 0]
    assert {r.status for r in answers} == {200, 503} and len(answers) == 1000
    assert all(r.get("retry-after") for r in answers if r.status == 503)
    assert peak.grown < 20 * MIB, peak.grown
