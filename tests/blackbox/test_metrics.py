"""GET /metrics: what is counted, over all workers, their deaths and reloads; and who may ask."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import httpraw
import procs
from exposition import Page
from httpraw import STREAM, head, post
from peers import DONE, SSE_HEAD, answering, chunk, delta, ok
from procs import ROOT, children, wait_for
from streams import begun

ASK = {"access": {"admin_addresses": "127.0.0.1"}}
KEYS = {"key alice": {"key": "front-a", "upstream_key": "real"},
        "key b.ob": {"key": "front-b", "upstream_key": "real"}}


def scrape(p, **how):
    r = p.ask(head("GET", "/metrics"), method="GET", **how)
    assert r.status == 200 and r.complete and r.framing == "chunked"
    assert r.get("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    return Page(r.body)


def wait_for_requests(p, n, **labels):
    """The worker that answered may count a moment after another one is asked."""
    wait_for(lambda: scrape(p).sum("requests_total", route="chat", **labels) == n)


def request(key, **how):
    return post("{}", f"Authorization: Bearer {key}", **how)


def test_a_request_is_counted_by_all_its_labels(proxy, upstream):
    p = proxy(upstream, **ASK, **KEYS)
    for _ in range(3):
        assert p.ask(request("front-a")).status == 200
    p.ask(request("front-b", query="status=418"))
    p.ask(request("nobody"))
    page = scrape(p)
    chat = {"route": "chat", "ending": "complete"}
    assert page.sum("requests_total", key="alice", upstream="default", code="2xx", **chat) == 3
    assert page.sum("requests_total", key="b.ob", upstream="default", code="4xx", **chat) == 1
    assert page.sum("requests_total", key="", upstream="", code="4xx", **chat) == 1
    assert page.sum("requests_total") == 5
    assert page.sum("request_duration_seconds_count", upstream="default") == 4
    assert page.sum("time_to_first_byte_seconds_count", upstream="default") == 4
    assert page.sum("time_to_first_event_seconds_count") == 0
    assert page.sum("dials_total", upstream="default", reason="ok") >= 1
    assert page.sum("build_info") == 1
    assert scrape(p).sum("requests_total", route="metrics", code="2xx") == 1
    for gauge in ("requests_in_flight", "client_connections"):
        wait_for(lambda: scrape(p).sum(gauge) == 1)     # the scrape itself


def usage(given, made):
    return b'{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}' % (given, made)


def test_tokens_are_those_that_upstreams_report(proxy, scripted):
    events = [b'data: {"choices":[{"delta":{}}],"usage":null}\n\n',
              b"data: " + usage(100, 20) + b"\n", b"\ndata: [DONE]\n\n"]
    answers = [(ok(usage(11, 7)), usage(11, 7)),
               (SSE_HEAD + b"".join(chunk(e) for e in events) + chunk(b""), b"".join(events)),
               (ok(b'{"usage":null}'), b'{"usage":null}'), (ok(b"usage"), b"usage"),
               (ok(usage(5000, 1), "Content-Encoding: gzip"), usage(5000, 1))]
    rest = [a for a, _ in answers]

    def handle(conn, _):
        while conn.buf or conn.more():
            conn.request()
            conn.send(rest.pop(0))

    p = proxy(scripted(handle), **ASK, **KEYS)
    for _, body in answers:
        r = p.ask(request("front-a"))
        assert r.complete and r.body == body
    page = scrape(p)
    mine = {"key": "alice", "upstream": "default"}
    assert page.sum("tokens_total", direction="input", **mine) == 111
    assert page.sum("tokens_total", direction="output", **mine) == 27
    assert page.sum("tokens_total") == 138
    assert page.sum("requests_total", key="alice") == 5, "tokens are no requests"


def test_times_are_in_their_buckets(proxy, scripted):
    def slow(conn, n):
        conn.request()
        time.sleep(0.3)
        conn.send(ok())
    p = proxy(scripted(slow), **ASK)
    p.ask(post())
    page = scrape(p)
    for name in ("request_duration_seconds", "time_to_first_byte_seconds"):
        assert page.sum(f"{name}_bucket", le="0.256") == 0
        assert page.sum(f"{name}_bucket", le="1048.576") == 1
        assert 0.29 < page.sum(f"{name}_sum") < 100


def test_an_event_is_not_a_comment(proxy, scripted):
    """The first event counts, and what is sent before it to keep the connection open does not."""
    def commenting(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(b": PROCESSING\n\n"))
        time.sleep(0.3)
        conn.send(chunk(delta("a")))
        conn.gone(20)
    p = proxy(scripted(commenting), **ASK)
    c = p.connect().send(post(STREAM))
    c.response_head()
    c.chunk(), c.chunk()
    page = scrape(p)
    assert page.sum("time_to_first_event_seconds_count") == 1
    assert page.sum("time_to_first_event_seconds_bucket", le="0.256") == 0
    assert page.sum("time_to_first_byte_seconds_count") == 0, "that is counted at the end"


def test_streams_are_open_until_they_end(proxy, scripted):
    def two_events(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(20)
    p = proxy(scripted(two_events), **ASK)
    streams = begun(p, 3)
    page = scrape(p)
    assert page.sum("streams_open") == 3 and page.sum("requests_in_flight") == 4
    assert page.sum("client_connections") == 4 and page.sum("upstream_connections") == 3
    for c, _ in streams:
        c.close()
    wait_for(lambda: scrape(p).sum("streams_open") == 0)
    page = scrape(p)
    assert page.sum("requests_total", ending="client_gone", code="2xx") == 3
    assert page.sum("requests_in_flight") == 1


@pytest.mark.parametrize("how", ["complete", "cut", "unfinished"])
def test_streams_end_in_every_way(proxy, scripted, how):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        if how != "cut":
            conn.send((chunk(DONE) if how == "complete" else b"") + b"0\r\n\r\n")
    p = proxy(scripted(handler), **ASK)
    p.ask(post(STREAM))
    page = scrape(p)
    assert page.sum("streams_open") == 0
    assert page.sum("requests_total", route="chat",
                    ending="complete" if how == "complete" else "upstream_lost") == 1


def test_dials_and_retries_tell_why(proxy, upstream, scripted):
    u = scripted(answering(ok(status="429 Too Many Requests")))
    p = proxy("http://127.0.0.1:1", upstream={"fallback": "b", "api_key": "k"},
              access={"admin_addresses": "127.0.0.1", "ip_whitelist": "127.0.0.1"},
              **{"upstream b": {"base_url": u.url, "api_key": "k1, k2", "fallback": "c"},
                 "upstream c": {"base_url": upstream.url}})
    assert p.ask(post()).status == 200
    page = scrape(p)
    assert page.sum("dials_total", upstream="default", reason="connect") == 1
    assert page.sum("retries_total", upstream="default", reason="connect") == 1
    assert page.sum("retries_total", upstream="b", reason="declined") == 2
    assert page.sum("upstream_resting", upstream="default") == 1
    assert page.sum("upstream_resting", upstream="c") == 0
    assert page.sum("keys_resting", upstream="b") == 2
    assert page.sum("requests_total", upstream="c", code="2xx") == 1


def test_any_worker_answers_for_all(workers, upstream):
    p = workers(upstream, 3, **ASK, **KEYS)
    for _ in range(60):
        assert p.ask(request("front-a")).status == 200
    wait_for_requests(p, 60)
    for _ in range(20):
        assert scrape(p).sum("requests_total", key="alice") == 60


def test_what_a_dead_worker_counted_stays_and_what_it_held_does_not(workers, scripted):
    def handler(conn, n):
        if b"hold" not in conn.request().target.encode():
            conn.send(ok())
            return
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(20)
    p = workers(scripted(handler), 2, **ASK)
    p.may_be_killed = True
    for _ in range(20):
        p.ask(post())
    streams = [p.connect().send(post(STREAM, query="hold")) for _ in range(12)]
    for c in streams:
        c.response_head()
        c.chunk()
    wait_for_requests(p, 20)
    wait_for(lambda: scrape(p).sum("streams_open") == 12)
    pids = children(p.pid)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(children(p.pid)) == 2 and not set(pids) & set(children(p.pid)))

    def only_the_scrape_is_left():
        page = scrape(p)
        gauges = ("streams_open", "requests_in_flight", "client_connections",
                  "upstream_connections")
        return [page.sum(name) for name in gauges] == [0, 1, 1, 0]
    wait_for(only_the_scrape_is_left)
    assert scrape(p).sum("requests_total", route="chat") == 20
    p.ask(post())
    wait_for_requests(p, 21)


@pytest.mark.parametrize("n", [1, 2])
def test_labels_that_stay_go_on_and_those_that_are_gone_disappear(workers, proxy, upstream, n):
    sections = {**ASK, **KEYS, "upstream b": {"base_url": upstream.url, "models": "m"}}
    p = workers(upstream, n, **sections) if n > 1 else proxy(upstream, **sections)
    for _ in range(10):
        p.ask(request("front-a"))
        p.ask(request("front-b"))
        p.ask(post('{"model":"m"}', "Authorization: Bearer front-a"))
    wait_for_requests(p, 30)
    page = scrape(p)
    assert page.values("requests_total", "upstream") >= {"default", "b"}
    text = p.ini.read_text()
    p.ini.write_text(text[:text.index("[key b.ob]")] + "[key carol]\nkey = front-c\n"
                     "upstream_key = real\n")
    p.signal(signal.SIGHUP)
    p.wait_log("reload: done")
    p.ask(request("front-a"))
    p.ask(request("front-c"))
    wait_for_requests(p, 11, key="alice", upstream="default")
    wait_for_requests(p, 1, key="carol")
    page = scrape(p)
    assert page.sum("requests_total", key="alice", upstream="default") == 11
    assert page.sum("requests_total", key="carol") == 1
    assert page.values("requests_total", "key") == {"", "alice", "carol"}
    assert page.values("requests_total", "upstream") == {"", "default"}
    assert page.values("dials_total", "upstream") == {"default"}
    assert page.sum("reloads_total", result="ok") == 1
    p.ini.write_text(text + "[nonsense]\n")
    p.signal(signal.SIGHUP)
    p.wait_log("nothing is changed|did you mean|unknown section|no such section")
    wait_for(lambda: scrape(p).sum("reloads_total", result="failed") == 1)


def test_very_many_keys_give_a_whole_page_of_bounded_size(proxy, upstream):
    """The first 500 labels have series of their own, the others one together."""
    keys = {f"key l{i}": {"key": f"front-{i}", "upstream_key": "real"} for i in range(20000)}
    p = proxy(upstream, **ASK, **keys)
    c = p.connect()
    for i in [*range(600), 19999]:
        assert c.send(request(f"front-{i}")).response().status == 200
    page = scrape(p)
    labels = page.values("requests_total", "key")
    assert labels == {"", "other", *(f"l{i}" for i in range(500))} - {""}
    assert page.sum("requests_total", key="l7") == 1
    assert page.sum("requests_total", key="other") == 101
    assert page.sum("requests_total", route="chat") == 601


def test_a_client_that_does_not_read_gets_no_more_than_a_piece(proxy, upstream):
    """And others are served meanwhile. Of those that ask at once, some are told to come again."""
    keys = {f"key l{i:030}": {"key": f"front-{i}", "upstream_key": "real"} for i in range(500)}
    p = proxy(upstream, **ASK, **keys)
    c = p.connect()
    for i in range(500):
        for query in ("", "status=404", "status=500"):
            c.send(request(f"front-{i}", query=query)).response()
    p.ask(head("GET", "/metrics"), method="GET")
    before = p.rss()
    slow = [p.connect(rcvbuf=2048).send(head("GET", "/metrics") * 20) for _ in range(12)]
    assert p.ask(request("front-1")).status == 200
    wait_for(lambda: p.rss() > 0)
    assert p.rss() - before < 8 << 20
    answers = [s.response() for s in slow]
    assert {r.status for r in answers} <= {200, 503} and answers[0].status == 200
    whole = [r for r in answers if r.status == 200]
    assert all(r.complete and len(r.body) > 100000 for r in whole)
    for r in whole:
        assert Page(r.body).sum("requests_total", code="5xx", route="chat") == 500


def test_http_1_0_and_head(proxy, upstream):
    p = proxy(upstream, **ASK)
    c = p.connect().send(b"GET /metrics HTTP/1.0\r\n\r\n")
    r = c.response()
    assert r.status == 200 and r.framing == "close" and r.complete
    assert Page(r.body).sum("build_info") == 1
    c = p.connect().send(head("HEAD", "/metrics") + head("GET", "/healthz"))
    assert c.response("HEAD").status == 200
    assert c.response("GET").body == b'{"status":"ok"}'
    r = p.ask(head("POST", "/metrics", "Content-Length: 0"))
    assert r.status == 405 and r.has_token("allow", "get")


def test_nobody_may_ask_unless_he_is_named(proxy, upstream):
    for sections in ({}, {"access": {"admin_addresses": "127.0.0.2, 10.0.0.0/8"}}):
        p = proxy(upstream, **sections)
        for method in ("GET", "POST"):
            r = p.ask(head(method, "/metrics", "Content-Length: 0"), method=method)
            assert r.status == 404 and r.error["code"] == "unknown_url"


def test_a_trusted_proxy_names_who_asks(proxy, upstream):
    p = proxy(upstream, access={"admin_addresses": "10.1.0.0/16", "trusted_proxies": "127.0.0.1"})
    assert p.ask(head("GET", "/metrics"), method="GET").status == 404
    assert p.ask(head("GET", "/metrics", "X-Forwarded-For: 10.2.0.1"), method="GET").status == 404
    assert p.ask(head("GET", "/metrics", "X-Forwarded-For: 10.1.0.1"), method="GET").status == 200


def test_the_path_is_passed_on_for_all_others(proxy, scripted):
    p = proxy(scripted(answering(ok(b"theirs"))), upstream={"pass_paths": "/metrics"})
    assert p.ask(head("GET", "/metrics"), method="GET").body == b"theirs"
    p = proxy(scripted(answering(ok(b"theirs"))), upstream={"pass_paths": "/metrics"}, **ASK)
    assert b"build_info" in p.ask(head("GET", "/metrics"), method="GET").body


def test_no_text_of_a_client_gets_into_a_label(proxy, upstream):
    p = proxy(upstream, **ASK)
    p.ask(post('{"model":"secret-model"}', query="q=secret"))
    p.ask(head("GET", "/secret"), method="GET")
    p.ask(head("BREW", "/secret"), method="GET")
    p.connect().send(b"secret\r\n\r\n").response()
    r = p.ask(head("GET", "/metrics"), method="GET")
    assert b"secret" not in r.body and Page(r.body).sum("requests_total") == 4


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool here")
def test_promtool_has_nothing_to_say(proxy, upstream):
    p = proxy(upstream, **ASK, **KEYS)
    p.ask(request("front-a", query="stream=1"))
    body = p.ask(head("GET", "/metrics"), method="GET").body
    r = subprocess.run(["promtool", "check", "metrics"], input=body, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    assert r.returncode == 0 and not r.stdout, r.stdout.decode()


def test_the_page_tells_of_every_metric(proxy, upstream):
    p = proxy(upstream, **ASK)
    told = set(re.findall(r"`([a-z_]+)`(?=,| \|)", (ROOT / "docs/metrics.md").read_text()))
    names = {n.removeprefix("openai_chat_proxy_") for n in scrape(p).types}
    assert names <= told, names - told


def test_readyz_follows_the_upstreams(proxy, upstream):
    """Three failures in a row of every upstream."""
    port = procs.free_port()
    p = proxy(f"http://127.0.0.1:{port}",
              **{"upstream b": {"base_url": f"http://127.0.0.1:{port}/b", "models": "b"}})

    def ready():
        r = p.ask(head("GET", "/readyz"), method="GET")
        return r.status, json.loads(r.body)["status"]
    assert ready() == (200, "ok")
    for _ in range(3):
        assert ready() == (200, "ok")
        assert p.ask(post('{"model":"a"}')).status == 502
    assert ready() == (200, "ok"), "the other one has not failed"
    for _ in range(3):
        assert p.ask(post('{"model":"b"}')).status == 502
    assert ready() == (503, "no upstream can be reached")
    assert p.ask(head("GET", "/healthz"), method="GET").status == 200
    text = p.ini.read_text().replace(f"http://127.0.0.1:{port}/b", upstream.url)
    p.ini.write_text(text)
    p.signal(signal.SIGHUP)
    p.wait_log("reload: done")
    assert p.ask(post('{"model":"b"}')).status == 200
    assert ready() == (200, "ok")


def test_readyz_sums_the_failures_of_all_workers(workers):
    p = workers("http://127.0.0.1:1", 2)
    for _ in range(3):
        p.ask(post())
    for _ in range(8):
        assert p.ask(head("GET", "/readyz"), method="GET").status == 503


def test_readyz_while_draining(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(20)
    p = proxy(scripted(handler), server={"drain_timeout": "1"})
    asks = p.connect().send(head("GET", "/readyz")[:-2])
    (c, _), = begun(p, 1)
    c.chunk()
    p.signal(signal.SIGTERM)
    p.wait_log("draining")
    r = asks.send(b"\r\n").response()
    assert (r.status, json.loads(r.body)["status"]) == (503, "draining")


def admin(proxy, base, n=1, more="", **sections):
    """A proxy with an admin address, and its port."""
    port = procs.free_port()
    server = {"listen": f"127.0.0.1:{{port}}, 127.0.0.1:{port} admin{more}", "workers": str(n),
              **sections.pop("server", {})}
    return proxy(base, server=server, **sections), port


def ask_at(port, request):
    c = httpraw.connect(port)
    r = c.send(request).response("GET")
    c.close()
    return r


def test_an_admin_address_serves_nothing_else(proxy, upstream):
    p, port = admin(proxy, upstream, access={"ip_whitelist": "10.0.0.0/8"},
                    upstream={"pass_paths": "/v1/*, /x"})
    assert Page(ask_at(port, head("GET", "/metrics")).body).sum("build_info") == 1
    assert ask_at(port, head("GET", "/healthz")).status == 200
    assert ask_at(port, head("GET", "/readyz")).status == 200
    for request in (post(), head("GET", "/x"), head("GET", "/v1/models"), head("GET", "/")):
        r = ask_at(port, request)
        assert r.status == 404 and r.error["code"] == "unknown_url"
    assert p.ask(head("GET", "/metrics"), method="GET").status == 403


def test_an_admin_address_answers_when_all_places_are_taken(proxy, upstream):
    p, port = admin(proxy, upstream, server={"max_connections": "2"})
    held = [p.connect().send(head("GET", "/healthz")) for _ in range(2)]
    assert [c.response().status for c in held] == [200, 200]
    assert p.ask(post()).status == 503
    assert ask_at(port, head("GET", "/metrics")).status == 200


@pytest.mark.parametrize("n", [1, 2])
def test_an_admin_address_is_open_until_the_end(proxy, scripted, n):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.silent(1.5)
        conn.send(chunk(DONE) + b"0\r\n\r\n")
    p, port = admin(proxy, scripted(handler), n, server={"drain_timeout": "10"})
    idle = httpraw.connect(port)
    c = p.connect().send(post(STREAM))
    r = c.response_head()
    c.chunk()
    p.signal(signal.SIGTERM)
    p.wait_log("draining")

    def refused():
        try:
            httpraw.connect(p.port).close()
        except OSError:
            return True
    wait_for(refused)
    if n == 1:      # with several, one that has no stream has ended already
        assert ask_at(port, head("GET", "/readyz")).status == 503
        assert Page(ask_at(port, head("GET", "/metrics")).body).sum("streams_open") == 1
    assert DONE in c.read_body(r, "close").body
    assert p.wait_end() == 0
    idle.close()


def test_the_dashboard_asks_for_what_there_is(proxy, upstream):
    """Its names, and the labels that it sums by or chooses by."""
    dashboard = json.loads((ROOT / "packaging/grafana/openai-chat-proxy.json").read_text())
    p = proxy(upstream, **ASK, **KEYS)
    p.ask(request("front-a"))
    page = scrape(p)
    labels = {}
    for name, have in page.samples:
        labels.setdefault(name, {"job", "instance"}).update(dict(have))
    exprs = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    assert len(exprs) > 15
    asked = set()
    for expr in exprs:
        names = set(re.findall(r"openai_chat_proxy_\w+", expr))
        assert names <= set(labels), names - set(labels)
        asked |= names
        by = {w for m in re.findall(r"by \(([\w, ]+)\)", expr) for w in m.split(", ")}
        chosen = set(re.findall(r"[{,](\w+)(?:=|!=|=~|!~)\"", expr))
        for name in names:
            assert by | chosen <= labels[name], (expr, labels[name])
    families = {n for n in page.types if any(a.startswith(n) for a in asked)}
    assert families == set(page.types), set(page.types) - families
