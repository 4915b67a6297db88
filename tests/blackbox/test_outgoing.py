"""Outgoing proxies: CONNECT, absolute-form requests, https and SOCKS proxies, and every fault
on the way.

The tests bring proxies of their own, and use tinyproxy and squid where they are installed.
"""
import base64
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

import certs
import procs
from httpraw import STREAM, WAIT, connect, head, post
from outproxies import HttpProxy, Socks, Socks4
from peers import DONE, FINISH, SSE_HEAD, Scripted, answering, chunk, delta, ok
from tlspeers import TlsScripted

pytestmark = [pytest.mark.skipif(not certs.available(), reason="there is no openssl program here"),
              pytest.mark.filterwarnings("ignore:ssl.TLSVersion")]

KEY = "Authorization: Bearer sk-client-secret"
USER = "us%40er:p%3Ass%20word"
BASIC = "Basic " + base64.b64encode(b"us@er:p:ss word").decode()


@pytest.fixture
def out():
    """out(a proxy) stops the proxy at the test's end."""
    things = []

    def start(thing):
        things.append(thing)
        return thing
    yield start
    for t in things:
        t.stop()


def with_user(url, user=USER):
    return url.replace("://", f"://{user}@")


def failed(p, code, *words, status=502, retry="true"):
    r = p.ask(post(b"{}", KEY))
    assert r.status == status, r.body
    assert r.error["code"] == code
    for word in words:
        assert word in r.error["message"], r.error["message"]
    assert r.get("x-should-retry") == retry
    p.wait_log(re.escape(r.error["message"]))
    for secret in ("sk-client", "p:ss", "p%3Ass", "us@er", "us%40er", BASIC[6:]):
        assert secret not in p.log() and secret not in r.error["message"]
    return r


# CONNECT.

@pytest.mark.parametrize("user", [None, USER])
def test_a_tunnel(trusting, tls_upstream, out, good, user):
    u = tls_upstream(answering(ok(b'{"through":1}')), good)
    via = out(HttpProxy())
    p = trusting(u, upstream={"proxy": with_user(via.url, user) if user else via.url})
    for _ in range(3):
        r = p.ask(post(b'{"secret":"body"}', KEY))
        assert r.status == 200 and r.body == b'{"through":1}'
    assert len(via.heads) == 1, "the finished stream is kept in the pool"
    h = via.heads[0]
    assert h.first == b"CONNECT localhost:%d HTTP/1.1" % u.port
    assert h.get("host") == f"localhost:{u.port}"
    assert h.get("proxy-authorization") == (BASIC if user else None)
    assert not h.has("authorization") and not h.has("x-request-id")
    assert b"sk-client" not in b"".join(via.seen) and b"secret" not in b"".join(via.seen)
    p.wait_log(r"through the proxy http://" + (r"\*\*\*@" if user else "") + "127")
    assert "p%3Ass" not in p.log()


def test_an_address_with_brackets(proxy, out, authority):
    """The authority of an IPv6 upstream. The outgoing proxy connects to the port of the test."""
    cert = authority.issue("six-by-proxy", addresses=["2001:db8::1"])
    u = TlsScripted(answering(ok()), cert)
    via = out(HttpProxy(where={"[2001:db8::1]:443": u.port}))
    p = proxy("https://[2001:db8::1]", upstream={"proxy": via.url, "ca_file": authority.file})
    assert p.ask(post()).status == 200
    assert via.heads[0].first == b"CONNECT [2001:db8::1]:443 HTTP/1.1"
    u.stop()


def test_the_name_is_the_proxys_to_look_up(proxy, out, authority):
    cert = authority.issue("far", ["api.far.invalid"])
    u = TlsScripted(answering(ok()), cert)
    via = out(HttpProxy(where={"api.far.invalid:443": u.port}))
    p = proxy("https://api.far.invalid", upstream={"proxy": via.url, "ca_file": authority.file})
    assert p.ask(post()).status == 200 and u.names == ["api.far.invalid"]
    u.stop()


def test_the_certificate_is_checked_through_the_tunnel(trusting, tls_upstream, out, authority):
    """An outgoing proxy that connects to another server gets no key."""
    u = tls_upstream(answering(ok()), authority.issue("elsewhere", ["other.example"]))
    via = out(HttpProxy())
    failed(trusting(u, upstream={"proxy": via.url}), "upstream_tls_error",
           "other.example and not for localhost")
    assert u.requests == []


ANSWERS = {
    "wants-a-user": (b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                     b"Proxy-Authenticate: Basic realm=x\r\nContent-Length: 3\r\n\r\nabc",
                     ["407", "wants a user and a password"]),
    "forbidden": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", ["403 Forbidden"]),
    "unreachable": (b"HTTP/1.1 502 sk-client us@er\r\n\r\n", ["502 Bad Gateway"]),
    "overloaded": (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", ["503 Service Unavailable"]),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", ["302"]),
    "garbage": (b"SSH-2.0-OpenSSH_9.2\r\n", ["CONNECT"]),
    "http2": (b"HTTP/2 200\r\n\r\n", ["CONNECT"]),
    "endless": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000, ["CONNECT"]),
    "interim without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, ["CONNECT", "end"]),
    "another protocol": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ["101"]),
    "too-much": (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                 ["sent more than the answer"]),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_proxy_that_refuses(trusting, tls_upstream, out, good, kind):
    answer, words = ANSWERS[kind]
    u = tls_upstream(answering(ok()), good)

    def refuse(conn):
        conn.send(answer)
        conn.gone()
    via = out(HttpProxy(refuse))
    p = trusting(u, upstream={"proxy": via.url})
    failed(p, "upstream_proxy_error", f"the proxy 127.0.0.1 port {via.port}", *words)
    assert u.conns == [] and p.ask(head("GET", "/healthz"), "GET").status == 200


@pytest.mark.parametrize("fields", ["Content-Length: 0\r\nTransfer-Encoding: chunked",
                                    "Content-Length: 0\r\nContent-Length: 3",
                                    "Transfer-Encoding: what"])
def test_what_a_tunnel_says_of_a_body_is_not_looked_at(trusting, tls_upstream, out, good, fields):
    """RFC 9110, 9.3.6."""
    u = tls_upstream(answering(ok()), good)
    via = out(HttpProxy(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode()))
    r = trusting(u, upstream={"proxy": via.url}).ask(post())
    assert r.status == 200, r.body


def test_a_password_that_is_wrong(trusting, tls_upstream, out, good):
    via = out(HttpProxy(b"HTTP/1.1 407 no\r\n\r\n"))
    p = trusting(tls_upstream(answering(ok()), good), upstream={"proxy": with_user(via.url)})
    failed(p, "upstream_proxy_error", "does not accept the user and the password")


def test_a_proxy_that_hangs_up(trusting, tls_upstream, out, good):
    via = out(HttpProxy(lambda conn: None))
    p = trusting(tls_upstream(answering(ok()), good), upstream={"proxy": via.url})
    failed(p, "upstream_proxy_error", "closed the connection instead of opening a tunnel")


def test_a_proxy_that_says_nothing(trusting, tls_upstream, out, good):
    via = out(HttpProxy(lambda conn: conn.gone()))
    p = trusting(tls_upstream(answering(ok()), good),
                 upstream={"proxy": via.url, "timeout": "300ms"})
    start = time.monotonic()
    failed(p, "upstream_timeout", "through the proxy 127.0.0.1", status=504)
    assert 0.25 < time.monotonic() - start < 2


def test_no_proxy_there(trusting, tls_upstream, good):
    port = procs.free_port()
    p = trusting(tls_upstream(answering(ok()), good),
                 upstream={"proxy": f"http://127.0.0.1:{port}"})
    failed(p, "upstream_proxy_error", f"cannot connect to the proxy 127.0.0.1 port {port}",
           "refused")


def test_a_proxy_whose_name_is_unknown(proxy):
    p = proxy("https://api.example.com", upstream={"proxy": "http://proxy.invalid:3128"})
    failed(p, "upstream_proxy_error", "cannot resolve the proxy proxy.invalid")


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 Connection established\r\nContent-Length: 10\r\n\r\n",
    b"HTTP/1.1 200 Connection established\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 299 Fine\r\nVia: x\r\n\r\n",
])
@pytest.mark.parametrize("at_once", [True, False])
def test_answers_that_open_a_tunnel(trusting, tls_upstream, out, good, answer, at_once):
    """RFC 9110, 9.3.6: fields that frame a body mean nothing in a 2xx to CONNECT."""
    via = None

    def slowly(conn):
        for i in range(0, len(answer), len(answer) if at_once else 1):
            conn.send(answer[i:] if at_once else answer[i:i + 1])
            time.sleep(0.002)
        via.lead(conn, u.port)
    u = tls_upstream(answering(ok()), good)
    via = out(HttpProxy(slowly))
    assert trusting(u, upstream={"proxy": via.url}).ask(post()).status == 200


def test_a_client_that_leaves_closes_the_tunnel(trusting, tls_upstream, out, good):
    asked, gone = threading.Event(), threading.Event()

    def silent(conn):
        asked.set()
        conn.gone()
        gone.set()
    via = out(HttpProxy(silent))
    c = trusting(tls_upstream(answering(ok()), good),
                 upstream={"proxy": via.url}).connect().send(post())
    assert asked.wait(WAIT)
    c.close()
    assert gone.wait(WAIT)


def test_a_stream_through_a_tunnel(trusting, tls_upstream, out, good):
    step = threading.Semaphore(0)
    events = [delta(str(i)) for i in range(5)] + [FINISH, DONE]

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        for e in events:
            assert step.acquire(timeout=5)
            conn.send(chunk(e))
        conn.send(b"0\r\n\r\n")
        conn.more()
    via = out(HttpProxy())
    c = trusting(tls_upstream(handler, good),
                 upstream={"proxy": via.url}).connect().send(post(STREAM))
    c.response_head()
    for e in events:
        step.release()
        assert c.chunk() == e
    assert c.chunk() == b""


# The environment.

@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_the_environment_names_the_proxy(trusting, tls_upstream, out, good, variable):
    u = tls_upstream(answering(ok()), good)
    via = out(HttpProxy())
    p = trusting(u, upstream={"proxy": ""}, env={variable: via.url})
    assert p.ask(post()).status == 200 and len(via.heads) == 1


def test_no_proxy_and_none_are_heeded(trusting, tls_upstream, out, good):
    u = tls_upstream(answering(ok()), good)
    via = out(HttpProxy())
    for upstream, extra in (({"proxy": ""}, {"no_proxy": "example.com, localhost"}),
                            ({"proxy": "none"}, {})):
        p = trusting(u, upstream=upstream, env={"https_proxy": via.url, **extra})
        assert p.ask(post()).status == 200
    assert via.heads == []


# Requests for http upstreams.

class Absolute(Scripted):
    """An outgoing proxy that forwards requests, or answers them itself."""

    def __init__(self, port, answer=None, fields=("Connection: keep-alive",)):
        self.upstream, self.answer, self.fields = port, answer, fields
        super().__init__(self.pass_on)

    def pass_on(self, conn, n):
        for _ in range(100):
            if not conn.buf and not conn.more():
                return
            r = self.read(conn)
            if self.answer:
                conn.send(self.answer)
                continue
            upstream = connect(self.upstream)
            conn.send(ok(upstream.send(post(r.body)).response().body, *self.fields))
            upstream.close()


@pytest.mark.parametrize("user", [None, USER])
def test_absolute_form(proxy, scripted, out, user):
    u = scripted(answering(ok(b'{"plain":1}')))
    via = out(Absolute(u.port))
    p = proxy(f"http://api.plain.invalid:{u.port}/base",
              upstream={"proxy": with_user(via.url, user) if user else via.url})
    c = p.connect()
    for _ in range(3):
        r = c.send(post(b'{"a":1}', "Authorization: Bearer k", "Proxy-Authorization: Basic forged",
                        query="x=1")).response()
        assert r.status == 200 and r.body == b'{"plain":1}'
    assert len(via.conns) == 1 and len(via.requests) == 3
    for r in via.requests:
        assert r.body == b'{"a":1}'
        assert r.target == f"http://api.plain.invalid:{u.port}/base/v1/chat/completions?x=1"
        assert r.get("host") == f"api.plain.invalid:{u.port}"
        assert r.get("authorization") == "Bearer k"
        assert r.get("proxy-authorization") == (BASIC if user else None)
        assert r.get("connection") == "keep-alive"


def test_absolute_form_and_a_proxy_that_does_not_say_it_stays(proxy, scripted, out):
    """tinyproxy closes after every response without saying so. A second request must not use that
    connection."""
    u = scripted(answering(ok(b"{}")))
    via = out(Absolute(u.port, fields=()))
    c = proxy(u.url, upstream={"proxy": via.url}).connect()
    assert [c.send(post()).response().status for _ in range(3)] == [200] * 3
    assert len(via.conns) == 3


@pytest.mark.parametrize("user", [None, USER])
def test_407_in_absolute_form(proxy, out, user):
    via = out(Absolute(0, b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n"
                          b"Content-Length: 2\r\n\r\nno"))
    p = proxy("http://api.plain.invalid",
              upstream={"proxy": with_user(via.url, user) if user else via.url})
    failed(p, "upstream_proxy_error", "does not accept its user and password" if user
           else "wants a user and a password", retry="false")      # the request went out


# Proxies that speak TLS.

class TlsProxy(HttpProxy, TlsScripted):
    """CONNECT inside TLS."""

    def __init__(self, cert, **how):
        self.answer, self.where = b"HTTP/1.1 200 OK\r\n\r\n", {}
        self.heads, self.seen = [], []
        TlsScripted.__init__(self, self.tunnel, cert, **how)


@pytest.mark.parametrize("user", [None, USER])
def test_an_https_proxy(trusting, tls_upstream, out, authority, good, user):
    """TLS in TLS: events one by one, and a body that does not fit any buffer."""
    body = bytes(range(256)) * 8000

    def handler(conn, n):
        r = conn.request()
        conn.send(ok(r.body))
        if conn.more():
            conn.request()
            conn.send(SSE_HEAD)
            for e in (delta("a"), FINISH, DONE):
                time.sleep(0.05)
                conn.send(chunk(e))
            conn.send(b"0\r\n\r\n")
            conn.more()
    via = out(TlsProxy(authority.issue(f"proxy-{bool(user)}", ["localhost"])))
    p = trusting(tls_upstream(handler, good),
                 upstream={"proxy": with_user(via.url, user) if user else via.url})
    c = p.connect()
    threading.Thread(target=c.send, args=(post(body),)).start()
    assert c.response().body == body
    r = c.send(post(STREAM)).response()
    assert r.body == delta("a") + FINISH + DONE and len(r.chunks) == 3
    assert [h.get("proxy-authorization") for h in via.heads] == [BASIC if user else None]
    assert via.sessions[0][2] == "http/1.1"


def test_an_https_proxy_for_an_http_upstream(proxy, scripted, out, authority):
    u = scripted(answering(ok(b'{"plain":2}')))

    def handler(conn, n):
        via.requests.append(conn.request())
        conn.send(ok(b'{"plain":2}'))
        conn.more()
    via = out(TlsScripted(handler, authority.issue("plain-proxy", ["localhost"])))
    p = proxy(u, upstream={"proxy": via.url, "ca_file": authority.file})
    assert p.ask(post()).body == b'{"plain":2}'
    assert via.requests[0].target == f"{u.url}/v1/chat/completions"


def test_an_https_proxy_is_verified(trusting, tls_upstream, out, authority, good):
    via = out(TlsProxy(authority.issue("false-proxy", ["other.example"])))
    p = trusting(tls_upstream(answering(ok()), good), upstream={"proxy": with_user(via.url)})
    failed(p, "upstream_proxy_error", f"TLS with the proxy localhost port {via.port} failed",
           "other.example and not for localhost")
    assert via.heads == []


# SOCKS5.

@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("user", [None, USER])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks(trusting, tls_upstream, scripted, out, good, scheme, user, tls):
    u = tls_upstream(answering(ok(b'{"socks":5}')),
                     good) if tls else scripted(answering(ok(b'{"socks":5}')))
    base = u.url if tls else f"http://localhost:{u.port}"
    via = out(Socks(password=(b"us@er", b"p:ss word") if user else None))
    p = trusting(base, upstream={"proxy": f"{scheme}://{USER + '@' if user else ''}{via.address}"})
    for _ in range(2):
        assert p.ask(post(b"{}", KEY)).body == b'{"socks":5}'
    host = (3, "localhost") if scheme == "socks5h" else (1, "127.0.0.1")
    assert via.asked == [(*host, u.port)]
    assert b"sk-client" not in b"".join(via.seen)


def test_socks_with_addresses(proxy, out, authority, scripted):
    u = scripted(answering(ok()))
    via = out(Socks(where={"2001:db8::7": u.port, "192.0.2.7": u.port}, bound=b"\x04" + b"\1" * 18))
    for host, kind, name in (("[2001:db8::7]", 4, "2001:db8::7"), ("192.0.2.7", 1, "192.0.2.7")):
        p = proxy(f"http://{host}:1234", upstream={"proxy": f"socks5h://{via.address}"})
        assert p.ask(post()).status == 200 and via.asked[-1] == (kind, name, 1234)


def test_socks_byte_by_byte(proxy, out, scripted):
    """The replies come in pieces. The last one has a name as its address."""
    u = scripted(answering(ok(b'{"slow":1}')))

    class Slow(Socks):
        def serve_one(self, conn, n):
            whole = conn.send
            conn.send = lambda data: [(whole(data[i:i + 1]), time.sleep(0.005))
                                      for i in range(len(data))]
            super().serve_one(conn, n)
    via = out(Slow(password=(b"u", b""), bound=b"\x03\x04name\0\1"))
    p = proxy(f"http://localhost:{u.port}", upstream={"proxy": f"socks5h://u@{via.address}"})
    assert p.ask(post()).body == b'{"slow":1}'


@pytest.mark.parametrize("reply, words", [(1, "general failure"), (2, "does not allow"),
                                          (4, "host is unreachable"), (5, "connection was refused"),
                                          (8, "addresses of this type"),
                                          (99, "a reason that SOCKS5 does not know")])
def test_socks_refusals(proxy, out, reply, words):
    via = out(Socks(reply=reply))
    p = proxy("http://localhost:1", upstream={"proxy": f"socks5h://{via.address}"})
    failed(p, "upstream_proxy_error", f"the proxy 127.0.0.1 port {via.port}", words)


@pytest.mark.parametrize("how, user, words", [
    ({"password": (b"a", b"b")}, None, "wants a user and a password"),
    ({"password": (b"a", b"b")}, USER, "does not accept the user and the password"),
    ({"broken": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, None, "does not speak SOCKS5"),
    ({"broken": b"\4\0"}, None, "does not speak SOCKS5"),
    ({"broken": b"\5\xff"}, USER, "accepts neither"),
    ({"broken": b"\5\0" + b"\5\0\0\1" + b"\0" * 6}, None, "sent more than the answer"),
    ({"bound": b"\x07\0\0\0\0\0\0"}, None, "unknown type of address"),
])
def test_socks_that_goes_wrong(proxy, out, how, user, words):
    via = out(Socks(**how))
    p = proxy("http://localhost:1",
              upstream={"proxy": f"socks5h://{user + '@' if user else ''}{via.address}"})
    failed(p, "upstream_proxy_error", f"the proxy 127.0.0.1 port {via.port}", words)


def test_socks5_looks_the_name_up_here(proxy, out):
    via = out(Socks())
    p = proxy("http://upstream.invalid", upstream={"proxy": f"socks5://{via.address}"})
    failed(p, "upstream_dns_error", "cannot resolve upstream.invalid")
    assert via.conns == []


# SOCKS4 and 4A.

@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("scheme", ["socks4", "socks", "socks4a"])
def test_socks4(trusting, tls_upstream, scripted, out, good, scheme, tls):
    u = tls_upstream(answering(ok(b"[4]")), good) if tls else scripted(answering(ok(b"[4]")))
    base = u.url if tls else f"http://localhost:{u.port}"
    via = out(Socks4())
    p = trusting(base, upstream={"proxy": f"{scheme}://{USER}@{via.address}"})
    for _ in range(2):
        assert p.ask(post(b"{}", KEY)).body == b"[4]"
    kind, host = ("4a", "localhost") if scheme == "socks4a" else ("4", "127.0.0.1")
    assert via.asked == [(kind, "us@er", host, u.port)]


def test_socks4_with_addresses(proxy, out, scripted):
    u = scripted(answering(ok()))
    via = out(Socks4(where={"192.0.2.7": u.port}))
    p = proxy("http://192.0.2.7:1234", upstream={"proxy": f"socks4a://{via.address}"})
    assert p.ask(post()).status == 200 and via.asked == [("4", "", "192.0.2.7", 1234)]
    for scheme in ("socks4", "socks4a"):
        p = proxy("http://[2001:db8::7]:1234", upstream={"proxy": f"{scheme}://{via.address}"})
        failed(p, "upstream_proxy_error", "speaks SOCKS4, which knows no IPv6")


@pytest.mark.parametrize("reply, words", [(91, "could not connect"), (93, "not accept the user"),
                                          (0, "a reason that SOCKS4 does not know")])
def test_socks4_refusals(proxy, out, reply, words):
    via = out(Socks4(reply=reply))
    p = proxy("http://localhost:1", upstream={"proxy": f"socks4a://{via.address}"})
    failed(p, "upstream_proxy_error", f"the proxy 127.0.0.1 port {via.port}", words)


# Output of -T.

@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_credentials_are_masked(tmp_path, scheme):
    ini = tmp_path / "proxy.ini"
    ini.write_text(f"[upstream]\nproxy = {scheme}://{USER}@proxy.example:3128\n")
    r = procs.run("-T", "-c", ini)
    assert r.returncode == 0 and f"proxy = {scheme}://***@proxy.example:3128" in r.stdout
    assert "us%40er" not in r.stdout and "p%3Ass" not in r.stdout


# Real proxies.

class Program:
    """A proxy from a package, in the foreground."""

    def __init__(self, port, *args, **how):
        self.process = subprocess.Popen(list(map(str, args)), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
        self.stop()
        raise AssertionError(f"{args[0]} did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def find(program):
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if not found:
        pytest.skip(f"there is no {program} here")
    return found


def tinyproxy(folder, port, password):
    config = folder / "tinyproxy.conf"
    config.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\n"
                      f"LogFile \"{folder}/log\"\nAllow 127.0.0.1\n"
                      + ("BasicAuth user p-ss\n" if password else ""))
    return Program(port, find("tinyproxy"), "-d", "-c", config)


def squid(folder, port, password):
    if password:
        pytest.skip("a password for squid takes a helper program")
    folder.chmod(0o777)
    config = folder / "squid.conf"
    config.write_text(f"http_port 127.0.0.1:{port}\nhttp_access allow all\ncache deny all\n"
                      f"access_log none\ncache_log {folder}/cache.log\n"
                      f"pid_filename {folder}/squid.pid\ncache_store_log none\n"
                      f"shutdown_lifetime 0 seconds\ncoredump_dir {folder}\n"
                      "workers 1\nmax_filedescriptors 1024\n")
    return Program(port, find("squid"), "-N", "-f", config, cwd=folder)


@pytest.mark.parametrize("password", [False, True])
@pytest.mark.parametrize("start", [tinyproxy, squid])
def test_real_proxies(trusting, tls_upstream, scripted, out, good, tmp_path, start, password):
    port = procs.free_port()
    out(start(tmp_path, port, password))
    secure = tls_upstream(answering(ok(b'{"real":1}')), good)
    plain = scripted(answering(ok(b'{"real":2}')))
    url = f"http://{'user:p-ss@' if password else ''}127.0.0.1:{port}"
    p = trusting(secure, upstream={"proxy": url})
    assert [p.ask(post()).body for _ in range(3)] == [b'{"real":1}'] * 3
    q = trusting(f"http://127.0.0.1:{plain.port}", upstream={"proxy": url})
    assert [q.ask(post()).body for _ in range(3)] == [b'{"real":2}'] * 3
    if password:
        for upstream, user in ((secure, "user:wrong@"), (secure, ""),
                               (f"http://127.0.0.1:{plain.port}", "")):
            r = trusting(upstream, upstream={"proxy": f"http://{user}127.0.0.1:{port}"}).ask(post())
            assert r.status == 502 and r.error["code"] == "upstream_proxy_error", r.body
