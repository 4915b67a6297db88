"""GET /status and /status/events: who may look, what is told, and what watchers do to others."""
import base64
import hashlib
import json
import os
import re
import signal
import socket
import time

import pytest

import certs
import httpraw
import procs
from exposition import Page
from httpraw import head, post
from peers import SSE_HEAD, answering, chunk, delta, ok
from procs import children, wait_for
from streams import begun

ASK = {"access": {"admin_addresses": "127.0.0.1"}}
KEYS = {"key alice": {"key": "front-a", "upstream_key": "real-secret"},
        "key b.ob": {"key": "front-b", "upstream_key": "real-secret"}}
WATCH = head("GET", "/status/events")


class Watch:
    """One who watches, by a connection of his own."""

    def __init__(self, conn, request=WATCH):
        self.conn = conn.send(request)
        self.head = self.conn.response_head()
        assert self.head.status == 200
        assert self.head.get("content-type") == "text/event-stream"
        assert self.head.get("cache-control") == "no-store"

    def next(self):
        """The next picture; None: the stream has ended in order."""
        event = self.conn.chunk()
        assert event is not None, "the connection broke"
        return read_event(event) if event else None

    def until(self, condition):
        """The first picture of which that is true."""
        deadline = time.monotonic() + 2 * httpraw.WAIT
        while True:
            p = self.next()
            if condition(p):
                return p
            assert time.monotonic() < deadline, p


def read_event(event):
    m = re.fullmatch(rb"data: (\{[^\n]*\})\n\n", event)
    assert m, event
    return json.loads(m[1])


def watch(p, **how):
    return Watch(p.connect(**how))


def picture(p):
    w = watch(p)
    now = w.next()
    w.conn.close()
    return now


def get(p, path="/status", method="GET"):
    return p.ask(head(method, path), method=method)


def request(key, body="{}", **how):
    return post(body, f"Authorization: Bearer {key}", **how)


# Who may look.

def test_nobody_may_look_unless_he_is_named(proxy, upstream):
    for sections in ({}, {"access": {"admin_addresses": "127.0.0.2, 10.0.0.0/8"}}):
        p = proxy(upstream, **sections)
        for path in ("/status", "/status/events"):
            for method in ("GET", "HEAD", "POST"):
                r = get(p, path, method)
                assert r.status == 404
                assert method == "HEAD" or r.error["code"] == "unknown_url"
    p = proxy(upstream, **ASK)
    assert get(p).status == 200 and picture(p)["requests"] == []


def test_an_admin_address_is_for_looking(proxy, upstream):
    port = procs.free_port()
    p = proxy(upstream, server={"listen": f"127.0.0.1:{{port}}, 127.0.0.1:{port} admin"},
              access={"ip_whitelist": "10.0.0.0/8"})
    w = Watch(httpraw.connect(port))
    assert w.next()["version"]
    w.conn.close()
    c = httpraw.connect(port)
    assert b"<!doctype html>" in c.send(head("GET", "/status")).response("GET").body
    assert c.send(head("GET", "/status/x")).response("GET").error["code"] == "unknown_url"
    c.close()
    assert get(p).status == 403 and get(p, "/status/events").status == 403


def test_the_paths_are_passed_on_for_all_others(proxy, scripted):
    p = proxy(scripted(answering(ok(b"theirs"))), upstream={"pass_paths": "/status*"})
    assert get(p).body == b"theirs" and get(p, "/status/events").body == b"theirs"


def test_methods(proxy, upstream):
    p = proxy(upstream, **ASK)
    for path in ("/status", "/status/events"):
        for method in ("POST", "PUT", "DELETE"):
            r = p.ask(head(method, path, "Content-Length: 0"))
            assert r.status == 405 and r.has_token("allow", "get") and r.has_token("allow", "head")
    c = p.connect()
    whole = c.send(head("GET", "/status")).response("GET")
    r = c.send(head("HEAD", "/status") + head("HEAD", "/status/events")).response("HEAD")
    assert r.status == 200 and r.get("content-length") == str(len(whole.body))
    r = c.response("HEAD")
    assert r.status == 200 and r.get("content-type") == "text/event-stream"
    assert c.send(head("GET", "/healthz")).response("GET").status == 200


# The page.

def test_the_page_is_small_and_needs_nothing_else(proxy, upstream):
    r = get(proxy(upstream, **ASK))
    assert r.complete and len(r.body) <= 12 * 1024
    assert r.get("content-type") == "text/html; charset=utf-8"
    assert r.get("x-content-type-options") == "nosniff" and r.get("cache-control") == "no-store"
    text = r.body.decode()
    assert not re.search(r"\b(?:src|srcset|action|@import|url\()", text)
    assert set(re.findall(r"https?:[^\"' ]*", text)) == {"http://www.w3.org/2000/svg"}
    assert all(u.startswith("data:") for u in re.findall(r'href="([^"]*)"', text))
    assert not re.search("innerHTML|outerHTML|insertAdjacent|document\\.write", text)
    assert not re.search("\\son\\w+=[\"']", text)


def test_the_policy_allows_what_is_on_the_page_and_nothing_else(proxy, upstream):
    r = get(proxy(upstream, **ASK))
    policy = dict(d.split(" ", 1) for d in r.get("content-security-policy").split("; "))
    assert policy["default-src"] == "'none'" and policy["connect-src"] == "'self'"
    for tag in (b"style", b"script"):
        parts = re.findall(rb"<%s[^>]*>(.*?)</%s>" % (tag, tag), r.body, re.S)
        assert len(parts) == 1
        right = base64.b64encode(hashlib.sha256(parts[0]).digest()).decode()
        assert policy[tag.decode() + "-src"] == f"'sha256-{right}'", f"of {tag} in proxy/status.c"
    assert "unsafe" not in r.get("content-security-policy")
    assert b' style="' not in r.body


# What is told.

@pytest.mark.parametrize("n", [1, 2])
def test_traffic_is_told(proxy, workers, upstream, n):
    sections = {**ASK, **KEYS, "upstream b": {"base_url": upstream.url, "models": "m-*"}}
    p = workers(upstream, n, **sections) if n > 1 else proxy(upstream, **sections)
    w = watch(p)
    first = w.next()
    assert first["requests"] == [] and first["errors"] == [] and first["workers"] == n
    for _ in range(8):
        assert p.ask(request("front-a")).status == 200
    for _ in range(3):
        p.ask(request("front-b", query="status=418"))
    for _ in range(2):
        p.ask(request("front-a", '{"model":"m-secret","stream":true}', query="events=3"))
    p.ask(request("nobody"))
    for path in ("/healthz", "/readyz", "/metrics", "/status"):
        get(p, path)
    now = w.until(lambda p: sum(p["requests"]) == 14)
    assert now["requests"] == [0, 0, 10, 0, 4] and now["draining"] is False
    assert now["time_ms"] > first["time_ms"] and now["uptime_ms"] > first["uptime_ms"]
    assert sum(now["first_event"]) == 2 and now["in_flight"] == now["streams"] == 0
    a, b = now["upstreams"]
    assert (a["name"], b["name"]) == ("default", "b") and a["state"] == b["state"] == "ok"
    assert a["requests"] == [0, 0, 8, 0, 3] and b["requests"] == [0, 0, 2]
    assert sum(b["first_event"]) == 2 and a["first_event"] == []
    errors = {(e["status"], e["upstream"], e["key"], e["reason"]): e["n"] for e in now["errors"]}
    assert errors == {(418, "default", "b.ob", ""): 3, (401, "", "", "invalid_api_key"): 1}
    assert all(e["ending"] == "complete" and e["route"] == "chat" and 0 <= e["ago_ms"] < 60000
               for e in now["errors"])


def test_streams_under_way_are_told(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(20)
    p = proxy(scripted(handler), **ASK)
    streams = begun(p, 3)
    w = watch(p)
    now = w.next()
    assert now["streams"] == now["in_flight"] == 3 and now["clients"] == 4
    for c, _ in streams:
        c.close()
    now = w.until(lambda p: p["in_flight"] == 0)
    assert now["streams"] == 0 and now["errors"] == [], "who leaves has had enough"


def test_tokens_are_told(proxy, scripted):
    body = b'{"usage":{"prompt_tokens":100,"completion_tokens":20}}'
    p = proxy(scripted(answering(ok(body))), **ASK)
    p.ask(post())
    now = picture(p)
    assert now["tokens"] == now["upstreams"][0]["tokens"] == [100, 20]


def test_upstreams_and_keys_that_rest_are_told(proxy, scripted):
    """By their index, as in the log; and for how long."""
    limited = ok(b"{}", "Retry-After: 100", status="429 Too Many Requests")
    u = scripted(answering(limited))
    p = proxy("http://127.0.0.1:1", upstream={"fallback": "b"},
              access={**ASK["access"], "ip_whitelist": "127.0.0.1"},
              **{"upstream b": {"base_url": u.url, "api_key": "secret-1, secret-2, secret-3"}})
    p.ask(post())
    w = watch(p)
    a, b = w.next()["upstreams"]
    assert a["state"] == "resting" and 0 < a["rests_ms"] <= 1000 and a["dials_failed"] == 1
    assert b["state"] == "ok" and b["keys"] == 3 and a["keys"] == 0
    assert sorted(k for k, _ in b["keys_resting"]) == [0, 1, 2]
    assert all(90000 < ms <= 100000 for _, ms in b["keys_resting"])
    for _ in range(3):
        time.sleep(0.01)
        p.ask(post())
    wait_for(lambda: (p.ask(post()), picture(p)["upstreams"][0]["state"] == "failing")[1])


def test_errors_tell_why(proxy, upstream, scripted):
    def cut(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
    p = proxy(scripted(cut), **ASK, **{
        "upstream dead": {"base_url": "http://127.0.0.1:1", "models": "dead"},
        "upstream slow": {"base_url": upstream.url, "models": "slow", "response_timeout": "100ms"}})
    p.ask(post(b'{"model":"x","stream":true}'))
    p.ask(post(b'{"model":"dead"}'))
    p.ask(post(b'{"model":"slow"}', query="hang=2"))
    p.ask(head("GET", "/nowhere"), method="GET")
    p.connect().send(b"malformed\r\n\r\n").response()
    errors = {e["reason"]: e for e in picture(p)["errors"]}
    tell = {r: (e["status"], e["ending"], e["upstream"], e["route"]) for r, e in errors.items()}
    assert tell == {"upstream_error": (200, "upstream_lost", "default", "chat"),
                    "upstream_connect_error": (502, "upstream_lost", "dead", "chat"),
                    "upstream_timeout": (504, "timeout", "slow", "chat"),
                    "unknown_url": (404, "complete", "", "unknown"),
                    "bad_request": (400, "complete", "", "malformed")}


def test_a_client_that_did_not_wait_for_its_answer_is_an_error(proxy, upstream):
    p = proxy(upstream, **ASK)
    c = p.connect().send(post(query="hang=2"))
    w = watch(p)
    w.until(lambda now: now["in_flight"] == 1)
    c.close()
    e, = w.until(lambda now: now["errors"])["errors"]
    assert (e["status"], e["ending"], e["upstream"]) == (0, "client_gone", "default")


def test_no_text_of_a_client_and_no_secret_is_told(proxy, upstream):
    p = proxy(upstream, **ASK, **KEYS, **{
        "upstream b": {"base_url": upstream.url, "models": "known-secret",
                       "api_key": "secret-key-1, secret-key-2"}})
    p.ask(request("front-secret", '{"model":"a-secret"}', query="status=500&q=secret"))
    p.ask(request("front-a", '{"model":"known-secret"}', query="status=429"))
    p.ask(request("front-a", '{"model":"a-secret"}', query="status=500"))
    for raw in (head("GET", "/secret"), head("BREW", "/secret"), b"secret\r\n\r\n"):
        p.connect().send(raw).response()
    c = p.connect()
    Watch(c)
    text = c.chunk()
    assert b"secret" not in text and b"front-" not in text
    assert len(read_event(text)["errors"]) >= 5


def test_what_a_dead_worker_told_stays(workers, upstream):
    p = workers(upstream, 2, **ASK)
    p.may_be_killed = True
    for _ in range(10):
        p.ask(post(query="status=500"))
    w = watch(p)
    w.until(lambda now: sum(now["requests"]) == 10)
    w.conn.close()
    pids = children(p.pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(children(p.pid)) == 2 and not set(pids) & set(children(p.pid)))
    now = watch(p).until(lambda now: now["workers"] == 2)
    assert now["requests"] == [0, 0, 0, 0, 0, 10] and now["errors"][0]["n"] == 10
    assert now["in_flight"] == 0


# Watchers.

def test_a_picture_comes_each_second(proxy, upstream):
    w = watch(proxy(upstream, **ASK))
    times = [w.next()["time_ms"] for _ in range(3)]
    assert all(900 < b - a for a, b in zip(times, times[1:]))


def test_http_1_0(proxy, upstream):
    p = proxy(upstream, **ASK)
    c = p.connect().send(b"GET /status/events HTTP/1.0\r\n\r\n")
    r = c.response_head()
    assert not r.has("transfer-encoding") and r.get("connection") == "close"
    while b"\n\n" not in c.buf:
        assert c.more()
    assert read_event(c.take(c.buf.index(b"\n\n") + 2))["version"]


def test_one_who_leaves_is_dropped_and_then_nothing_is_done(proxy, upstream):
    p = proxy(upstream, **ASK)
    w = watch(p)
    w.next()
    w.conn.close()
    ended = {"route": "events", "ending": "client_gone"}
    wait_for(lambda: Page(get(p, "/metrics").body).sum("requests_total", **ended) == 1)

    def turns():
        text = open(f"/proc/{p.pid}/status").read()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])

    def sleeps():
        before = turns()
        time.sleep(2.5)
        return turns() == before
    wait_for(sleeps, 20)


def test_watchers_are_bounded(proxy, upstream):
    p = proxy(upstream, **ASK)
    watchers = [watch(p) for _ in range(16)]
    r = p.ask(WATCH, method="GET")
    assert r.status == 503 and r.error["code"] == "overloaded"
    assert all(w.next()["clients"] for w in watchers)
    watchers[3].conn.close()
    wait_for(lambda: p.ask(head("HEAD", "/status/events"), method="HEAD").status == 200)
    wait_for(lambda: p.connect().send(WATCH).response_head().status == 200)


def narrow(p):
    """A connection on whose way little has room: small segments make a small buffer of the
    kernel's."""
    s = socket.socket()
    s.settimeout(httpraw.WAIT)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.connect(("127.0.0.1", p.port))
    p.conns.append(httpraw.Conn(s))
    return p.conns[-1]


@pytest.fixture
def talkative(proxy, upstream):
    """A proxy with many upstreams, whose pictures are long."""
    def start(**sections):
        many = {f"upstream {'u' * 36}{i}": {"base_url": upstream.url, "models": f"m{i}"}
                for i in range(30)}
        return proxy(upstream, **ASK, **many, **sections)
    return start


def test_one_who_does_not_read_is_left_out_and_holds_up_nobody(talkative):
    """He gets whole events when he reads again, and misses those in between."""
    p = talkative()
    slow, other = Watch(narrow(p)), watch(p)
    before, last = p.rss(), slow.next()["time_ms"]
    full = stalled = 0
    for _ in range(60):
        now = other.next()
        if held(p, slow.conn) == full > 0 and now["time_ms"] > stalled + 2500:
            break
        if held(p, slow.conn) != full:
            full, stalled = held(p, slow.conn), now["time_ms"]
    assert p.ask(post()).status == 200 and p.rss() - before < 1 << 20
    longest = 0
    while last < now["time_ms"]:
        at = slow.next()["time_ms"]
        longest, last = max(longest, at - last), at
    assert longest > 2500, "all events were kept for him"


def held(p, conn):
    """The bytes that the kernel has for conn on the proxy's side."""
    port = conn.sock.getsockname()[1]
    for line in open("/proc/net/tcp"):
        f = line.split()
        if f[1].endswith(f":{p.port:04X}") and f[2].endswith(f":{port:04X}"):
            return int(f[4].partition(":")[0], 16)
    return 0


def test_one_who_never_reads_goes_by_body_timeout(talkative):
    p = talkative(server={"body_timeout": "1"})
    Watch(narrow(p))
    ended = {"route": "events", "ending": "timeout"}
    wait_for(lambda: Page(get(p, "/metrics").body).sum("requests_total", **ended) == 1, 60)


@pytest.mark.parametrize("n", [1, 2])
def test_a_drain_ends_the_streams_in_order(proxy, workers, scripted, n):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(20)
    server = {"drain_timeout": "20"}
    u = scripted(handler)
    p = workers(u, n, server=server, **ASK) if n > 1 else proxy(u, server=server, **ASK)
    streams = begun(p, 4)
    watchers = [watch(p) for _ in range(4)]
    p.signal(signal.SIGTERM)
    for w in watchers:
        assert w.until(lambda now: now is None or now["draining"])
        assert w.next() is None and w.conn.closed()
    for c, _ in streams:
        c.close()
    assert p.wait_end() == 0


def test_an_admin_address_tells_of_the_drain(proxy, scripted):
    """Until the end, one picture for each question."""
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(20)
    port = procs.free_port()
    p = proxy(scripted(handler), server={"listen": f"127.0.0.1:{{port}}, 127.0.0.1:{port} admin",
                                         "drain_timeout": "20"})
    (c, _), = begun(p, 1)
    p.signal(signal.SIGTERM)
    p.wait_log("draining")
    w = Watch(httpraw.connect(port))
    now = w.next()
    assert now["draining"] is True and now["streams"] == 1
    assert w.next() is None and w.conn.closed()
    c.close()
    assert p.wait_end() == 0


@pytest.mark.parametrize("n", [1, 2])
def test_a_reload_ends_the_streams_and_decides_anew(proxy, workers, upstream, n):
    p = workers(upstream, n, **ASK) if n > 1 else proxy(upstream, **ASK)
    w = watch(p)
    w.next()
    p.signal(signal.SIGHUP)
    while w.next():
        pass
    w = Watch(w.conn)
    assert w.next()["version"], "the connection stays"
    p.ini.write_text(p.ini.read_text().replace("admin_addresses", "ip_whitelist"))
    p.signal(signal.SIGHUP)
    while w.next():
        pass
    assert w.conn.send(WATCH).response("GET").status == 404


def test_what_comes_behind_the_question_waits(proxy, upstream):
    """Pipelined requests are answered when the stream has ended, and harm no other."""
    p = proxy(upstream, **ASK)
    watchers = [Watch(p.connect(), WATCH + head("GET", "/metrics")) for _ in range(3)]
    p.signal(signal.SIGHUP)
    for w in watchers:
        while w.next():
            pass
        assert Page(w.conn.response("GET").body).sum("build_info") == 1


@pytest.mark.skipif(not certs.available(), reason="there is no openssl program here")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_over_tls(secured, upstream, authority):
    s = secured(upstream, **ASK)
    w = Watch(s.connect())
    assert [w.next()["draining"] for _ in range(2)] == [False, False]
    assert b"<!doctype html>" in s.ask(head("GET", "/status"), method="GET").body
    s.p.signal(signal.SIGTERM)
    w.until(lambda now: now["draining"])
    assert w.next() is None and w.conn.closed() and not w.conn.cut
