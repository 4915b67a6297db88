"""Header fields: which are forwarded, in each direction, and which are not."""
import pytest

from httpraw import Head, head, post, post_chunked
from peers import answering, ok


def forwarded(p, *fields, **how):
    """The head that the upstream saw."""
    r = p.ask(post("{}", *fields, query="echo=head", **how))
    assert r.status == 200, r.raw
    return Head(r.body)


@pytest.fixture(scope="module")
def p(shared_proxy, upstream):
    return shared_proxy(upstream)


def test_end_to_end_fields_travel_as_sent(p):
    mine = ["User-Agent: test/1.0 (a; b)", "ACCEPT: text/event-stream", "x-stainless-OS: Linux",
            "OpenAI-Organization: org-1",
            "Accept-Encoding: gzip, br", "X-Twice: 1", "X-Empty:", "X-Twice: 2", "X-High: caf\xe9",
            "Idempotency-Key: k-1",
            "x-request-id: mine-1", "X-Colon: a: b:c"]
    seen = forwarded(p, *mine)
    travelled = [f"{n}: {v}".rstrip() for n, v in seen.fields]
    assert [f for f in travelled if f in mine] == mine


def test_white_space_around_values_is_no_part_of_them(p):
    assert forwarded(p, "X-A: \t v w \t ").get("x-a") == "v w"


@pytest.mark.parametrize("field", [
    "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
    "TE: trailers", "Upgrade: websocket",
    "Proxy-Authorization: Basic eDp5", "Cookie: a=b", "Forwarded: for=1.2.3.4",
    "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil.test",
    "X-Forwarded-Proto: https", "X-Forwarded-Anything: x", "X-Real-IP: 1.2.3.4",
    "Expect: 100-continue"])
def test_fields_that_stop_here(p, field):
    name = field.split(":")[0]
    for spelling in (field, field.upper(), field.lower()):
        seen = forwarded(p, spelling)
        assert not any(v in spelling for v in seen.all(name)), seen.raw


def test_fields_named_by_connection_stop_here(p):
    seen = forwarded(p, "Connection: close, X-Drop , x-also", "X-Drop: 1", "X-ALSO: 2", "X-Keep: 3")
    assert not seen.has("x-drop") and not seen.has("x-also") and seen.get("x-keep") == "3"


def test_connection_cannot_take_away_what_the_message_needs(p):
    r = p.ask(post('{"a":1}', "Connection: content-length, host, content-type", query="echo=body"))
    assert r.body == b'{"a":1}'
    seen = forwarded(p, "Connection: content-length, host")
    assert seen.get("host") and (seen.get("content-length") == "2"
                                 or seen.get("transfer-encoding") == "chunked")


def test_connection_cannot_take_away_the_key(proxy, upstream):
    p = proxy(upstream, api_keys={"front": "real"})
    assert forwarded(p, "Connection: authorization",
                     "Authorization: Bearer front").get("authorization") == "Bearer real"


def test_host_is_the_upstreams(p, upstream):
    assert forwarded(p, "Host: proxy.example:99").get("host") == f"127.0.0.1:{upstream.port}"


def test_content_length_of_an_untouched_body(p):
    seen = forwarded(p)
    assert seen.get("content-length") == "2" and not seen.has("transfer-encoding")


def test_a_chunked_request_stays_chunked(p):
    seen = Head(p.ask(post_chunked([b"{", b"}"], query="echo=head")).body)
    assert seen.get("transfer-encoding").lower() == "chunked" and not seen.has("content-length")


def test_http_1_0_clients_are_forwarded_as_1_1(p):
    r = p.ask(post("{}", query="echo=head", version="1.0"))
    assert r.body.startswith(b"POST /v1/chat/completions?echo=head HTTP/1.1\r\n")


def answer_of(proxy, scripted, raw):
    return proxy(scripted(answering(raw))).ask(post())


def test_answers_travel_as_sent(proxy, scripted):
    mine = ["OpenAI-Processing-Ms: 12", "retry-after-ms: 20", "x-ratelimit-limit-requests: 60",
            "X-Twice: 1", "X-Twice: 2",
            "X-High: caf\xe9", "x-request-id: req_up", "Content-Encoding: gzip",
            "Date: Tue, 10 Nov 2026 08:00:00 GMT", "Server: other/1"]
    r = answer_of(proxy, scripted, ok(b"not-really-gzip", *mine, status="429 Slow Down"))
    assert r.status == 429 and r.body == b"not-really-gzip"
    assert [f"{n}: {v}" for n, v in r.fields if f"{n}: {v}" in mine] == mine
    assert r.all("x-request-id") == ["req_up"] and len(r.all("date")) == 1


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "299 ", "400 Bad", "401 No",
                                    "404 Not Here", "418 Teapot", "500 Oh", "503 Later",
                                    "599 Last"])
def test_every_status_travels(proxy, scripted, status):
    r = answer_of(proxy, scripted, ok(b'{"error":{}}', status=status))
    assert r.status == int(status[:3]) and r.body == b'{"error":{}}'


def test_hop_by_hop_fields_of_answers_stop_here(proxy, scripted):
    r = answer_of(proxy, scripted,
                  ok(b"{}", "Keep-Alive: timeout=99", "Connection: keep-alive, X-Hop", "X-Hop: 1",
                     "Proxy-Authenticate: Basic",
                                      "Upgrade: h2c", "Trailer: X-T", "X-End: 2"))
    for name in ("keep-alive", "x-hop", "proxy-authenticate", "upgrade", "trailer"):
        assert not r.has(name), name
    assert r.get("x-end") == "2"
    assert r.get("content-length") == "2"


def test_a_request_id_is_made_where_there_is_none(proxy, upstream):
    p = proxy(upstream)
    ids = {p.ask(post(query="requestid=0")).get("x-request-id") for _ in range(5)}
    assert len(ids) == 5 and None not in ids
    assert p.ask(post()).get("x-request-id").startswith("req-")


def test_local_answers_have_an_id_and_a_length(p):
    for request in (head("GET", "/nowhere"), head("GET", "/v1/chat/completions")):
        r = p.ask(request)
        assert r.get("x-request-id") and r.framing == "length" and r.complete


def test_many_and_large_fields_travel(p):
    mine = [f"X-Field-{i}: {'v' * 120}" for i in range(80)]
    seen = forwarded(p, *mine)
    assert [f for f in (f"{n}: {v}" for n, v in seen.fields)
            if f in mine] == mine[:len(seen.fields)] or len(seen.raw) > 9000


def test_a_large_answer_head_travels(proxy, scripted):
    mine = [f"X-Field-{i}: {'v' * 120}" for i in range(80)]
    r = answer_of(proxy, scripted, ok(b"{}", *mine))
    assert [f for f in (f"{n}: {v}" for n, v in r.fields) if f in mine] == mine
