"""A response that declined the request is set aside until another one begins, and passed on where
nobody else can be reached. What happens meanwhile: on its connection, to the client, and to the
proxy."""
import signal
import threading
import time

import pytest

import procs
from httpraw import PATH, head, post, post_chunked
from peers import SSE_HEAD, chunk, delta

KEY = "Authorization: Bearer front"
NO = b"HTTP/1.1 429 No\r\nretry-after: 7\r\nContent-Length: 4\r\n\r\nslow"


class Next:
    """The upstream that is asked next, and never reached: it accepts a connection only when the
    test lets it, and then refuses by its end, which is TLS that fails."""

    def __init__(self, scripted):
        self.go, self.asked = threading.Event(), threading.Event()
        self.server = scripted(self.handle)
        self.url = f"https://localhost:{self.server.port}"

    def handle(self, conn, _):
        conn.more()
        self.asked.set()
        self.go.wait(20)
        conn.send(b"this is no TLS\r\n\r\n")

    def reached(self):
        assert self.asked.wait(10)

    def refuse(self):
        self.go.set()


@pytest.fixture
def after(scripted):
    nexts = []

    def start():
        nexts.append(Next(scripted))
        return nexts[-1]
    yield start
    for n in nexts:
        n.refuse()


def both(proxy, a, b, **sections):
    """a, and b as its fallback."""
    sections["upstream"] = {"fallback": "b", "pass_paths": "/v1/files",
                            **sections.get("upstream", {})}
    return proxy(a.url, **{"api_keys": {"front": "real-a"}, **sections, "upstream b": {
        "base_url": b.url, "api_key": "key-b", "tls_verify": "no"}})


def saying(*parts, pause=0.1, then=None):
    """A handler that says the parts to each request, and waits for then."""
    def handle(conn, _):
        conn.request()
        for part in parts:
            conn.send(part)
            time.sleep(pause)
        if then:
            then(conn)
    return handle


BODY = b'{"model":"m","messages":[]}'


@pytest.mark.parametrize("parts", [[NO], [NO[:-4], NO[-4:]], [NO[:10], NO[10:40], NO[40:]],
                                   [NO[:-4] + b"sl", b"ow"]])
def test_over_tls(authority, good, tls_upstream, proxy, after, parts):
    b = after()
    a = tls_upstream(saying(*parts, pause=0.05, then=lambda c: c.more()), good)
    p = both(proxy, a, b, upstream={"ca_file": authority.file})
    c = p.connect()
    c.send(post(BODY, KEY))
    b.reached()
    time.sleep(0.3)
    b.refuse()
    r = c.response()
    assert (r.status, r.get("retry-after"), r.body) == (429, "7", b"slow")


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("tls, some", [(False, 0), (True, 0), (True, 1_000_000), (True, 4_000_000)])
def test_a_request_that_is_still_being_sent(authority, good, tls_upstream, scripted, proxy, after,
                                            framing, tls, some):
    """It declines the request when it has read some of it, and reads on later."""
    go = threading.Event()

    def decline(conn, _):
        conn.head_bytes()
        conn.skip(some)
        time.sleep(0.3)
        conn.send(NO)
        go.wait(10)
        conn.gone()

    b = after()
    a = tls_upstream(decline, good) if tls else scripted(decline)
    p = both(proxy, a, b, upstream={"ca_file": authority.file, "retry_buffer": "30M"},
             server={"buffer_memory": "64M"})
    big = b'{"model":"m","messages":"' + b"x" * 16_000_000 + b'"}'
    c = p.connect()
    sender = threading.Thread(target=lambda: c.send(
        post(big, KEY) if framing == "length" else post_chunked([big], KEY)))
    sender.start()
    b.reached()
    go.set()
    time.sleep(1)
    b.refuse()
    sender.join()
    r = c.response()
    assert (r.status, r.get("retry-after"), r.body) == (429, "7", b"slow")
    assert p.ask(head("GET", "/healthz")).status == 200


def test_the_client_leaves(scripted, proxy, after):
    b = after()
    a = scripted(saying(NO, then=lambda c: c.gone()))
    p = both(proxy, a, b)
    before = procs.descriptors(p.pid)
    for _ in range(3):
        b.asked.clear()
        c = p.connect()
        c.send(post(BODY, KEY))
        b.reached()
        c.close()
        procs.wait_for(lambda: procs.descriptors(p.pid) <= before)


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("said, status, whole", [
    (NO, 429, True), (NO[:-2], 429, False),
    (b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n", 429, False),
    (b"HTTP/1.1 429 No\r\n\r\nslow", 429, None)], ids=["whole", "cut", "chunks", "until close"])
def test_its_connection_ends_meanwhile(scripted, proxy, after, how, said, status, whole):
    b = after()
    a = scripted(saying(said, pause=0.05, then=lambda c: c.close(rst=how == "reset")))
    p = both(proxy, a, b)
    c = p.connect()
    c.send(post(BODY, KEY))
    b.reached()
    time.sleep(0.2)
    b.refuse()
    r = c.response()
    assert r.status == status and r.body == said.partition(b"\r\n\r\n")[2][:4].replace(
        b"4\r\ns", b"slow")
    assert r.complete == (how == "end" if whole is None else whole)


@pytest.mark.parametrize("of", ["head", "body"])
def test_a_body_that_is_still_coming(scripted, proxy, after, of):
    """Its rest is not waited for."""
    b = after()

    def decline(conn, _):
        conn.head_bytes()
        if of == "body":
            conn.chunk()
        conn.send(NO)
        conn.gone()
    a = scripted(decline)
    p = both(proxy, a, b)
    c = p.connect()
    c.send(head("POST", PATH, "Transfer-Encoding: chunked", KEY))
    c.send(chunk(BODY[:9]))
    b.reached()
    c.send(chunk(BODY[9:12]))
    time.sleep(0.1)
    b.refuse()
    r = c.response()
    assert (r.status, r.body, r.get("connection")) == (429, b"slow", "close")
    c.send(chunk(BODY[12:]))
    assert c.gone() < 8


def test_a_body_larger_than_what_is_kept(scripted, proxy, after):
    b = after()

    def decline(conn, _):
        conn.head_bytes()
        conn.send(NO)
        conn.gone()
    a = scripted(decline)
    p = both(proxy, a, b, upstream={"retry_buffer": "4k"})
    c = p.connect()
    c.send(head("POST", PATH, "Transfer-Encoding: chunked", KEY))
    c.send(chunk(BODY[:9]))
    b.reached()
    for _ in range(20):
        c.send(chunk(b" " * 1000))
    time.sleep(0.1)
    b.refuse()
    assert c.response().status == 429


def test_head(scripted, proxy, after):
    b = after()
    a = scripted(saying(NO[:-4], then=lambda c: c.more()))
    p = both(proxy, a, b)
    c = p.connect()
    c.send(head("HEAD", "/v1/files", KEY))
    b.reached()
    b.refuse()
    r = c.response("HEAD")
    assert (r.status, r.get("content-length"), r.get("retry-after")) == (429, "4", "7")
    assert c.send(head("GET", "/healthz")).response().status == 200


def test_after_hints(scripted, proxy, after):
    b = after()
    a = scripted(saying(b"HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n", NO, then=lambda c: c.more()))
    p = both(proxy, a, b)
    c = p.connect()
    c.send(post(BODY, KEY))
    assert c.response_head(interim=True).status == 103
    assert c.response().status == 429 and not b.asked.is_set()


@pytest.mark.parametrize("what", ["reload", "drain"])
def test_the_proxy_reloads_or_drains(scripted, proxy, after, what):
    b = after()
    a = scripted(saying(NO, then=lambda c: c.gone()))
    p = both(proxy, a, b, server={"drain_timeout": "10"})
    c = p.connect()
    c.send(post(BODY, KEY))
    b.reached()
    if what == "reload":
        p.write_ini(a.url, {"log": {"level": "debug"}, "upstream": {"timeout": 7}})
        p.signal(signal.SIGHUP)
        p.wait_log("reload: done")
    else:
        p.signal(signal.SIGTERM)
        p.wait_log("drain")
    time.sleep(0.2)
    b.refuse()
    r = c.response()
    assert (r.status, r.body) == (429, b"slow")
    if what == "drain":
        assert p.process.wait(8) == 0


def test_bodies_are_logged(scripted, proxy, after):
    b = after()
    a = scripted(saying(NO, then=lambda c: c.more()))
    p = both(proxy, a, b, log={"log_requests": "yes", "log_responses": "yes"})
    c = p.connect()
    c.send(post(BODY, KEY))
    b.reached()
    b.refuse()
    assert c.response().status == 429
    p.wait_log("answer body .*slow")
    p.wait_log("request body .*model")


def test_the_next_request_of_the_connection(scripted, proxy, after):
    b = after()
    a = scripted(saying(NO, then=lambda c: c.more()))
    p = both(proxy, a, b)
    c = p.connect()
    c.send(post(BODY, KEY) + head("GET", "/healthz"))
    b.reached()
    b.refuse()
    assert c.response().status == 429 and c.response().status == 200


def test_what_breaks_behind_the_end_of_a_stream(scripted, proxy, after):
    stream = SSE_HEAD.replace(b"200 OK", b"429 No") + chunk(
        delta("x") + b"data: [DONE]\n\n") + b"no chunk\r\n"
    b = after()
    a = scripted(saying(stream, then=lambda c: c.more()))
    p = both(proxy, a, b)
    c = p.connect()
    c.send(post(BODY, KEY))
    b.reached()
    b.refuse()
    r = c.response()
    assert r.status == 429 and r.body.endswith(b"[DONE]\n\n") and r.complete


def test_a_long_body(scripted, proxy, after):
    long = NO.replace(b"Length: 4", b"Length: 3000000")[:-4]
    b = after()
    a = scripted(saying(long + b"y" * 3_000_000, then=lambda c: c.more()))
    p = both(proxy, a, b)
    c = p.connect()
    c.send(post(BODY, KEY))
    b.reached()
    b.refuse()
    r = c.response()
    assert r.status == 429 and r.body == b"y" * 3_000_000
