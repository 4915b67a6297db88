"""What the programs around do: loops, redirections, fields of other origins, keys in other fields,
streams that end in their own ways."""
import json
import signal
import time

import pytest

import procs

from httpraw import PATH, STREAM, Head, head, post
from peers import DONE, FINISH, SSE_HEAD, answering, chunk, delta, ok


def seen(p, *fields, key="Authorization: Bearer x", **how):
    """The head that the upstream saw."""
    r = p.ask(post("{}", *([key] if key else []), *fields, query="echo=head", **how))
    assert r.status == 200, r.raw + r.body
    return Head(r.body)


# Loops

def test_via_names_the_instance(proxy, upstream):
    p = proxy(upstream)
    names = [seen(p, "Via: 1.0 fred, 1.1 p.example").all("via") for _ in range(2)]
    assert names[0] == names[1] and names[0][0] == "1.0 fred, 1.1 p.example"
    assert names[0][1].startswith("1.1 openai-chat-proxy-") and len(names[0]) == 2
    assert seen(p, version="1.0").all("via")[0].startswith("1.0 openai-chat-proxy-")
    assert seen(proxy(upstream)).all("via") != [names[0][1]], "two instances have one name"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_that_has_been_here_is_a_loop(proxy, upstream, workers):
    p = proxy(upstream, server={"workers": workers})
    via = seen(p).get("via")
    p.signal(signal.SIGHUP)
    p.wait_log("reload: done")
    for field in (f"Via: {via}", f"Via: 1.1 a, {via} (comment), 1.1 b",
                  f"VIA: 1.1 a\r\nvia: {via}"):
        r = p.ask(post("{}", field))
        assert r.status == 508 and r.error["code"] == "loop_detected"
        assert r.get("x-should-retry") == "false"
    assert p.ask(post("{}", "Via: 1.1 openai-chat-proxy-0000000000000000")).status == 200


def test_two_proxies_in_a_ring(proxy):
    """A request goes round once: the second time it comes by, it is answered."""
    port = procs.free_port()
    first = proxy(f"http://127.0.0.1:{port}")
    second = proxy(f"http://127.0.0.1:{first.port}",
                   server={"listen": f"127.0.0.1:{{port}}, 127.0.0.1:{port}"})
    for p in (first, second):
        r = p.ask(post("{}"))
        assert r.status == 508 and r.error["code"] == "loop_detected"


# Keys in other fields

@pytest.mark.parametrize("field", ["api-key: front", "x-api-key: front", "X-API-Key: front"])
def test_a_key_is_known_in_the_fields_of_azure(proxy, upstream, field):
    p = proxy(upstream, api_keys={"front": "real"})
    head_seen = seen(p, field, key=None)
    assert head_seen.get("authorization") == "Bearer real"
    assert not head_seen.has("api-key") and not head_seen.has("x-api-key")


def test_more_than_one_key_is_refused(proxy, upstream):
    p = proxy(upstream, api_keys={"front": "real"})
    for fields in (("api-key: front", "Authorization: Bearer front"),
                   ("api-key: front", "x-api-key: front"), ("api-key: front", "api-key: other")):
        assert p.ask(post("{}", *fields)).status == 401
    assert p.ask(post("{}", "api-key: wrong")).status == 401
    assert p.ask(post("{}", "api-key:")).status == 401


def test_the_real_key_is_sent_as_auth_header_says(proxy, upstream):
    p = proxy(upstream, api_keys={"front": "real"}, upstream={"auth_header": "api-key"})
    for field in ("Authorization: Bearer front", "api-key: front"):
        head_seen = seen(p, field, key=None)
        assert head_seen.get("api-key") == "real" and not head_seen.has("authorization")


def test_a_clients_own_key_goes_the_way_the_upstream_wants_it(proxy, upstream):
    """Without a table the key of the client is the real one."""
    p = proxy(upstream)
    assert seen(p, key="api-key: own").get("authorization") == "Bearer own"
    assert seen(p, key="Authorization: Basic eDp5").get("authorization") == "Basic eDp5"
    p = proxy(upstream, upstream={"auth_header": "api-key"})
    assert seen(p, key="Authorization: Bearer own").get("api-key") == "own"
    p = proxy(upstream, api_keys={"front": "real"}, access={"unknown_keys": "pass"})
    assert seen(p, key="x-api-key: stranger").get("authorization") == "Bearer stranger"


# Pages in a browser

FROM_A_PAGE = ["Origin: https://app.test", "Referer: https://app.test/chat", "Sec-Fetch-Mode: cors",
               "sec-fetch-site: cross-site"]


def test_a_page_is_not_named_to_the_upstream_where_the_proxy_has_let_it_in(proxy, upstream):
    got = seen(proxy(upstream), *FROM_A_PAGE)
    assert not any(got.has(f.split(":")[0]) for f in FROM_A_PAGE), got.raw
    got = seen(proxy(upstream, access={"cors_origins": "none"}), *FROM_A_PAGE)
    assert all(got.get(f.split(":")[0]) for f in FROM_A_PAGE), got.raw


def test_the_private_network_is_opened_to_listed_origins_alone(proxy, upstream):
    def preflight(p, origin):
        r = p.ask(head("OPTIONS", PATH, f"Origin: {origin}", "Access-Control-Request-Method: POST",
                       "Access-Control-Request-Private-Network: true"))
        return r.get("access-control-allow-private-network")
    listed = proxy(upstream, access={"cors_origins": "https://app.test"})
    assert preflight(listed, "https://app.test") == "true"
    assert preflight(listed, "https://other.test") is None
    assert preflight(proxy(upstream), "https://app.test") is None


# Responses that speak for another origin

POLICIES = ["Alt-Svc: h3=\":443\"", "strict-transport-security: max-age=1", "Set-Cookie: a=b",
            "SET-COOKIE: c=d", "Clear-Site-Data: \"*\"",
            "NEL: {}", "Report-To: {}", "Public-Key-Pins: x", "Public-Key-Pins-Report-Only: x"]


def test_fields_of_the_upstreams_own_origin_stay_here(proxy, scripted):
    r = proxy(scripted(answering(ok(b"{}", *POLICIES, "X-Kept: 1")))).ask(post())
    assert r.status == 200 and r.get("x-kept") == "1"
    for p in POLICIES:
        assert not r.has(p.split(":")[0]), r.raw


@pytest.mark.parametrize("target, location, ours", [
    ("", "{base}/v1/chat/completions", "/v1/chat/completions"),
    ("", "{base}/v1/chat/completions/", "/v1/chat/completions/"),
    ("", "{base}/v1/chat/completions?a=b#c", "/v1/chat/completions?a=b#c"),
    ("", "/v1/chat/completions?x", "/v1/chat/completions?x"),
    ("/openai", "{base}/openai/v1/chat/completions", "/v1/chat/completions"),
    ("/openai", "/openai/v1/chat/completions", "/v1/chat/completions"),
    ("", "//127.0.0.1:{port}/v1/chat/completions", "/v1/chat/completions"),
    ("", "{base}/v1/chat/completions2", None),
    ("/openai", "/v1/chat/completions", None),
    ("", "https://127.0.0.1:{port}/v1/chat/completions", None),
    ("", "http://127.0.0.1:1/v1/chat/completions", None),
    ("", "http://other.test/v1/chat/completions", None),
    ("", "http://127.0.0.1:{port}.evil.test/v1/chat/completions", None),
    ("", "completions", None),
])
def test_a_redirection_to_the_upstreams_target_is_one_to_ours(proxy, scripted, target, location,
                                                              ours):
    where = {}

    def handler(conn, _):
        conn.request()
        conn.send(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
                  % where["location"].encode())
    up = scripted(handler)
    base = f"http://127.0.0.1:{up.port}"
    where["location"] = location.format(base=base, port=up.port)
    r = proxy(base + target).ask(post())
    assert r.status == 307 and r.all("location") == [ours or where["location"]]


# Ends

def stream(*events, end=b"0\r\n\r\n"):
    return SSE_HEAD + b"".join(chunk(e) for e in events) + end


@pytest.mark.parametrize("how", ["reset", "close", "garbage", "silence"])
def test_what_breaks_after_done_breaks_nothing(proxy, scripted, how):
    def handler(conn, _):
        conn.request()
        conn.send(stream(delta("a"), FINISH, DONE, end=b"oops\r\n" if how == "garbage" else b""))
        if how == "silence":
            time.sleep(2)
        conn.close(rst=how == "reset")
    up = scripted(handler)
    p = proxy(up, upstream={"idle_timeout": "500ms"}, log={"format": "json"})
    c = p.connect()
    for _ in range(2):
        r = c.send(post(STREAM)).response()
        assert r.complete and r.body.endswith(DONE) and b"error" not in r.body
    p.wait_log('(?s)("end".*){2}')
    lines = [json.loads(line) for line in p.log().splitlines() if '"end"' in line]
    assert [line["end"] for line in lines] == ["complete"] * 2
    up.wait_conns(2)


def test_what_breaks_before_done_is_told(proxy, scripted):
    up = scripted(answering(stream(delta("a"), FINISH, end=b"oops\r\n"), times=1))
    r = proxy(up).ask(post(STREAM))
    assert r.complete and b'"code":"upstream_error"' in r.body


def test_interim_responses_are_counted(proxy, scripted):
    p = proxy(scripted(answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 32 + ok())))
    c = p.connect()
    c.send(post())
    assert c.response().status == 200
    r = proxy(scripted(answering(b"HTTP/1.1 102 Processing\r\n\r\n" * 33 + ok()))).ask(post())
    assert r.status == 502 and "interim" in r.error["message"]
    assert r.get("x-should-retry") == "false"


def test_a_connection_is_used_no_longer_than_its_age(proxy, scripted):
    up = scripted(answering(ok()))
    p = proxy(up, upstream={"connection_max_age": "600ms"})
    c = p.connect()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert c.send(post()).response().status == 200
        time.sleep(0.05)
    assert 2 <= len(up.conns) <= 4


# Paths

@pytest.mark.parametrize("path", ["/v1/chat/completions/", "//v1/chat/completions",
                                  "///v1/chat/completions/", "/chat/completions",
                                  "/chat/completions/"])
def test_other_spellings_of_the_path(proxy, upstream, path):
    p = proxy(upstream)
    r = p.ask(post("{}", target=path + "?echo=head&a=b"))
    assert r.status == 200
    assert r.body.startswith(b"POST /v1/chat/completions?echo=head&a=b HTTP/1.1\r\n")
    assert p.ask(head("GET", path)).status == 405
    assert p.ask(head("POST", "/v2" + path)).status == 404


# Fields of one's own

def test_fields_that_are_set_on_every_request(proxy, upstream):
    """They take the place of the client's, however it is spelt, and their values are in no log."""
    p = proxy(upstream, log={"log_requests": "yes"},
              upstream_headers={"X-Title": "mine", "cf-aig-authorization": "Bearer gateway"})
    got = seen(p, "x-title: theirs", "X-Other: kept")
    assert got.all("x-title") == ["mine"] and got.get("cf-aig-authorization") == "Bearer gateway"
    assert got.get("x-other") == "kept" and "gateway" not in p.log()
