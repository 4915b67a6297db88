"""Routes: paths and methods, /healthz, preflights, and the target that the upstream sees."""
import pytest

from httpraw import PATH, Broken, head, post
from peers import answering, ok

ORIGIN = "Origin: https://app.test"


def target_of(p, **how):
    echoed = p.ask(post(query="echo=head", **how)).body.decode()
    return echoed.split(" ")[1]


@pytest.fixture(scope="module")
def p(shared_proxy, upstream):
    return shared_proxy(upstream, api_keys={"front": "real"})


KEY = "Authorization: Bearer front"


@pytest.mark.parametrize("base, path, expected", [
    ("", None, "/v1/chat/completions"),
    ("/", None, "/v1/chat/completions"),
    ("/v1", None, "/v1/chat/completions"),
    ("/v1/", None, "/v1/chat/completions"),
    ("/api/openai/v1", None, "/api/openai/v1/chat/completions"),
    ("/api", None, "/api/v1/chat/completions"),
    ("", "/openai/deployments/x/chat", "/openai/deployments/x/chat"),
])
def test_target(proxy, upstream, base, path, expected):
    p = proxy(upstream.url + base, upstream={"proxy_url_path": path} if path else {})
    assert target_of(p) == expected + "?echo=head"


def test_query_is_kept_as_it_is(p):
    query = "echo=head&a=%2F+%zz&&b=?x/y;'()*"
    r = p.ask(head("POST", f"{PATH}?{query}", "Content-Length: 0", KEY))
    assert r.body.decode().split(" ")[1] == f"{PATH}?{query}"


def test_absolute_form(p):
    r = p.ask(head("POST", f"http://elsewhere.test:81{PATH}?echo=head", "Content-Length: 0", KEY))
    assert r.status == 200
    assert r.body.decode().startswith(f"POST {PATH}?echo=head HTTP/1.1\r\n")


def test_healthz(p):
    r = p.ask(head("GET", "/healthz"))
    assert (r.status, r.body) == (200, b'{"status":"ok"}')
    assert r.get("content-type") == "application/json"
    assert p.ask(head("GET", "/healthz?x=1")).status == 200
    c = p.connect().send(head("HEAD", "/healthz") + head("GET", "/healthz"))
    r = c.response("HEAD")
    assert r.status == 200 and r.get("content-length") == "15"
    assert c.response().body == b'{"status":"ok"}'


def test_healthz_needs_no_upstream(proxy):
    assert proxy("http://127.0.0.1:1").ask(head("GET", "/healthz")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_healthz_other_methods(p, method):
    r = p.ask(head(method, "/healthz", "Content-Length: 0"))
    assert r.status == 405
    assert r.error["code"] == "method_not_allowed"
    assert r.has_token("allow", "get") and r.has_token("allow", "head")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_completions_other_methods(p, method):
    r = p.ask(head(method, PATH, KEY))
    assert r.status == 405
    assert r.has_token("allow", "post") and r.has_token("allow", "options")
    assert r.error["code"] == "method_not_allowed"


def test_head_on_completions_has_no_body(p):
    c = p.connect().send(head("HEAD", PATH, KEY) + head("GET", "/healthz"))
    assert c.response("HEAD").status == 405
    assert c.response().status == 200


@pytest.mark.parametrize("path", ["/", "/v1/modelsx",
                                  "/V1/chat/completions", "/v1/chat%2Fcompletions",
                                  "/v1//chat/completions",
                                  "/v1/chat/completionsx", "/healthz/", "/v1/./chat/completions"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_paths(p, method, path):
    r = p.ask(head(method, path, KEY, "Content-Length: 0"))
    assert r.status == 404
    assert r.error["code"] == "unknown_url"
    assert r.error["type"] == "invalid_request_error"
    assert r.get("x-request-id")


def test_an_unread_body_does_not_become_a_request(p):
    body = head("GET", "/healthz")
    c = p.connect().send(head("POST", "/nowhere", f"Content-Length: {len(body)}") + body
                         + head("GET", "/nowhere"))
    assert c.response().status == 404
    try:
        assert c.response().status == 404
    except Broken:
        assert c.eof        # closing is also right


def test_preflight_comes_before_the_key(p):
    r = p.ask(head("OPTIONS", PATH, ORIGIN, "Access-Control-Request-Method: POST",
                   "Access-Control-Request-Headers: authorization, x-stainless-os,x-mine"))
    assert r.status in (200, 204)
    assert r.get("access-control-allow-origin") == "*"
    for name in ("authorization", "x-stainless-os", "x-mine"):
        assert r.has_token("access-control-allow-headers", name)
    assert r.has_token("access-control-allow-methods", "post")


@pytest.mark.parametrize("n", [4000, 4090, 15_000, 60_000])
def test_a_long_preflight_is_answered_whole(proxy, upstream, n):
    """A response without its end would run into the next one on the connection."""
    p = proxy(upstream, server={"max_header_size": "60k"})
    names = ",".join(f"x-{i}" for i in range(n))[:n - 400].rpartition(",")[0]
    c = p.connect()
    r = c.send(head("OPTIONS", PATH, ORIGIN, "Access-Control-Request-Method: POST",
                    "Access-Control-Request-Headers: " + names) +
               head("GET", "/healthz")).response()
    assert r.status == 204 and r.get("access-control-allow-headers") == names
    assert r.get("access-control-max-age") == "600"
    assert c.response("GET").body == b'{"status":"ok"}'


def test_preflight_keeps_the_connection(p):
    c = p.connect()
    for _ in range(3):
        assert c.send(head("OPTIONS", PATH, ORIGIN,
                           "Access-Control-Request-Method: POST")).response().status in (200, 204)


def test_errors_and_answers_have_cors_headers(p):
    for request in (post("{}", ORIGIN), post("{}", ORIGIN, KEY),
                    post("{}", ORIGIN, KEY, query="status=429"), head("GET", "/nowhere", ORIGIN),
                    post("{}", ORIGIN, KEY, query="garbage=1")):
        r = p.ask(request)
        assert r.get("access-control-allow-origin") == "*", r.raw


UNREAD = {
    400: head("POST", PATH, ORIGIN, "Bad Field: x"),
    414: head("POST", "/" + 20_000 * "x", ORIGIN),
    417: head("POST", PATH, "Expect: wonders", ORIGIN),
    431: head("POST", PATH, "X-Long: " + 20_000 * "x", ORIGIN),
    501: head("POST", PATH, "Transfer-Encoding: br", ORIGIN),
    505: head("POST", PATH, ORIGIN, version="2.0"),
}


@pytest.mark.parametrize("status", UNREAD)
def test_a_page_can_read_why_its_request_was_not_understood(p, status):
    r = p.ask(UNREAD[status])
    assert r.status == status and r.get("access-control-allow-origin") == "*"


def test_a_page_can_read_that_the_proxy_is_full_or_it_was_slow(proxy, upstream):
    p = proxy(upstream, server={"max_connections": "1", "header_timeout": "500ms"})
    slow = p.connect().send(head("POST", PATH, ORIGIN)[:-2])
    full = p.connect().response()
    assert full.status == 503 and full.get("access-control-allow-origin") == "*"
    late = slow.response()
    assert late.status == 408 and late.get("access-control-allow-origin") == "*"


def test_listed_origins(proxy, upstream):
    p = proxy(upstream, access={"cors_origins": "https://app.test, https://other.test"})
    for request in (post("{}", ORIGIN),
                    head("OPTIONS", PATH, ORIGIN, "Access-Control-Request-Method: POST"),
                    head("GET", "/nowhere", ORIGIN)):
        r = p.ask(request)
        assert r.get("access-control-allow-origin") == "https://app.test"
        assert any("origin" in v.lower() for v in r.all("vary"))
    for origin in ("https://evil.test", "https://app.test.evil.test", "null"):
        assert not p.ask(post("{}", f"Origin: {origin}")).has("access-control-allow-origin")
    assert p.ask(head("POST", PATH, ORIGIN,
                      "Expect: wonders")).get("access-control-allow-origin") == "https://app.test"
    assert not p.ask(head("POST", PATH, "Origin: null",
                          "Expect: wonders")).has("access-control-allow-origin")


def test_no_origins(proxy, upstream):
    p = proxy(upstream, access={"cors_origins": "none"})
    assert not p.ask(post("{}", ORIGIN)).has("access-control-allow-origin")
    assert not p.ask(head("OPTIONS", PATH, ORIGIN,
                          "Access-Control-Request-Method: POST")).has("access-control-allow-origin")


def test_the_upstreams_cors_headers_are_not_doubled(proxy, scripted):
    u = scripted(answering(ok(b"{}", "Access-Control-Allow-Origin: https://upstream.test",
                              "Access-Control-Allow-Credentials: true")))
    assert proxy(u).ask(post("{}", ORIGIN)).get("access-control-allow-origin") == "*"
