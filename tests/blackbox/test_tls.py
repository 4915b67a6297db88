"""https upstreams: trusted and untrusted certificates, and the messages about them; resumption,
truncation, streams. The servers are Python's ssl and, where it is installed, nginx."""
import contextlib
import json
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import certs
import procs
from httpraw import PATH, STREAM, Conn, connect, head, post
from peers import DONE, FINISH, SSE_HEAD, answering, chunk, delta, ok
from strace import Strace
from tlspeers import V12, V13, has_tls13

pytestmark = [pytest.mark.skipif(not certs.available(), reason="there is no openssl program here"),
              pytest.mark.filterwarnings("ignore:ssl.TLSVersion")]


def refused(p, *words):
    """One request is answered 502, with words that the log repeats and that hold nothing of the
    key."""
    r = p.ask(post("{}", "Authorization: Bearer sk-secret-key"))
    assert r.status == 502 and r.get("x-should-retry") == "true"
    assert r.error["code"] == "upstream_tls_error"
    for word in words:
        assert word in r.error["message"], r.error["message"]
    p.wait_log(re.escape(words[0]))
    assert "sk-secret" not in p.log() and "sk-secret" not in r.error["message"]
    return r.error["message"]


# Trusted certificates.

@pytest.mark.parametrize("kind", ["name", "address", "wildcard", "rsa", "chain", "subject"])
def test_good_certificates(trusting, tls_upstream, authority, kind):
    host = "127.0.0.1" if kind == "address" else "localhost"
    if kind == "chain":
        middle = authority.intermediate()
        cert = authority.issue("leaf", ["localhost"], above=middle).chain(middle.alone)
    else:
        cert = authority.issue(kind, **{
            "name": {"names": ["other.example", "localhost"]},
            "address": {"addresses": ["192.0.2.1", "127.0.0.1"]},
            "wildcard": {"names": ["*.example", "localhost"]},
            "rsa": {"names": ["localhost"], "rsa": True},
            "subject": {"subject": "localhost"},
        }[kind])
    u = tls_upstream(answering(ok(b'{"a":1}')), cert, host=host)
    p = trusting(u)
    for _ in range(3):
        r = p.ask(post())
        assert r.status == 200 and r.body == b'{"a":1}'
    assert len(u.sessions) == 1
    assert u.sessions[0][2] == "http/1.1"
    assert u.sessions[0][0] == ("TLSv1.3" if has_tls13() else "TLSv1.2")
    assert u.names == [None if kind == "address" else "localhost"]


BARE_DEV = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"]


def test_without_devices(trusting, tls_upstream, good):
    """A bare root has no /dev/urandom, and does not need one."""
    if subprocess.run([*BARE_DEV, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no mount namespaces here")
    p = trusting(tls_upstream(answering(ok(b"[]")), good), under=BARE_DEV)
    assert p.ask(post()).body == b"[]"


def test_an_ipv6_address(trusting, authority):
    try:
        procs.free_port("::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    cert = authority.issue("six", addresses=["::1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert.file, cert.key)
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)

    def serve():
        sock = context.wrap_socket(listener.accept()[0], server_side=True)
        answering(ok(), 1)(Conn(sock), 0)
    threading.Thread(target=serve, daemon=True).start()
    p = trusting(f"https://[::1]:{listener.getsockname()[1]}")
    assert p.ask(post()).status == 200
    listener.close()


def test_the_environment_names_the_store(proxy, tls_upstream, authority, good):
    u = tls_upstream(answering(ok()), good)
    p = proxy(u, env={"SSL_CERT_FILE": str(authority.file)})
    assert p.ask(post()).status == 200


# Untrusted certificates.

WRONG = {
    "host": ({"names": ["one.example", "two.example"]}, "localhost",
             ["one.example, two.example", "not for localhost"]),
    "address": ({"addresses": ["192.0.2.7"], "names": ["localhost"]}, "127.0.0.1",
                ["192.0.2.7", "not for the address 127.0.0.1"]),
    "address-as-name": ({"names": ["127.0.0.1"], "subject": "127.0.0.1"}, "127.0.0.1",
                        ["not for the address 127.0.0.1"]),
    "name-by-address": ({"addresses": ["127.0.0.1"]}, "localhost",
                        ["is for 127.0.0.1 and not for localhost"]),
    "subject-beside-names": ({"names": ["one.example"], "subject": "localhost"}, "localhost",
                             ["one.example and not for localhost"]),
    "expired": ({"names": ["localhost"], "dates": certs.EXPIRED}, "localhost",
                ["expired on 2021-01-01", "now"]),
    "future": ({"names": ["localhost"], "dates": certs.FUTURE}, "localhost",
               ["not yet valid", "2048-01-01"]),
    "client": ({"names": ["localhost"], "usage": "clientAuth"}, "localhost",
               ["not meant for servers"]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_certificates(trusting, tls_upstream, authority, kind):
    how, host, words = WRONG[kind]
    u = tls_upstream(answering(ok()), authority.issue(f"wrong-{kind}", **how), host=host)
    p = trusting(u)
    refused(p, *words)
    refused(p, *words)
    assert u.requests == [] and p.ask(head("GET", "/healthz")).status == 200


def test_self_signed(trusting, tls_upstream, authority):
    cert = authority.self_signed("self", ["localhost"])
    refused(trusting(tls_upstream(answering(ok()), cert)), "self-signed", str(authority.file))


def test_self_signed_and_named(proxy, tls_upstream, authority):
    cert = authority.self_signed("named", ["localhost"])
    p = proxy(tls_upstream(answering(ok()), cert), upstream={"ca_file": cert.alone})
    assert p.ask(post()).status == 200


def test_one_among_many_of_the_same_name(proxy, tls_upstream, authority, good, tmp_path):
    """An authority that changed its key is there twice, among those of this machine."""
    twin = certs.Authority(tmp_path, "root").file.read_text()
    system = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    others = system.read_text() if system.exists() else ""
    store = tmp_path / "store.pem"
    for text, trusted in ((twin + others + authority.file.read_text(), True),
                          (authority.file.read_text() + twin, True), (others + twin, False)):
        store.write_text(text)
        p = proxy(tls_upstream(answering(ok()), good), upstream={"ca_file": store})
        if trusted:
            assert p.ask(post()).status == 200
        else:
            refused(p, "CN=Test root", "not among the authorities")


@pytest.mark.parametrize("trusted", ["young", "old"])
def test_an_authority_that_another_one_has_signed(proxy, tls_upstream, tmp_path, trusted):
    """The server sends that certificate along; either of the two is enough."""
    young, old = certs.Authority(tmp_path, "young"), certs.Authority(tmp_path, "old")
    crossed = certs.Cert(tmp_path, "crossed")
    crossed.key = young.root.key
    old.sign(crossed, None, ("-cert", old.root.alone, "-keyfile", old.root.key), "authority")
    cert = young.issue("good", ["localhost"]).chain(crossed.alone)
    store = {"young": young, "old": old}[trusted].file
    p = proxy(tls_upstream(answering(ok()), cert), upstream={"ca_file": store})
    assert p.ask(post()).status == 200


def test_a_store_that_changes_later(proxy, tls_upstream, authority, good, tmp_path):
    """What counts is what it said when it was read."""
    store = tmp_path / "store.pem"
    store.write_text(authority.file.read_text())
    p = proxy(tls_upstream(answering(ok()), good), upstream={"ca_file": store})
    store.write_text("-----BEGIN")
    assert p.ask(post()).status == 200


def test_unknown_authority(trusting, tls_upstream, tmp_path):
    other = certs.Authority(tmp_path, "stranger")
    u = tls_upstream(answering(ok()), other.issue("unknown", ["localhost"]))
    refused(trusting(u), "CN=Test stranger", "not among the authorities")


def test_missing_intermediate(trusting, tls_upstream, authority):
    middle = authority.intermediate("missing")
    u = tls_upstream(answering(ok()), authority.issue("orphan", ["localhost"], above=middle))
    refused(trusting(u), "CN=Test missing", "leaves out a certificate")


def test_a_clock_that_is_wrong(trusting, tls_upstream, good, tmp_path):
    """The clock of a router that has just booted."""
    library = procs.preload_library("#include <time.h>\ntime_t time(time_t *t) { if (t) *t = "
                                    "86400; return 86400; }\n", tmp_path)
    refused(trusting(tls_upstream(answering(ok()), good), preload=library),
            "the clock of this machine is wrong", "1970-01-02")


# Versions.

def test_old_versions_are_refused(trusting, tls_upstream, good):
    u = tls_upstream(answering(ok()), good, low=ssl.TLSVersion.TLSv1, high=ssl.TLSVersion.TLSv1_1,
                     old=True)
    refused(trusting(u), "none of the versions that this program speaks: TLS 1.2")


def test_tls12_only(trusting, tls_upstream, good):
    u = tls_upstream(answering(ok()), good, high=V12)
    assert trusting(u).ask(post()).status == 200
    assert u.sessions[0][0] == "TLSv1.2"


@pytest.mark.parametrize("picky", [True, False])
def test_tls12_with_rsa(trusting, tls_upstream, authority, picky):
    """A server without TLS 1.3 may sign with RSA-PSS if the client offers it, and does so if it
    follows its own order."""
    cert = authority.issue(f"rsa12-{picky}", ["localhost"], rsa=True)
    u = tls_upstream(closing(ok(b"{}", "Connection: close")), cert, high=V12, picky=picky)
    p = trusting(u)
    assert [p.ask(post()).status for _ in range(4)] == [200] * 4
    assert [s[:2] for s in u.sessions] == [("TLSv1.2", False)] + [("TLSv1.2", True)] * 3
    assert len(u.refused) <= 1


def test_tls13_only(trusting, tls_upstream, good):
    u = tls_upstream(answering(ok()), good, low=V13)
    p = trusting(u)
    if not has_tls13():
        refused(p, "none of the versions that this program speaks: TLS 1.2 ")
        return
    assert p.ask(post()).status == 200
    assert u.sessions[0][0] == "TLSv1.3"


# Resumption.

def closing(handler_answer):
    """Answers one request and sends close_notify."""
    def handler(conn, n):
        conn.request()
        conn.send(handler_answer)
        conn.sock.settimeout(2)
        try:
            conn.sock.unwrap()
        except OSError:
            pass
    return handler


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_each_connection_resumes_the_last_session(trusting, tls_upstream, authority, version, host):
    if version == V13 and not has_tls13():
        pytest.skip("the library has no TLS 1.3")
    cert = authority.issue(f"resumed-{host}", ["localhost"], ["127.0.0.1"])
    u = tls_upstream(closing(ok(b"{}", "Connection: close")), cert, low=version, high=version,
                     host=host)
    p = trusting(u)
    for _ in range(5):
        assert p.ask(post()).status == 200
    assert [reused for _, reused, _ in u.sessions] == [False] + [True] * 4


def test_a_resumed_handshake_costs_less_than_half(trusting, tls_upstream, good):
    if procs.sanitized():
        pytest.skip("a sanitizer's time is not the program's own")
    n, spent = 60, []

    class Forgetful:
        """Makes a new context for each connection."""
        def wrap_socket(self, *args, **how):
            fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            fresh.load_cert_chain(good.file, good.key)
            return fresh.wrap_socket(*args, **how)
    for forgetful in (True, False):
        u = tls_upstream(closing(ok(b"{}", "Connection: close")), good)
        if forgetful:
            u.context = Forgetful()
        p = trusting(u, log={"level": "warning"})
        p.ask(post())
        before = p.cpu()
        for _ in range(n):
            assert p.ask(post()).status == 200
        spent.append(p.cpu() - before)
        assert sum(reused for _, reused, _ in u.sessions) == (0 if forgetful else n)
    print(f"\n{spent[0] / n * 1000:.2f} ms for a full handshake, {spent[1] / n * 1000:.2f} ms for "
          f"a resumed one")
    assert spent[1] < spent[0] / 2


def test_a_session_that_the_server_forgot(trusting, tls_upstream, good):
    u = tls_upstream(closing(ok(b"{}", "Connection: close")), good)
    p = trusting(u)
    assert p.ask(post()).status == 200
    fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fresh.load_cert_chain(good.file, good.key)
    u.context = fresh
    assert p.ask(post()).status == 200 and p.ask(post()).status == 200
    assert [reused for _, reused, _ in u.sessions] == [False, False, True]


def test_a_server_that_changes_to_a_wrong_certificate(trusting, tls_upstream, authority, good):
    u = tls_upstream(closing(ok(b"{}", "Connection: close")), good)
    p = trusting(u)
    assert p.ask(post()).status == 200
    wrong = authority.issue("changed", ["one.example"])
    u.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    u.context.load_cert_chain(wrong.file, wrong.key)
    refused(p, "one.example and not for localhost")


# The end of a connection.

def cut(conn, *data):
    """Sends data and ends the connection without close_notify."""
    for d in data:
        conn.send(d)
    conn.raw = conn.sock.detach()
    socket.close(conn.raw)
    conn.sock = socket.socket()


def test_truncation_in_a_body_of_known_length(trusting, tls_upstream, good):
    def handler(conn, n):
        conn.request()
        cut(conn, ok(b"x" * 100)[:-50])
    c = trusting(tls_upstream(handler, good)).connect()
    r = c.send(post()).response_head()
    c.read_body(r, "none")
    assert r.status == 200 and not r.complete


def test_truncation_of_a_body_that_ends_with_the_connection(trusting, tls_upstream, good):
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it"

    def handler(conn, n):
        conn.request()
        if n == 0:
            cut(conn, start)
        else:
            conn.send(start)
            conn.sock.unwrap()
    p = trusting(tls_upstream(handler, good))
    first, second = p.ask(post()), p.ask(post())
    assert first.body == second.body == b"all of it"
    assert second.complete and not first.complete


def test_truncation_of_a_stream(trusting, tls_upstream, good):
    def handler(conn, n):
        conn.request()
        cut(conn, SSE_HEAD, chunk(delta("one")))
    r = trusting(tls_upstream(handler, good)).ask(post(STREAM))
    assert r.complete and b"one" in r.body and b"[DONE]" not in r.body
    assert json.loads(r.body.strip().rpartition(b"data: ")[2])["error"]["code"] == "upstream_error"


def test_an_idle_connection_that_was_closed_is_not_used(trusting, tls_upstream, good):
    def handler(conn, n):
        conn.request()
        conn.send(ok())
        time.sleep(0.2)
        conn.sock.settimeout(1)
        try:
            conn.sock.unwrap()
        except OSError:
            pass
    u = tls_upstream(handler, good)
    p = trusting(u)
    for _ in range(3):
        assert p.ask(post()).status == 200
        time.sleep(0.4)
    assert len(u.sessions) == 3


# Servers that do not speak TLS.

def test_plain_http_on_the_port(trusting, scripted):
    def handler(conn, n):
        conn.more()
        conn.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    u = scripted(handler)
    refused(trusting(f"https://localhost:{u.port}"), "speaks plain HTTP on this port")


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 100,
                                     b"\x16\x03\x01\xff\xff" + b"x" * 200])
def test_garbage(trusting, scripted, garbage):
    def handler(conn, n):
        conn.more()
        conn.send(garbage)
        conn.gone()
    u = scripted(handler)
    refused(trusting(f"https://localhost:{u.port}"), "TLS with localhost port")


def test_a_server_that_hangs_up(trusting, scripted):
    u = scripted(lambda conn, n: conn.more())
    refused(trusting(f"https://localhost:{u.port}"), "during the handshake")


def test_a_server_that_says_nothing(trusting, scripted):
    u = scripted(lambda conn, n: conn.gone(5))
    p = trusting(f"https://localhost:{u.port}", upstream={"timeout": "300ms"})
    start = time.monotonic()
    r = p.ask(post())
    assert r.status == 504 and r.error["code"] == "upstream_timeout"
    assert 0.25 < time.monotonic() - start < 2


def test_a_handshake_byte_by_byte(trusting, tls_upstream, good):
    """A relay in between forwards one byte at a time in either direction."""
    u = tls_upstream(answering(ok(b'{"slow":1}')), good)
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(a, b):
        try:
            while data := a.recv(1):
                b.sendall(data)
        except OSError:
            pass

    def serve():
        a = listener.accept()[0]
        b = socket.create_connection(("127.0.0.1", u.port))
        for s in (a, b):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=pump, args=(a, b), daemon=True).start()
        pump(b, a)
    threading.Thread(target=serve, daemon=True).start()
    r = trusting(f"https://localhost:{listener.getsockname()[1]}").ask(post())
    assert r.status == 200 and r.body == b'{"slow":1}'
    listener.close()


# Bytes.

def test_close_notify_is_an_end_whatever_the_socket_says_after_it(trusting, tls_upstream, good):
    """An early response without a length, then a reset because of the rest of the upload:
    close_notify has said that the response was whole."""
    begin, said, close = threading.Event(), threading.Event(), threading.Event()

    def handler(conn, n):
        conn.head_bytes()
        begin.wait(5)
        conn.send(b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\n\r\n"
                  + b'{"whole":"answer"}')
        conn.sock.setblocking(False)
        with contextlib.suppress(ssl.SSLError):
            conn.sock.unwrap()
        said.set()
        close.wait(5)
    p = trusting(tls_upstream(handler, good))
    c = p.connect().send(head("POST", PATH, "Content-Length: 1000000") + b"z" * 400_000)
    time.sleep(0.2)
    p.signal(signal.SIGSTOP)
    c.send(b"z" * 5000)
    begin.set()
    assert said.wait(5)
    close.set()
    time.sleep(0.2)
    p.signal(signal.SIGCONT)
    r = c.response()
    assert r.status == 413 and r.body == b'{"whole":"answer"}' and r.complete


def test_a_stream_comes_event_by_event(trusting, tls_upstream, good):
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
    c = trusting(tls_upstream(handler, good)).connect().send(post(STREAM))
    assert c.response_head().status == 200
    for e in events:
        step.release()
        assert c.chunk() == e
    assert c.chunk() == b""


def test_many_events_at_once(trusting, tls_upstream, good):
    events = [delta("x" * (i % 700)) for i in range(3000)] + [FINISH, DONE]

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + b"".join(chunk(e) for e in events[:50]))
        for e in events[50:]:
            conn.send(chunk(e))
        conn.send(b"0\r\n\r\n")
        conn.more()
    r = trusting(tls_upstream(handler, good)).ask(post(STREAM))
    assert r.complete and r.body == b"".join(events)


@pytest.mark.parametrize("version", [V12, V13])
def test_a_big_upload_and_download(trusting, tls_upstream, good, version):
    if version == V13 and not has_tls13():
        pytest.skip("the library has no TLS 1.3")
    body = bytes(range(256)) * 40000

    def handler(conn, n):
        time.sleep(0.2)
        r = conn.request()
        assert r.body == body
        conn.send(ok(r.body))
        conn.more()
    u = tls_upstream(handler, good, low=version, high=version)
    c = trusting(u).connect()
    threading.Thread(target=c.send, args=(post(body),)).start()
    r = c.response()
    assert r.status == 200, r.body
    assert r.complete and r.body == body


def test_a_client_that_does_not_read(trusting, tls_upstream, good):
    body = b"0123456789abcdef" * 600000

    def handler(conn, n):
        conn.request()
        conn.send(ok(body))
        conn.more()
    p = trusting(tls_upstream(handler, good))
    before = p.rss()
    c = p.connect(rcvbuf=4096).send(post())
    time.sleep(0.5)
    if not procs.sanitized():
        assert p.rss() - before < 2 << 20
    assert c.response().body == body


def test_a_client_that_leaves_closes_the_upstream(trusting, tls_upstream, good):
    ended = threading.Event()

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("one")))
        conn.gone(5)
        ended.set()
    c = trusting(tls_upstream(handler, good)).connect().send(post(STREAM))
    c.response_head()
    c.chunk()
    c.close()
    assert ended.wait(2)


# Many at once.

def test_many_handshakes_do_not_stop_the_loop(trusting, tls_upstream, good):
    n = 60
    u = tls_upstream(answering(ok(), 1), good)
    p = trusting(u, log={"level": "warning"})
    clients = [p.connect() for _ in range(n)]
    for c in clients:
        c.send(post())
    slowest = 0
    for _ in range(20):
        start = time.monotonic()
        assert p.ask(head("GET", "/healthz"), "GET").status == 200
        slowest = max(slowest, time.monotonic() - start)
    for c in clients:
        assert c.response(wait=20).status == 200
    print(f"\nslowest /healthz beside {n} handshakes: {slowest * 1000:.1f} ms")
    assert slowest < 0.5


def test_idle_connections_are_small(trusting, tls_upstream, good):
    """The library's memory for a connection, without the record buffers, which only connections at
    work have."""
    if procs.sanitized():
        pytest.skip("a sanitizer's memory is not the program's own")
    n, hold, go = 150, threading.Event(), threading.Event()

    def handler(conn, k):
        while conn.buf or conn.more(60):
            conn.request()
            if hold.is_set():
                go.wait(60)
            conn.send(ok())
    u = tls_upstream(handler, good)
    p = trusting(u, upstream={"keepalive_timeout": "60"}, log={"level": "warning"})
    for _ in range(3):
        p.ask(post())
    hold.set()
    clients = [p.connect() for _ in range(n)]
    before = p.rss()
    for i, c in enumerate(clients):
        c.send(post())
        u.wait_conns(i + 1)
    time.sleep(0.5)
    each = (p.rss() - before) / n
    go.set()
    for c in clients:
        assert c.response().status == 200
    print(f"\n{each / 1024:.1f} KiB for each waiting request and its connection")
    assert each < 16 * 1024


def test_a_warm_request_costs_four_calls(trusting, tls_upstream, good, tmp_path):
    if procs.sanitized():
        pytest.skip("a sanitizer makes calls of its own")
    n = 300
    p = trusting(tls_upstream(answering(ok(b"x" * 3000)), good), log={"level": "warning"})
    c = p.connect()
    for _ in range(20):
        c.send(post()).response()
    with Strace(p.pid, tmp_path / "strace") as s:
        for _ in range(n):
            assert c.send(post()).response().status == 200
    assert s.reads <= 2.05 * n and s.writes <= 2.05 * n
    assert s.count("epoll_ctl") == 0
    assert s.count("brk", "mmap", "munmap", "madvise", "mremap") == 0


# Without verification, and without certificates.

def test_no_verification_warns_and_works(proxy, tls_upstream, authority):
    cert = authority.issue("whoever", ["one.example"], dates=certs.EXPIRED)
    u = tls_upstream(closing(ok(b"{}", "Connection: close")), cert)
    p = proxy(u, upstream={"tls_verify": "no"})
    p.wait_log(r"warning.*tls_verify = no")
    assert "; WARNING: tls_verify = no" in procs.run("-T", "-c", p.ini).stdout
    p.signal(signal.SIGHUP)
    p.wait_log("reload: done(?:.|\n)*warning tls_verify = no")
    assert [p.ask(post()).status for _ in range(3)] == [200] * 3
    assert [reused for _, reused, _ in u.sessions] == [False, True, True]


@pytest.mark.parametrize("flag", ["-t", None])
def test_a_missing_store_is_a_configuration_error(tmp_path, flag):
    ini = tmp_path / "proxy.ini"
    ini.write_text("[server]\nlisten = 127.0.0.1:1\n[upstream]\nbase_url = https://localhost:9\n"
                   "proxy = none\n")
    args = [flag] if flag else []
    r = procs.run("-c", ini, *args, env=procs.clean_env(SSL_CERT_FILE="/nonexistent/ca.pem"))
    assert r.returncode == 1 and "/nonexistent/ca.pem" in r.stderr and "SSL_CERT_FILE" in r.stderr
    (tmp_path / "empty.pem").write_text("nothing\n")
    with open(ini, "a") as f:
        f.write(f"ca_file = {tmp_path}/empty.pem\n")
    r = procs.run("-c", ini, *args)
    assert r.returncode == 1 and f"{tmp_path}/empty.pem" in r.stderr and "proxy.ini:6" in r.stderr


def self_signed(folder, algorithm, *options):
    out = folder / f"{algorithm}.pem"
    certs.openssl("req", "-x509", "-newkey", algorithm, *options, "-nodes", "-keyout",
                  folder / "key", "-out", out, "-subj", f"/CN={algorithm}", "-days", "9")
    return out.read_text()


def test_a_damaged_store_is_a_configuration_error(tmp_path):
    """The other certificates in it do not make up for it: it may be the one that is needed."""
    good = self_signed(tmp_path, "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    unknown = self_signed(tmp_path, "ed25519")      # to mbedTLS
    lines = good.splitlines(keepends=True)
    lines[3] = "!" + lines[3][1:]
    store = tmp_path / "store.pem"
    ini = tmp_path / "proxy.ini"
    ini.write_text("[server]\nlisten = 127.0.0.1:1\n[upstream]\nbase_url = https://localhost:9\n"
                   f"proxy = none\nca_file = {store}\n[api_keys]\na = b\n")
    for text, damaged in ((good, None), (good + unknown + good, None),
                          (good + "".join(lines), 2), (good + good + good[:200], 3),
                          (good + good[:200] + good, 2)):
        store.write_text(text)
        r = procs.run("-t", "-c", ini)
        if damaged:
            assert r.returncode == 1 and "proxy.ini:6" in r.stderr
            assert f"the CA certificate number {damaged} in ca_file {store} is damaged" in r.stderr
        else:
            assert r.returncode == 0, r.stderr


# nginx as an upstream.

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path {folder}/body; client_max_body_size 100m;
    proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
    scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets {tickets};
        ssl_session_cache shared:c:1m; keepalive_requests {requests};
        location / {{
            default_type application/json;
            return 200 '{{"reused":"$ssl_session_reused","with":"$ssl_protocol"}}';
        }}
    }}
}}
"""


@pytest.mark.parametrize("tickets", ["on", "off"])
def test_nginx(trusting, authority, good, tmp_path, tickets):
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx:
        pytest.skip("there is no nginx here")
    port = procs.free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, port=port, cert=good.file, key=good.key,
                                   tickets=tickets, requests=2))
    process = subprocess.Popen([nginx, "-c", str(config), "-e", "stderr"], stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                connect(port).close()
                break
            except OSError:
                time.sleep(0.02)
        c = trusting(f"https://localhost:{port}").connect()
        got = [c.send(post()).response().json() for _ in range(6)]
    finally:
        process.terminate()
        process.wait(5)
    assert [g["reused"] for g in got] == [".", ".", "r", "r", "r", "r"]
    assert got[0]["with"] == ("TLSv1.3" if has_tls13() else "TLSv1.2")
