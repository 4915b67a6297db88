"""Limits of clients: of each key, or of each address where there are no keys. All workers count as
one. Limits come back by the minute, so that few permits do so while a test runs; where some may
have, the time that has passed tells how many."""
import concurrent.futures
import os
import re
import signal
import time

import pytest

import httpraw
import procs
from httpraw import STREAM, head, post
from peers import DONE, FINISH, SSE_HEAD, answering, chunk, delta, ok
from procs import children, wait_for

ANSWER = b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":36,"total_tokens":45}}'
THEIRS = ("x-ratelimit-limit-requests: 10000", "X-RateLimit-Remaining-Tokens: 777",
          "x-ratelimit-reset-requests: 8.64s", "retry-after: 7")


def alice(**limits):
    return {"key alice": {"key": "front", "upstream_key": "real", **limits}}


def asked(key="front", body="{}", *fields):
    return post(body, f"Authorization: Bearer {key}", *fields)


def told(r, kind="requests"):
    return [r.get(f"x-ratelimit-{what}-{kind}") for what in ("limit", "remaining", "reset")]


def seconds(text):
    """A time as the fields have it."""
    m = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(\d+(?:\.\d{0,2}[1-9])?)s|(\d+)ms", text)
    assert m, text
    return (int(m[4]) / 1000 if m[4] else
            int(m[1] or 0) * 3600 + int(m[2] or 0) * 60 + float(m[3]))


def refused(r, type_="requests"):
    """What the response says about when to come back, in seconds."""
    assert r.status == 429, r.raw
    assert r.error["code"] == "rate_limit_exceeded" and r.error["type"] == type_
    after = int(r.get("retry-after"))
    assert after >= 1
    assert seconds(re.search(r"again in (\S+)\.$", r.error["message"])[1]) <= after
    return after


def burst(p, n, key="front"):
    """The statuses of n requests, each on a connection of its own, eight at a time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: p.ask(asked(key)).status, range(n)))


def test_so_many_a_minute_and_no_more(proxy, scripted):
    u = scripted(answering(ok()))
    p = proxy(u, **alice(requests_per_minute=3))
    begin = time.monotonic()
    for left in (2, 1, 0):
        r = p.ask(asked())
        limit, remaining, reset = told(r)
        assert (r.status, limit) == (200, "3") and int(remaining) >= left
        assert 60 - 20 * left - (time.monotonic() - begin) <= seconds(reset) <= 60 - 20 * left
    r = p.ask(asked())
    assert 20 - (time.monotonic() - begin) <= refused(r) <= 20
    assert told(r)[:2] == ["3", "0"] and len(u.conns) <= 3
    assert r.get("x-should-retry") is None
    assert p.ask(post("{}", "Authorization: Bearer nobody")).status == 401
    p.wait_log("key=alice .* status=429 .* end=complete")


@pytest.mark.parametrize("n", [1, 7, 60])
def test_the_workers_count_together(workers, upstream, n):
    p = workers(upstream, **alice(requests_per_minute=n))
    begin = time.monotonic()
    got = burst(p, 2 * n + 30)
    passed = time.monotonic() - begin
    assert set(got) == {200, 429}
    assert n <= got.count(200) <= n + int(passed * n / 60), passed


def test_keys_have_limits_of_their_own(proxy, upstream):
    p = proxy(upstream, **alice(requests_per_minute=1),
              **{"key bob": {"key": "other", "upstream_key": "real", "requests_per_minute": 1},
                 "key carol": {"key": "free", "upstream_key": "real"}})
    assert [p.ask(asked(k)).status for k in ("front", "other", "front", "other", "free", "free")] \
        == [200, 200, 429, 429, 200, 200]


def test_the_upstreams_limits_are_replaced(proxy, scripted):
    u = scripted(answering(ok(b"{}", *THEIRS)))
    p = proxy(u, **alice(requests_per_minute=5),
              **{"key bob": {"key": "one", "upstream_key": "real", "concurrent": 4},
                 "key carol": {"key": "free", "upstream_key": "real", "expires": "2999-12-31"}})
    r = p.ask(asked())
    assert told(r)[0] == "5" and told(r, "tokens") == [None] * 3 and r.get("retry-after") == "7"
    r = p.ask(asked("one"))
    assert told(r) == told(r, "tokens") == [None] * 3
    r = p.ask(asked("free"))
    for line in THEIRS:
        assert line.encode() in r.raw


def test_every_answer_to_a_limited_key_tells_them(proxy, scripted):
    """Errors and streams as well, and what the proxy answers itself."""
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")) + chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")
    p = proxy(scripted(handler), server={"max_body_size": "1k"},
              **{"upstream b": {"base_url": "http://127.0.0.1:9", "models": "b"}},
              **alice(requests_per_minute=100, tokens_per_minute="1k"))
    for r in (p.ask(asked("front", STREAM)), p.ask(asked("front", b"x" * 2000)),
              p.ask(asked("front", '{"model":"b"}')),
              p.ask(head("GET", "/v1/models", "Authorization: Bearer front"), "GET")):
        assert told(r)[0] == "100" and told(r, "tokens")[0] == "1000", r.raw
    assert told(p.ask(head("GET", "/healthz", "Authorization: Bearer front"), "GET"))[0] is None
    assert told(p.ask(asked("nobody")))[0] is None


def test_what_counts_is_a_request_as_it_should_be(proxy, upstream):
    p = proxy(upstream, server={"max_body_size": "1k"}, field_aliases={"a": "b"},
              **alice(requests_per_minute=4))

    def left():
        return int(told(p.ask(asked("front", b"{" + b" " * 2000)))[1])
    assert left() == 4, "too large"
    assert p.ask(asked("front", '{"a"')).status == 400 and left() == 4
    big = httpraw.post_chunked([b" " * 700] * 2, "Authorization: Bearer front")
    assert p.ask(big).status == 413 and left() == 4
    assert p.ask(asked("front", "{}", "Content-Encoding: gzip")).status == 415 and left() == 4
    assert p.ask(asked("front", "{}", "Authorization: Bearer x")).status == 401
    assert p.ask(head("GET", "/healthz"), "GET").status == 200
    assert p.ask(head("OPTIONS", httpraw.PATH), "OPTIONS").status == 204
    assert left() == 4
    assert p.ask(asked()).status == 200 and left() == 3
    p.ask(head("GET", "/v1/models", "Authorization: Bearer front"), "GET")
    assert left() == 2, "a path that is passed on is one as well"


def test_a_request_counts_once_however_often_it_is_tried(proxy, scripted):
    bad = scripted(answering(ok(b"{}", status="503 Unavailable")))
    good = scripted(answering(ok()))
    p = proxy(bad, upstream={"fallback": "good"}, **{"upstream good": {"base_url": good.url}},
              **alice(requests_per_minute=10))
    r = p.ask(asked())
    assert r.status == 200 and bad.conns and good.conns and told(r)[1] == "9"


def test_a_refused_upload_is_refused_at_once(proxy, scripted):
    u = scripted(lambda conn, n: conn.gone())
    p = proxy(u, **alice(concurrent=1))
    p.connect().send(asked())
    u.wait_conns(1)
    c = p.connect().send(head("POST", httpraw.PATH, "Content-Length: 1000000",
                              "Expect: 100-continue", "Authorization: Bearer front"))
    assert refused(c.read_body(c.response_head(interim=True), "close")) == 1
    assert len(u.conns) == 1


def hold(conn, n):
    """A stream that lasts until the client or the test ends it."""
    conn.request()
    conn.send(SSE_HEAD + chunk(delta("a")))
    conn.gone(60)


class Streams:
    """Streams of a key, as many as it may have."""

    def __init__(self, p):
        self.p, self.open = p, []

    def begin(self):
        """True if one more has begun."""
        c = self.p.connect().send(asked("front", STREAM))
        r = c.response_head()
        if r.status == 200:
            assert c.chunk()
            self.open.append(c)
        else:
            assert refused(c.read_body(r, "close")) == 1
        return r.status == 200

    def wait_room(self, n):
        """Waits until just n more can begin, and begins them."""
        for _ in range(n):
            wait_for(self.begin)
        assert not self.begin() and not self.begin()


def test_so_many_at_once(workers, scripted):
    """Over all workers, until a stream has ended, or its client has left."""
    p = workers(scripted(hold), **alice(concurrent=4))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        s = Streams(p)
        assert sum(pool.map(lambda _: s.begin(), range(24))) == 4
    s.open.pop().close()
    s.wait_room(1)
    s.open.pop().close(rst=True)
    s.open.pop().close(rst=True)
    s.wait_room(2)


def test_a_finished_request_makes_room(proxy, upstream):
    p = proxy(upstream, **alice(concurrent=1))
    c = p.connect()
    for _ in range(5):
        assert c.send(asked()).response().status == 200
        assert c.send(asked("front", STREAM)).response().status == 200


def test_a_killed_worker_gives_back_what_it_held(workers, scripted):
    p = workers(scripted(hold), **alice(concurrent=12))
    s = Streams(p)
    s.wait_room(12)
    victim = children(p.pid)[0]
    os.kill(victim, signal.SIGKILL)
    p.wait_log(rf"process {victim}\) was killed by signal 9 ")
    wait_for(lambda: len(children(p.pid)) == 2)
    lost = [c for c in s.open if not c.silent(0.3)]
    assert 0 < len(lost) < 12, "each worker has some of twelve"
    s.open = [c for c in s.open if c not in lost]
    s.wait_room(len(lost))


def test_a_reload_keeps_what_was_used(reloading, upstream):
    p = reloading(upstream, server={"workers": "2"}, **alice(requests_per_minute=2))
    assert burst(p, 2) == [200, 200]
    p.reload(access={"cors_origins": "none"})
    assert p.ask(asked()).status == 429
    p.reload(**alice(requests_per_minute=5))
    got = burst(p, 12)
    assert got.count(200) in (3, 4), "three are left, and one comes back in twelve seconds"
    p.reload(**alice(requests_per_minute=1))
    assert refused(p.ask(asked())) <= 60, "fewer a minute do not make anybody wait for longer"


def test_reloads_lose_no_place(reloading, upstream):
    """A label that is gone is counted anew at some time, one that stays is not."""
    p = reloading(upstream, **alice(requests_per_minute=1))
    assert p.ask(asked()).status == 200
    for i in range(8):
        p.sections.pop(f"key k{i - 1}", None)
        p.reload(**{f"key k{i}": {"key": f"front-{i}", "upstream_key": "real",
                                  "requests_per_minute": 1}})
        assert [p.ask(asked(f"front-{i}")).status for _ in range(2)] == [200, 429]
        assert p.ask(asked()).status == 429


def test_requests_under_way_count_over_a_reload(reloading, scripted):
    p = reloading(scripted(hold), server={"workers": "2"}, **alice(concurrent=3))
    s = Streams(p)
    s.wait_room(3)
    p.reload(**alice(concurrent=5))
    s.wait_room(2)
    for c in s.open:
        c.close()
    s.wait_room(5)


@pytest.mark.parametrize("when, status", [("2001-01-01", 401), ("2999-12-31", 200)])
def test_a_key_ends(proxy, upstream, when, status):
    """From the beginning of that day. One that is over is no error of the configuration."""
    p = proxy(upstream, **alice(expires=when))
    r = p.ask(asked())
    assert r.status == status
    if status == 401:
        assert r.error["code"] == "key_expired" and r.get("www-authenticate") == "Bearer"
        p.wait_log("key=alice .* status=401 ")


def test_a_key_ends_as_the_day_begins(proxy, upstream):
    def of(shift):
        return time.strftime("%Y-%m-%d", time.gmtime(time.time() + shift * 86400))
    before = of(0)
    p = proxy(upstream, **alice(expires=of(0)),
              **{"key bob": {"key": "other", "upstream_key": "real", "expires": of(1)}})
    got = p.ask(asked()).status, p.ask(asked("other")).status
    assert got == (401, 200) or of(0) != before, got


def test_tokens_of_a_minute(proxy, scripted):
    """They are charged when they are known: the last request may take more than is left."""
    u = scripted(answering(ok(ANSWER)))
    p = proxy(u, **alice(tokens_per_minute=60))
    begin = time.monotonic()
    r = p.ask(asked())
    assert told(r, "tokens") == ["60", "60", "0s"] and told(r) == [None] * 3
    r = p.ask(asked())
    passed = time.monotonic() - begin
    assert 15 <= int(told(r, "tokens")[1]) <= 15 + passed
    r = p.ask(asked())
    passed = time.monotonic() - begin
    assert 90 - 60 - passed <= refused(r, "tokens") <= 31 and passed < 25
    assert told(r, "tokens")[:2] == ["60", "0"]
    assert 90 - passed <= seconds(told(r, "tokens")[2]) <= 90


def test_tokens_of_a_day(workers, scripted):
    """A stream says in its last chunk how many they were, and an SDK need not try again today."""
    usage = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":30,"completion_tokens":70}}\n\n'

    def handler(conn, n):
        while conn.buf or conn.more():
            conn.request()
            conn.send(SSE_HEAD + chunk(delta("a")) + chunk(FINISH) + chunk(usage) + chunk(DONE)
                      + b"0\r\n\r\n")
    p = workers(scripted(handler), **alice(tokens_per_day=250, tokens_per_minute="1M"))
    day = time.time() // 86400
    got = [p.ask(asked("front", STREAM)) for _ in range(5)]
    left = 86400 - time.time() % 86400
    if time.time() // 86400 != day:
        pytest.skip("the day has just ended")
    assert [r.status for r in got] == [200, 200, 200, 429, 429]
    assert [told(r, "tokens")[:2] for r in got] == [["250", n] for n in
                                                   ("250", "150", "50", "0", "0")]
    assert left <= refused(got[-1], "tokens") <= left + 60
    assert got[-1].get("x-should-retry") == "false"


def test_tokens_stay_used_over_a_reload(reloading, scripted):
    p = reloading(scripted(answering(ok(ANSWER))), **alice(tokens_per_day=50))
    day = time.time() // 86400
    assert [p.ask(asked()).status for _ in range(2)] == [200, 200]
    p.reload(**alice(tokens_per_day=100))
    assert told(p.ask(asked()), "tokens")[:2] == ["100", "10"] or time.time() // 86400 != day
    assert p.ask(asked()).status == 429 or time.time() // 86400 != day


def test_addresses_have_limits_where_there_are_no_keys(workers, scripted):
    u = scripted(answering(ok(b"{}", *THEIRS)))
    p = workers(u, access={"requests_per_minute": 2})
    begin = time.monotonic()
    got = [p.ask(post("{}"), source="127.0.0.5") for _ in range(8)]
    passed = time.monotonic() - begin
    count = [r.status for r in got].count(200)
    assert 2 <= count <= 2 + int(passed / 30)
    assert refused([r for r in got if r.status == 429][0]) <= 30
    assert THEIRS[0].encode() in got[0].raw, "what an address may do is nobody's business"
    assert p.ask(post("{}"), source="127.0.0.6").status == 200


def test_the_address_is_the_clients(proxy, upstream):
    p = proxy(upstream, access={"requests_per_minute": 1, "trusted_proxies": "127.0.0.1"})

    def status(ip):
        return p.ask(post("{}", f"X-Forwarded-For: {ip}")).status
    assert [status(ip) for ip in ("192.0.2.1", "192.0.2.2", "192.0.2.1")] == [200, 200, 429]
    assert [status(ip) for ip in ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1")] \
        == [200, 429, 200], "an IPv6 network of 64 bits is one client"


def test_a_limit_of_addresses_can_come_and_go(reloading, upstream):
    p = reloading(upstream, server={"workers": "2"})
    assert burst(p, 5) == [200] * 5
    p.reload(access={"requests_per_minute": 1})
    assert sorted(burst(p, 2)) == [200, 429]
    p.reload(access={"requests_per_minute": 3})
    assert sorted(burst(p, 3)) == [200, 200, 429]
    p.reload(access={"requests_per_minute": ""})
    assert burst(p, 5) == [200] * 5


def test_refusals_are_counted(proxy, upstream):
    port = procs.free_port()
    p = proxy(upstream, server={"listen": f"127.0.0.1:{{port}}, 127.0.0.1:{port} admin"},
              **alice(requests_per_minute=1))
    assert [p.ask(asked()).status for _ in range(3)] == [200, 429, 429]
    r = httpraw.connect(port).send(head("GET", "/metrics")).response("GET")
    assert re.search(rb'requests_total\{route="chat",key="alice",upstream="[^"]*",code="4xx",'
                     rb'ending="complete"\} 2\n', r.body), r.body


@pytest.mark.parametrize("lines, warned", [
    ("tokens_per_day = 5", "[key a] warning: tokens_per_day: "),
    ("tokens_per_day = 5\ntokens_per_minute = 1k", "[key a] warning: tokens_per_minute: "),
    ("tokens_per_day = 5\n[upstream]\ninclude_usage = yes", None),
    ("tokens_per_day = 5\n[upstream]\ninclude_usage = yes\n[upstream b]\nsocket = /b\nmodels = b\n"
     "include_usage = no", "include_usage = yes in [upstream b]"),
    ("tokens_per_day = 5\nupstream = default\n[upstream]\ninclude_usage = yes\n"
     "[upstream b]\nsocket = /b\nmodels = b\ninclude_usage = no", None),
    ("requests_per_minute = 5", None)])
def test_a_check_warns_of_tokens_that_nobody_reports(tmp_path, lines, warned):
    ini = tmp_path / "proxy.ini"
    ini.write_text(f"[key a]\nkey = x\nupstream_key = y\n{lines}\n[server]\n"
                   f"listen = 127.0.0.1:{procs.free_port()}\n")
    run = procs.run("-t", "-c", ini)
    assert run.returncode == 0 and "configuration OK" in run.stdout
    assert (warned in run.stderr if warned else run.stderr == ""), run.stderr


def test_tokens_of_streams_that_are_asked_for_them(proxy, upstream):
    """The client sees no usage, and pays for it."""
    p = proxy(upstream, upstream={"include_usage": "yes"}, **alice(tokens_per_day=90))
    day = time.time() // 86400
    got = [p.ask(asked("front", STREAM, "Accept-Encoding: gzip")) for _ in range(3)]
    if time.time() // 86400 != day:
        pytest.skip("the day has just ended")
    assert [r.status for r in got] == [200, 200, 429]
    assert [told(r, "tokens")[1] for r in got] == ["90", "45", "0"]
    assert b"total_tokens" not in got[0].body and DONE in got[0].body


@pytest.mark.parametrize("section, value, why", [
    ("key a", "requests_per_minute = 0", r"'0' is out of range; allowed is 1 to 1M"),
    ("key a", "requests_per_minute = -1", r"'-1' is not an amount"),
    ("key a", "requests_per_minute = 2M", r"'2M' is out of range"),
    ("key a", "concurrent = many", r"'many' is not an amount"),
    ("key a", "tokens_per_minute = 1.5k", r"'1.5k' is not an amount"),
    ("key a", "tokens_per_day = 5000M", r"'5000M' is out of range; allowed is 1 to 4000M"),
    ("key a", "tokens_per_day =", r"tokens_per_day: needs a value"),
    ("key a", "expires = 2027-02-30", r"'2027-02-30' is not a day"),
    ("key a", "expires = tomorrow", r"'tomorrow' is not a day"),
    ("access", "requests_per_minute = 5", r"\[access\] requests_per_minute: .*\[key LABEL\]")])
def test_limits_that_are_none(tmp_path, section, value, why):
    ini = tmp_path / "proxy.ini"
    keys = "[key a]\nkey = x\nupstream_key = y\n"
    ini.write_text(keys + (value if section == "key a" else f"[{section}]\n{value}") + "\n")
    run = procs.run("-t", "-c", ini)
    assert run.returncode == 1 and re.search(why, run.stderr), run.stderr
