"""Paths that go on as they are: any method, any body, any response, in constant memory."""
import threading

import pytest

from httpraw import Head, head
from peers import SSE_HEAD, answering, chunk, delta, ok

KEY = "Authorization: Bearer front"
MB = 1 << 20


def echo(conn, _):
    """Answers each request with what it was."""
    while conn.buf or conn.more():
        m = conn.request()
        conn.send(ok(m.raw + m.body))


@pytest.fixture
def p(proxy, scripted):
    return proxy(scripted(echo), api_keys={"front": "real"})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "PURGE"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-4o", "/v1/models/a%2Fb/c..d/.e"])
def test_any_method(p, method, path):
    r = p.ask(head(method, path + "?limit=5&x", KEY, "Content-Length: 4") + b"body")
    assert r.status == 200
    seen = Head(r.body.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert r.body.startswith(f"{method} {path}?limit=5&x HTTP/1.1\r\n".encode())
    assert r.body.endswith(b"\r\n\r\nbody") and seen.get("authorization") == "Bearer real"


def test_the_paths_are_those_of_the_configuration(proxy, scripted):
    u = scripted(echo)
    p = proxy(u, upstream={"pass_paths": "/v1/embeddings, /v1/files/*"})
    for path, status in (("/v1/embeddings", 200), ("/v1/files/a/b", 200), ("/v1/files", 404),
                         ("/v1/embeddings/x", 404), ("/v1/models", 404)):
        assert p.ask(head("GET", path)).status == status
    assert proxy(u, upstream={"pass_paths": "none"}).ask(head("GET", "/v1/models")).status == 404


def test_a_request_without_a_body_stays_one(p):
    r = p.ask(head("GET", "/v1/models", KEY))
    assert r.status == 200 and b"content-length" not in r.body.lower()
    assert b"transfer-encoding" not in r.body.lower()


def test_head(proxy, scripted):
    u = scripted(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"))
    c = proxy(u).connect()
    for _ in range(3):
        r = c.send(head("HEAD", "/v1/models")).response("HEAD")
        assert r.status == 200 and r.get("content-length") == "1234" and r.body == b""
    assert len(u.conns) == 1


def test_the_same_checks_of_key_and_address(proxy, upstream, p):
    assert p.ask(head("GET", "/v1/models")).status == 401
    assert p.ask(head("GET", "/v1/models", "Authorization: Bearer nobody")).status == 401
    closed = proxy(upstream, access={"ip_blacklist": "127.0.0.1"})
    assert closed.ask(head("GET", "/v1/models")).status == 403


def test_trace_would_show_the_real_key(p):
    r = p.ask(head("TRACE", "/v1/models", KEY))
    assert r.status == 405 and b"real" not in r.raw + r.body


@pytest.mark.parametrize("path", ["/v1/models/../files", "/v1/models/..", "/v1/models/%2e%2E/x",
                                  "/v1/models/.%2e", "/v1/models/./x", "/v1/models/a%2f..%2fb",
                                  "/v1/models/a\\..\\b", "/v1/models/%2e%5c"])
def test_a_path_that_may_mean_another_is_refused(p, path):
    r = p.ask(head("GET", path, KEY))
    assert r.status == 400 and r.error["code"] == "bad_request"


@pytest.mark.parametrize("path", ["/v1", "/v1/model", "/v1/modelsx", "/v1/files", "/v2/models"])
def test_others_are_unknown(p, path):
    assert p.ask(head("GET", path, KEY)).status == 404


@pytest.mark.parametrize("base, path", [("", "/v1/models"), ("/v1", "/v1/models"),
                                        ("/openai", "/openai/v1/models"),
                                        ("/api/v3", "/api/v3/models"),
                                        ("/v1beta/openai", "/v1beta/openai/models")])
def test_the_path_of_base_url_comes_first(proxy, scripted, base, path):
    u = scripted(echo)
    r = proxy(f"http://127.0.0.1:{u.port}{base}").ask(head("GET", "/v1/models?a"))
    assert r.body.startswith(f"GET {path}?a HTTP/1.1\r\n".encode())


def test_the_body_is_not_looked_at(proxy, scripted):
    p = proxy(scripted(echo), field_aliases={"model": "model_id"}, defaults={"n": "1"})
    body = b'{"model": not JSON'
    r = p.ask(head("POST", "/v1/models/x", f"Content-Length: {len(body)}", "Content-Encoding: gzip")
              + body)
    assert r.status == 200 and r.body.endswith(body)


def test_upgrade_is_not_passed_on(p):
    r = p.ask(head("GET", "/v1/models", KEY, "Connection: Upgrade", "Upgrade: websocket"))
    assert r.status == 200 and b"upgrade" not in r.body.lower()


def test_large_uploads_and_downloads_in_constant_memory(proxy, scripted):
    """100 MB each way, as a length and in chunks, through 4 MB at most."""
    total = 100 * MB
    piece = b"x" * MB

    def handler(conn, _):
        while conn.buf or conn.more():
            h = Head(conn.head_bytes())
            if h.get("transfer-encoding"):
                n = 0
                while (data := conn.chunk()):
                    n += len(data)
            else:
                n = int(h.get("content-length", "0"))
                conn.skip(n)
            conn.send(b"HTTP/1.1 200 OK\r\nX-Got: %d\r\nContent-Length: %d\r\n\r\n" % (n, total))
            for _ in range(total // MB):
                conn.send(piece)

    p = proxy(scripted(handler))
    c = p.connect()
    before = p.rss()
    for fields, pieces in (([f"Content-Length: {total}"], [piece] * 100),
                           (["Transfer-Encoding: chunked"], [chunk(piece)] * 100 + [b"0\r\n\r\n"])):
        c.send(head("POST", "/v1/models/upload", *fields))

        def send():
            for data in pieces:
                c.send(data)
        sender = threading.Thread(target=send)
        sender.start()
        h = c.response_head(wait=60)
        sender.join()
        assert h.get("x-got") == str(total)
        c.skip(total)
        assert p.rss() - before < 4 * MB


def test_streams_are_judged_here_too(proxy, scripted):
    """One of completion chunks that ends without a word of its end is told; any other is not."""
    r = proxy(scripted(answering(SSE_HEAD + chunk(delta("a")) + b"0\r\n\r\n"))).ask(
        head("GET", "/v1/models/stream"))
    assert r.complete and b'"code":"upstream_error"' in r.body
    other = b'data: {"object":"thread.run.step"}\n\n'
    r = proxy(scripted(answering(SSE_HEAD + chunk(other) + b"0\r\n\r\n"))).ask(
        head("GET", "/v1/models/stream"))
    assert r.complete and r.body == other


def test_event_streams_tell_nginx_not_to_hold_them_back(proxy, scripted):
    p = proxy(scripted(answering(SSE_HEAD + chunk(b"data: x\n\n") + b"0\r\n\r\n")))
    assert p.ask(head("GET", "/v1/models/stream")).all("x-accel-buffering") == ["no"]
    own = SSE_HEAD[:-2] + b"X-Accel-Buffering: yes\r\n\r\n" + chunk(b"data: x\n\n") + b"0\r\n\r\n"
    assert proxy(scripted(answering(own))).ask(
        head("GET", "/v1/models/stream")).all("x-accel-buffering") == ["yes"]
    r = proxy(scripted(answering(ok()))).ask(head("GET", "/v1/models"))
    assert not r.has("x-accel-buffering")


@pytest.mark.parametrize("path", ["/", "/v1/files", "/v1/models", "/healthz", "*"])
def test_preflights_of_any_path(p, path):
    r = p.ask(head("OPTIONS", path, "Origin: https://a.test", "Access-Control-Request-Method: GET"))
    assert r.status == 204 and r.get("access-control-allow-origin") == "*"
    assert "GET" in r.get("access-control-allow-methods")
