"""TLS for clients: the certificates that they are shown, and the same guarantees as on a plain
socket. The clients are Python's ssl, curl and the openssl program."""
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time

import pytest

import certs
import procs
from exposition import Page
from httpraw import PATH, STREAM, head, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta, ok
from procs import wait_for
from tlspeers import V12, V13, client_context, files_of, has_tls13

pytestmark = [pytest.mark.skipif(not certs.available(), reason="there is no openssl program here"),
              pytest.mark.filterwarnings("ignore:ssl.TLSVersion")]
VERSIONS = [V12, pytest.param(V13, marks=pytest.mark.skipif(not has_tls13(),
                                                            reason="this is TLS 1.2 alone"))]
SSE = [delta("a"), delta("b"), FINISH, DONE]


# The same as on a plain socket.

@pytest.mark.parametrize("version", VERSIONS)
def test_requests_on_one_connection(secured, upstream, authority, version):
    s = secured(upstream)
    context = client_context(authority, only=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    c = s.connect(context=context)
    assert c.sock.selected_alpn_protocol() == "http/1.1"
    assert c.sock.version() == {V12: "TLSv1.2", V13: "TLSv1.3"}[version]
    assert re.search("CHACHA20|GCM", c.sock.cipher()[0])
    for size in (1, 1000, 16384, 16385, 300000):
        raw = post(b"x" * size, query=f"size={size}")
        r = c.send(raw).response()
        assert r.status == 200 and r.body == upstream.ask(raw).body


@pytest.mark.skipif(platform.machine() != "x86_64", reason="another CPU may have another one")
def test_the_fastest_suite_is_chosen(secured, upstream, authority):
    """Whatever the client's order is. In TLS 1.3 the library goes by that."""
    context = client_context(authority, only=V12)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
                        "ECDHE-ECDSA-CHACHA20-POLY1305")
    c = secured(upstream).connect(context=context)
    assert c.sock.cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_is_the_same_bytes(secured, upstream, authority, version):
    raw = post(STREAM, query="events=200")
    c = secured(upstream).connect(context=client_context(authority, only=version))
    for _ in range(3):
        r = c.send(raw).response()
        assert r.complete and r.body == upstream.ask(raw).body


def test_each_event_comes_at_once(secured, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        for event in SSE:
            conn.send(chunk(event))
            assert conn.silent(0.05)
        conn.send(b"0\r\n\r\n")
    r = secured(scripted(handler)).ask(post(STREAM))
    assert r.complete and r.chunks == SSE


def test_much_in_both_directions(secured, upstream):
    """More than all buffers on the way hold, from a client and to one that does not read."""
    c = secured(upstream).connect(rcvbuf=4096)
    body = os.urandom(1 << 20) * 8
    r = c.send(post(body, query="echo=1")).response(wait=60)
    assert r.status == 200
    c.send(post(query="size=20000000"))
    time.sleep(0.5)
    r = c.response(wait=60)
    assert r.complete and len(r.body) > 20000000
    assert c.send(post()).response().status == 200


@pytest.mark.parametrize("how", ["close_notify", "end", "reset"])
def test_a_client_that_leaves_ends_the_request(secured, scripted, how):
    left = []

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        left.append(conn.gone())
    s = secured(scripted(handler))
    c = s.connect().send(post(STREAM))
    c.response_head()
    assert c.chunk() == delta("a")
    if how == "close_notify":
        c.sock.settimeout(0.2)
        with contextlib.suppress(OSError):       # where the proxy does not say so in turn
            c.sock.unwrap()
    c.close(rst=how == "reset")
    s.p.wait_log("end=client_gone")
    wait_for(lambda: left)


@pytest.mark.parametrize("version", VERSIONS)
def test_close_notify_alone_is_leaving(secured, scripted, authority, version):
    """The client's socket stays open, and what it said before it left does not matter."""
    left = []

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        left.append(conn.gone())
    s = secured(scripted(handler))
    for i in range(2):
        c = s.connect(context=client_context(authority, only=version)).send(post(STREAM))
        c.response_head()
        assert c.chunk() == delta("a")
        c.sock.settimeout(0.05)
        with contextlib.suppress(OSError):       # where the proxy does not say so in turn
            c.sock.unwrap()
        wait_for(lambda: len(left) == i + 1)
        wait_for(lambda: s.p.log().count("end=client_gone") == i + 1)


def test_a_request_that_comes_early_is_no_end(secured, scripted):
    """It waits, however long it is, and costs no processor time meanwhile."""
    turn = threading.Event()

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        turn.wait(8)
        conn.send(chunk(FINISH + DONE) + b"0\r\n\r\n")
        conn.request()
        conn.send(ok(b"again"))
    s = secured(scripted(handler))
    c = s.connect().send(post(STREAM))
    c.response_head()
    assert c.chunk() == delta("a")
    c.send(post(b"x" * 100000))
    before = s.p.cpu()
    assert c.silent(0.5)
    assert s.p.cpu() - before < 0.2
    turn.set()
    assert c.chunk() == FINISH + DONE and c.chunk() == b""
    assert c.response().body == b"again"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("minor", ["1.0", "1.1"])
def test_the_end_is_announced(secured, upstream, authority, version, minor):
    """Also where the client is slow to take what comes before it."""
    s = secured(upstream)
    c = s.connect(context=client_context(authority, only=version), rcvbuf=4096)
    c.send(post(STREAM, "Connection: close", query="events=50&size=100000", version=minor))
    time.sleep(0.5)
    r = c.response(wait=60)
    assert r.complete and len(r.body) > 5000000
    assert c.closed() and not c.cut and not c.reset


def test_a_cut_response_without_a_length_is_not_announced(secured, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"half of it"))
    c = secured(scripted(handler)).connect()
    c.send(post(version="1.0"))
    r = c.response()
    assert r.framing == "close" and (c.cut or c.reset)
    assert b"half of it".startswith(r.body)


def test_a_cut_stream_says_so(secured, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
    r = secured(scripted(handler)).ask(post(STREAM))
    assert r.complete and r.body.startswith(delta("a")) and b'data: {"error"' in r.body


def test_a_request_that_waits_behind_another(secured, upstream):
    c = secured(upstream).connect()
    c.send(post(query="size=100000") + post(query="size=7") + post(query="size=3"))
    assert [len(c.response().body) for _ in range(3)] == [
        len(upstream.ask(post(query=f"size={n}")).body) for n in (100000, 7, 3)]


def test_a_drain_finishes_streams(secured, upstream):
    raw = post(STREAM, query="events=20&pause=30")
    s = secured(upstream, server={"drain_timeout": "30"})
    idle = s.connect()
    assert idle.send(post()).response().status == 200
    c = s.connect().send(raw)
    c.response_head()
    s.p.signal(signal.SIGTERM)
    assert idle.closed() and not idle.cut
    body = b""
    while (data := c.chunk()):
        body += data
    assert data == b"" and body == upstream.ask(raw).body
    assert c.closed() and not c.cut
    assert s.p.wait_end() == 0


class Pumped:
    """TLS in memory, so that the test decides what is sent when."""

    def __init__(self, context, conn, before=b""):
        self.conn, self.before = conn, before
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def run(self, step):
        while True:
            try:
                got = step()
                break
            except ssl.SSLWantReadError:
                self.conn.send(self.before + self.outgoing.read())
                self.before = b""
                assert self.conn.more()
                self.incoming.write(self.conn.take(len(self.conn.buf)))
        self.conn.send(self.outgoing.read())
        return got


@pytest.mark.parametrize("together", [True, False])
def test_behind_a_proxy_header(secured, upstream, together):
    s = secured(upstream, words="tls proxy_protocol", access={"trusted_proxies": "127.0.0.1"})
    line = b"PROXY TCP4 192.0.2.7 127.0.0.1 1000 443\r\n"
    c = s.p.connect()
    if not together:
        c.send(line[:9])
        assert c.silent(0.1)
        c.send(line[9:])
        assert c.silent(0.1)
    pumped = Pumped(s.context, c, before=line if together else b"")
    pumped.run(pumped.tls.do_handshake)
    pumped.tls.write(post())
    assert pumped.run(lambda: pumped.tls.read(100)).startswith(b"HTTP/1.1 200 OK")
    s.p.wait_log("client=192.0.2.7 .* status=200")
    c = s.p.connect().send(b"PROXY TCP4 192.0.2.8 127.0.0.1 1000 443\r\n" + b"\x80" * 50)
    c.gone()
    s.p.wait_log("TLS with the client 192.0.2.8 failed: it does not speak TLS")


def test_clients_beyond_the_limit_are_told_so(secured, upstream):
    s = secured(upstream, server={"max_connections": "2"})
    held = [s.connect() for _ in range(2)]
    r = s.ask(post())
    assert r.status == 503 and r.get("retry-after") == "1"
    assert held[0].send(post()).response().status == 200


# Other clients.

def test_curl(secured, upstream, authority):
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    s = secured(upstream)
    done = subprocess.run(
        ["curl", "-sS", "-N", "--cacert", authority.file, "-d", STREAM, "-w", "%{http_version}",
         *[f"https://localhost:{s.p.port}{PATH}?events=20"] * 2],
        capture_output=True, env=procs.clean_env(), timeout=20)
    body = upstream.ask(post(STREAM, query="events=20")).body
    assert done.stderr == b"" and done.stdout == (body + b"1.1") * 2


def openssl_client(s, authority, *options, say=b""):
    done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{s.p.port}", "-CAfile",
                           authority.file, "-verify_return_error", *options], input=say,
                          capture_output=True, timeout=20)
    return (done.stdout + done.stderr).decode(errors="replace")


def test_renegotiation_is_refused(secured, upstream, authority):
    """And the proxy goes on."""
    s = secured(upstream)
    told = openssl_client(s, authority, "-tls1_2", say=b"R\n" * 3)
    assert "RENEGOTIATING" in told
    assert re.search("no renegotiation|ssl handshake failure|closed|error", told, re.I)
    assert s.ask(post()).status == 200


@pytest.mark.parametrize("old", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(secured, upstream, authority, old):
    s = secured(upstream)
    told = openssl_client(s, authority, old, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in told or "Cipher    : 0000" in told
    assert s.ask(post()).status == 200


# Bad clients.

def test_plain_http_can_read_the_error(secured, upstream):
    s = secured(upstream)
    for raw in (post(), head("GET", "/healthz"), head("OPTIONS", "/"), post(b"x" * 100000)):
        c = s.p.connect().send(raw)
        r = c.response()
        assert r.status == 400 and r.error["code"] == "bad_request"
        assert "HTTPS" in r.error["message"]
        assert c.gone() < 5
    assert s.ask(post()).status == 200


def test_plain_http_byte_by_byte_can_read_the_error(secured, upstream):
    s = secured(upstream)
    for pieces in (1, 2, 3, 4):
        c = s.p.connect()
        raw = head("GET", "/healthz")[:5]
        for i in range(0, 5, pieces):
            c.send(raw[i:i + pieces])
            if i + pieces < 5:
                assert c.silent(0.02)
        r = c.response()
        assert r.status == 400 and "HTTPS" in r.error["message"]
    raw = bytes.fromhex("16030100")     # what may become TLS, and leaves
    s.p.connect().send(raw).close()
    assert s.ask(post()).status == 200


def test_a_handshake_byte_by_byte_is_one(secured, upstream, authority):
    s = secured(upstream)
    c = s.p.connect()
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(authority).wrap_bio(into, out, server_hostname="localhost")
    done = False
    while not done:
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        said = out.read()
        for i in range(len(said)):
            c.send(said[i:i + 1])
        if not done:
            assert c.more()
            into.write(c.buf)
            c.buf = b""
    tls.write(post())
    c.send(out.read())
    answer = b""
    while b"\r\n\r\n" not in answer:
        try:
            answer += tls.read()
        except ssl.SSLWantReadError:
            assert c.more()
            into.write(c.buf)
            c.buf = b""
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_tls_and_admin_stand_together(secured, upstream):
    """In either order; what an admin address serves, and nothing else, over TLS."""
    for words in ("tls admin", "admin tls"):
        s = secured(upstream, words=words)
        assert s.ask(head("GET", "/healthz"), method="GET").status == 200
        assert s.ask(head("GET", "/readyz"), method="GET").status == 200
        page = s.ask(head("GET", "/metrics"), method="GET")
        assert page.status == 200 and page.complete
        assert Page(page.body).sum("build_info") == 1
        assert s.ask(post()).status == 404
        plain = s.p.connect().send(head("GET", "/metrics")).response("GET")
        assert plain.status == 400 and "HTTPS" in plain.error["message"]


HELLO = bytes.fromhex("16030100050100000100")
BAD = {
    "garbage": b"\x00\xff" * 400,
    "text": b"hello, are you there?\r\n" * 40,
    "SSLv2": bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") * 2,
    "an endless record": b"\x16\x03\x01\xff\xff" + b"x" * 70000,
    "a broken hello": HELLO + b"\x00" * 300,
    "an alert first": bytes.fromhex("15030100020100") * 100,
    "data first": b"\x17\x03\x03\x00\x10" + b"x" * 16,
    "an empty record": b"\x16\x03\x01\x00\x00" * 200,
}


@pytest.mark.parametrize("kind", BAD)
def test_nonsense_is_closed(secured, upstream, kind):
    s = secured(upstream, server={"header_timeout": "2"})
    c = s.p.connect()
    try:
        c.send(BAD[kind])
    except ConnectionError:
        pass
    assert c.gone() < 6
    assert s.ask(post()).status == 200


@pytest.mark.parametrize("kind", ["nothing", "half a header", "half a record", "a hello alone",
                                  "half a request"])
def test_silence_is_closed(secured, upstream, kind):
    """The handshake counts as the time of the head."""
    s = secured(upstream, server={"header_timeout": "700ms"})
    if kind == "half a request":
        c = s.connect().send(head("POST")[:-2])
        assert c.response().status == 408
        assert c.closed() and not c.cut
        return
    c = s.p.connect()
    if kind == "half a header":
        c.send(b"\x16\x03")
    if kind == "half a record":
        c.send(b"\x16\x03\x01\x02\x00\x01\x00")
    if kind == "a hello alone":
        bio = ssl.MemoryBIO()
        tls = client_context().wrap_bio(ssl.MemoryBIO(), bio)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        c.send(bio.read())
    start = time.monotonic()
    c.gone()
    assert 0.3 < time.monotonic() - start < 6


@pytest.mark.alone
def test_handshakes_that_are_left_leave_nothing(secured, upstream):
    s = secured(upstream, log={"level": "warning"})
    bio = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client_context().wrap_bio(ssl.MemoryBIO(), bio).do_handshake()
    hello = bio.read()

    def thousand():
        for i in range(1000):
            c = s.p.connect()
            c.send(hello if i % 2 else hello[:100])
            if i % 4 == 1:
                c.more()
            c.close(rst=i % 3 == 0)
            s.p.conns.pop()
        assert s.ask(post()).status == 200
        wait_for(lambda: procs.descriptors(s.p.pid) <= before)
    assert s.ask(post()).status == 200
    before = procs.descriptors(s.p.pid) + 1
    thousand()
    held = s.p.rss()
    thousand()
    assert procs.sanitized() or s.p.rss() - held < 1 << 19


@pytest.mark.alone
@pytest.mark.skipif(procs.sanitized(), reason="a sanitizer's memory is not the program's own")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_at_rest_is_small(secured, upstream, authority, version):
    """The cost of a further one, both sides of it."""
    s = secured(upstream, server={"max_connections": "2000"},
                upstream={"connection_limit": "2000"}, log={"level": "warning"})
    context = client_context(authority, only=version)
    raw = post(STREAM, query="events=1&pause=600000")

    def streams(n):
        for _ in range(n):
            c = s.connect(context=context).send(raw)
            c.response_head()
            assert c.chunk()
    streams(100)
    before = s.p.rss()
    streams(600)
    each = (s.p.rss() - before) / 600
    print(f"{each:.0f} bytes each")
    for c in s.p.conns:
        c.close(rst=True)
    assert each <= 9216, each     # the static program has 8,820 with TLS 1.3


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")
def test_node(secured, upstream, authority):
    """Its https client, with a connection that is kept, and its fetch, which streams."""
    s = secured(upstream)
    script = '''
const https = require("https");
const port = process.argv[1], path = "/v1/chat/completions?events=20";
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
const body = JSON.stringify({ model: "m", stream: true, messages: [] });
const ask = () => new Promise((resolve, reject) => {
  const r = https.request({ host: "localhost", port, path, method: "POST", agent,
    headers: { "Content-Type": "application/json", "Content-Length": body.length } }, (answer) => {
    const parts = [], tls = answer.socket.getProtocol();
    answer.on("data", (part) => parts.push(part));
    answer.on("end", () => resolve({ text: Buffer.concat(parts).toString(), reused: r.reusedSocket,
      tls }));
    answer.on("error", reject);
  });
  r.on("error", reject);
  r.end(body);
});
(async () => {
  const first = await ask(), second = await ask();
  const out = { first, second };
  if (globalThis.fetch) {
    const r = await fetch(`https://localhost:${port}${path}`, { method: "POST", body });
    out.fetched = await r.text();
  }
  console.log(JSON.stringify(out));
  process.exit(0);
})();
'''
    done = subprocess.run(["node", "-e", script, str(s.p.port)], capture_output=True, text=True,
                          env=procs.clean_env(NODE_EXTRA_CA_CERTS=str(authority.file)), timeout=90)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    body = upstream.ask(post(STREAM, query="events=20")).body.decode()
    assert told["first"]["text"] == told["second"]["text"] == body
    assert told["second"]["reused"] and not told["first"]["reused"]
    assert told["first"]["tls"] in ("TLSv1.2", "TLSv1.3")
    assert told.get("fetched", body) == body


# Which certificate.

@pytest.fixture(scope="module")
def several(authority):
    """Certificates with names: the first, an exact one, a wildcard, one without other names than
    its subject, and an RSA one for the name of the second."""
    return [authority.issue("first", ["localhost"]),
            authority.issue("exact", ["api.example.org", "OTHER.example.org"]),
            authority.issue("wild", ["*.example.org"]),
            authority.issue("subject", subject="subject.example.net"),
            authority.issue("rsa", ["api.example.org"], rsa=True)]


@pytest.mark.parametrize("name, which", [
    ("localhost", "first"), (None, "first"), ("unknown.example.com", "first"),
    ("api.example.org", "exact"), ("API.Example.ORG", "exact"), ("other.example.org", "exact"),
    ("any.example.org", "wild"), ("two.any.example.org", "first"), ("example.org", "first"),
    ("subject.example.net", "subject"),
])
def test_the_name_chooses_the_certificate(secured, upstream, several, name, which):
    shown = secured(upstream, *several).shown(name)
    assert shown.strip() == {c.alone.stem: c.alone.read_text().strip() for c in several}[which]


def test_a_client_gets_the_algorithm_that_it_knows(secured, upstream, several, authority):
    """Of two certificates for the same name."""
    s = secured(upstream, *several)
    context = client_context(authority, only=V12)
    for cipher in ("ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384",
                   "ECDHE-RSA-AES128-GCM-SHA256"):
        context.set_ciphers(cipher)
        c = s.connect("api.example.org", context)
        assert c.sock.cipher()[0] == cipher
        c.close()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rsa", [False, True])
def test_a_chain_is_shown_whole(secured, upstream, authority, version, rsa):
    middle = authority.intermediate(f"above-{rsa}-{version}")
    leaf = authority.issue(f"below-{rsa}-{version}", ["localhost"], above=middle,
                           rsa=rsa).chain(middle.alone)
    s = secured(upstream, leaf)
    assert s.ask(post(), context=client_context(authority, only=version)).status == 200


# Sessions.

@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_resumed_by_every_worker(secured, workers, upstream, authority, version):
    s = secured(upstream, start=workers, n=3)
    context = client_context(authority, only=version)
    c = s.connect(context=context)
    assert c.send(post()).response().status == 200 and not c.sock.session_reused
    session = c.sock.session
    c.close()
    for _ in range(20):
        c = s.connect(context=context, session=session)
        assert c.sock.session_reused
        assert c.send(post()).response().status == 200
        session = c.sock.session
        c.close()


def test_a_ticket_of_others_is_no_hindrance(secured, upstream, good, authority):
    first, second = secured(upstream), secured(upstream)
    context = client_context(authority, only=V12)
    c = first.connect(context=context)
    assert c.send(post()).response().status == 200
    again = second.connect(context=context, session=c.sock.session)
    assert not again.sock.session_reused
    assert again.send(post()).response().status == 200


# Other files.

def renew(old, new):
    """Puts other files into the place of those of old."""
    for name in ("file", "key"):
        path = getattr(old, name)
        spare = path.with_suffix(".new")
        spare.write_text(getattr(new, name).read_text())
        spare.replace(path)


@pytest.fixture
def changing(authority, tmp_path):
    """A certificate whose files the test may change."""
    cert = authority.issue("changing", ["localhost"])
    mine = certs.Cert(tmp_path, "mine")
    for name in ("file", "key", "alone"):
        getattr(mine, name).write_text(getattr(cert, name).read_text())
    return mine


@pytest.mark.parametrize("n", [1, 2])
def test_a_reload_renews_and_cuts_nothing(secured, workers, upstream, authority, changing, n):
    how = {"start": workers, "n": n} if n > 1 else {}
    s = secured(upstream, changing, **how)
    raw = post(STREAM, query="events=30&pause=50")
    idle, stream = s.connect(), s.connect().send(raw)
    assert idle.send(post()).response().status == 200
    r = stream.response_head()
    before, new = s.shown(), authority.issue(f"renewed{n}", ["localhost"])
    renew(changing, new)
    s.p.signal(signal.SIGHUP)
    s.p.wait_log("reload: \\[server\\] certificate: there are others in the files")
    s.p.wait_log("reload: done")
    assert s.shown().strip() == new.alone.read_text().strip() != before.strip()
    assert idle.send(post()).response().status == 200
    assert stream.read_body(r, "close").body == upstream.ask(raw).body
    assert s.ask(post()).status == 200
    s.p.signal(signal.SIGHUP)
    s.p.wait_log("reload: done, nothing has changed")


def test_a_reload_with_a_wrong_key_changes_nothing(secured, upstream, authority, changing):
    s = secured(upstream, changing)
    before = s.shown()
    changing.key.write_text(authority.issue("wrong", ["localhost"]).key.read_text())
    s.p.signal(signal.SIGHUP)
    s.p.wait_log("certificate_key: the key in .*mine.key does not belong to the certificate")
    s.p.wait_log("reload: nothing was changed")
    assert s.shown() == before and s.ask(post()).status == 200


def test_a_reload_adds_and_removes_tls(secured, upstream, authority, good):
    s = secured(upstream)
    text = s.p.ini.read_text()
    s.p.ini.write_text(re.sub(" tls$", "", text, flags=re.M))
    s.p.signal(signal.SIGHUP)
    s.p.wait_log("reload: done")
    assert s.p.ask(post()).status == 200
    s.p.ini.write_text(text)
    s.p.signal(signal.SIGHUP)
    wait_for(lambda: s.p.log().count("reload: done") == 2)
    assert s.ask(post()).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_keys_that_only_root_may_read(secured, upstream, authority, changing):
    changing.key.chmod(0o600)
    changing.key.parent.chmod(0o711)
    s = secured(upstream, changing, server={"user": "nobody"})
    new = authority.issue("of-root", ["localhost"])
    renew(changing, new)
    changing.key.chmod(0o600)
    s.p.signal(signal.SIGHUP)
    s.p.wait_log("reload: done")
    assert s.shown().strip() == new.alone.read_text().strip()


# What is wrong is told.

def told(tmp_path, server, code=1):
    path = tmp_path / "proxy.ini"
    path.write_text(procs.ini_text({"server": server}))
    done = procs.run("-t", "-c", str(path))
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


LISTEN = {"listen": "127.0.0.1:0x tls".replace("0x", str(procs.free_port()))}


def test_faults_are_told_with_their_line(tmp_path, authority, good):
    other = authority.issue("others", ["localhost"])
    broken, empty, locked = (tmp_path / n for n in ("broken.pem", "empty.pem", "locked.pem"))
    broken.write_text(good.file.read_text() * 2 + good.file.read_text().replace("MII", "MXX"))
    empty.write_text("")
    certs.openssl("ec", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", locked)
    for server, line, words in [
        ({}, 2, "the word tls, but there is no certificate"),
        ({"certificate": good.file}, 3, "1 files as certificate and 0 as certificate_key"),
        ({"certificate_key": good.key}, 3, "0 files as certificate and 1 as certificate_key"),
        ({"certificate": f"{good.file}, {other.file}", "certificate_key": good.key}, 3,
         "2 files as certificate and 1 as"),
        ({"certificate": good.file, "certificate_key": other.key}, 4,
         f"certificate_key: the key in {other.key} does not belong to the certificate in "
         f"{good.file}"),
        ({"certificate": "/nowhere.pem", "certificate_key": good.key}, 3,
         "certificate: '/nowhere.pem' cannot be read: No such file or directory"),
        ({"certificate": good.file, "certificate_key": tmp_path}, 4,
         "cannot be read: Is a directory"),
        ({"certificate": broken, "certificate_key": good.key}, 3,
         f"the certificate number 3 in {broken} is damaged"),
        ({"certificate": empty, "certificate_key": good.key}, 3, "holds no certificate"),
        ({"certificate": good.key, "certificate_key": good.key}, 3, "holds no certificate"),
        ({"certificate": good.file, "certificate_key": good.file}, 4, "holds no key"),
        ({"certificate": good.file, "certificate_key": empty}, 4, "holds no key"),
        ({"certificate": good.file, "certificate_key": locked}, 4, "has a password"),
    ]:
        text = told(tmp_path, {**LISTEN, **server})
        assert f"proxy.ini:{line}: [server] " in text and words in text, text
        assert "PRIVATE" not in text


def test_a_certificate_out_of_date_is_a_warning(tmp_path, secured, upstream, authority):
    for name, dates, words in [("old", certs.EXPIRED, "has expired on 2021-01-01"),
                               ("young", certs.FUTURE, "is not valid before 2048-01-01")]:
        cert = authority.issue(name, ["localhost"], dates=dates)
        text = told(tmp_path, {**LISTEN, **files_of(cert)}, code=0)
        assert f"proxy.ini:3: [server] warning: the certificate in {cert.file} {words}" in text
        s = secured(upstream, cert)
        s.p.wait_log(f"warning the certificate in {cert.file} {words}")
        assert s.ask(post(), context=client_context()).status == 200


def test_a_client_that_refuses_the_certificate_is_logged(secured, upstream):
    s = secured(upstream)
    with pytest.raises(ssl.SSLCertVerificationError):
        context = client_context()
        context.verify_mode = ssl.CERT_REQUIRED
        s.connect(context=context)
    s.p.wait_log("TLS with the client 127.0.0.1 failed: ")


def test_the_health_check_speaks_tls(secured, upstream):
    s = secured(upstream)
    assert procs.run("--healthcheck", "-c", s.p.ini).returncode == 0
    assert procs.run("-t", "-c", s.p.ini).stdout == "configuration OK\n"
    behind = secured(upstream, words="proxy_protocol tls", access={"trusted_proxies": "127.0.0.1"})
    assert procs.run("--healthcheck", "-c", behind.p.ini).returncode == 0


def test_the_key_is_shown_nowhere(secured, upstream, good):
    s = secured(upstream, log={"level": "debug"})
    s.ask(post())
    shown = procs.run("-T", "-c", s.p.ini).stdout
    assert f"certificate_key = {good.key}" in shown
    lines = good.key.read_text().splitlines()[1:-1]
    assert not any(line in shown + s.p.log() for line in lines)
