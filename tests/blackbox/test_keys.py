"""Authentication: which keys are accepted, and which key the upstream gets."""
import pytest

from httpraw import Head, head, post

SECRETS = {"front-1": "real-1", "front-2": "real-2"}


@pytest.fixture(scope="module")
def p(shared_proxy, upstream):
    return shared_proxy(upstream, api_keys=SECRETS,
                        **{"key alice": {"key": "front=key:1", "upstream_key": "real=alice"}})


def key_seen(p, *fields):
    r = p.ask(post("{}", *fields, query="echo=head"))
    assert r.status == 200, r.raw + r.body
    return Head(r.body).all("authorization")


def refused(r):
    assert r.status == 401, r.raw
    assert r.get("www-authenticate") == "Bearer"
    assert r.error["code"] == "invalid_api_key"
    assert "front" not in r.body.decode() and "real" not in r.body.decode()
    return True


@pytest.mark.parametrize("field, real", [
    ("Authorization: Bearer front-1", "real-1"), ("authorization: bearer front-2", "real-2"),
    ("AUTHORIZATION: BEARER  front-2", "real-2"),
    ("Authorization: Bearer front=key:1", "real=alice")])
def test_known_keys_are_replaced(p, field, real):
    assert key_seen(p, field) == [f"Bearer {real}"]


@pytest.mark.parametrize("fields", [
    [], ["Authorization: Bearer front-3"], ["Authorization: Bearer front-"],
    ["Authorization: Bearer front-11"], ["Authorization: Bearer FRONT-1"],
    ["Authorization: Bearer"], ["Authorization:"], ["Authorization: front-1"],
    ["Authorization: Basic front-1"], ["Authorization: Bearerfront-1"],
    ["Authorization: Bearer real-1"], ["Authorization: Bearer front-1 x"],
    ["Authorization: Bearer front-1, Bearer front-1"],
    ["Authorization: Bearer front-1", "Authorization: Bearer front-1"],
    ["Authorization: Bearer front-1", "authorization: Bearer x"],
    ["Authorization: Bearer " + "x" * 5000]])
def test_no_unknown_or_two_keys(p, fields):
    assert refused(p.ask(post("{}", *fields)))


def test_a_refused_upload_is_refused_at_once(p):
    c = p.connect().send(head("POST", "/v1/chat/completions", "Content-Length: 1000000",
                              "Expect: 100-continue", "Authorization: Bearer front-9"))
    r = c.response_head(interim=True)
    assert refused(c.read_body(r, "close"))


def test_a_refused_upload_without_expectation(p):
    c = p.connect().send(head("POST", "/v1/chat/completions", "Content-Length: 50000000")
                         + b"x" * 1000)
    assert refused(c.response())


def test_a_refused_request_never_reaches_the_upstream(proxy, scripted):
    u = scripted(lambda conn, n: conn.gone())
    p = proxy(u, api_keys=SECRETS)
    refused(p.ask(post()))
    assert not u.conns


def test_two_keys_are_refused_without_a_table_too(proxy, upstream):
    for settings in ({}, {"api_key": "real-0"}):
        p = proxy(upstream, upstream=settings)
        assert refused(p.ask(post("{}", "Authorization: Bearer a", "Authorization: Bearer a")))


def test_without_table_and_key_the_clients_goes_on(proxy, upstream):
    p = proxy(upstream)
    assert key_seen(p, "Authorization: Bearer mine") == ["Bearer mine"]
    assert key_seen(p) == []


def test_the_upstreams_key(proxy, upstream):
    p = proxy(upstream, upstream={"api_key": "real-0"})
    assert key_seen(p, "Authorization: Bearer mine") == ["Bearer real-0"]
    assert key_seen(p) == ["Bearer real-0"]


def test_unknown_keys_may_pass(proxy, upstream):
    p = proxy(upstream, api_keys=SECRETS, access={"unknown_keys": "pass"})
    assert key_seen(p, "Authorization: Bearer mine") == ["Bearer mine"]
    assert key_seen(p, "Authorization: Bearer front-2") == ["Bearer real-2"]
    assert refused(p.ask(post("{}", "Authorization: Bearer front-1", "Authorization: Bearer mine")))


def test_thousands_of_keys(proxy, upstream):
    p = proxy(upstream, api_keys={f"front-{i:05}": f"real-{i:05}" for i in range(5000)})
    for i in (0, 1, 2500, 4999):
        assert key_seen(p, f"Authorization: Bearer front-{i:05}") == [f"Bearer real-{i:05}"]
    refused(p.ask(post("{}", "Authorization: Bearer front-05000")))


def test_keys_are_each_requests_own(p):
    c = p.connect()
    c.send(b"".join(post("{}", f"Authorization: Bearer {k}", query="echo=head")
                    for k in ("front-1", "front-2", "front-9", "front-1")))
    seen = []
    for _ in range(4):
        r = c.response()
        seen.append(Head(r.body).get("authorization") if r.status == 200 else r.status)
        if r.has_token("connection", "close"):
            break
    assert seen in (["Bearer real-1", "Bearer real-2", 401, "Bearer real-1"],
                    ["Bearer real-1", "Bearer real-2", 401])


def test_no_key_in_any_error_or_log(proxy):
    p = proxy("http://127.0.0.1:1", api_keys=SECRETS)
    r = p.ask(post("{}", "Authorization: Bearer front-1"))
    assert r.status == 502
    p.ask(post("{}", "Authorization: Bearer front-9"))
    p.stop()
    for text in (r.body.decode(), p.log()):
        assert "front-" not in text and "real-" not in text
