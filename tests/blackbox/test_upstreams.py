"""Several upstreams: chosen by model, several keys each, another one when one fails."""
import json
import socket
import threading
import time

import pytest

import httpraw
import procs
from httpraw import head, post, post_chunked
from peers import SSE_HEAD, chunk, ok

KEY = "Authorization: Bearer front"


class Place:
    """An upstream that records what it gets and answers as its list of answers says, the last one
    for ever."""

    def __init__(self, scripted, *answers):
        self.seen = []
        self.answers = list(answers) or [ok(b'{"ok":1}')]
        self.server = scripted(self.handle)
        self.port = self.server.port
        self.url = f"http://127.0.0.1:{self.port}"

    def handle(self, conn, _):
        while conn.buf or conn.more():
            m = conn.request()
            self.seen.append(m)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is None:
                return
            conn.send(answer)

    @property
    def keys(self):
        return [m.get("authorization") or m.get("api-key") for m in self.seen]

    @property
    def models(self):
        return [json.loads(m.body)["model"] for m in self.seen]


@pytest.fixture
def place(scripted):
    return lambda *answers: Place(scripted, *answers)


def status(code, *fields):
    return ok(b'{"error":{"message":"no","code":%d}}' % code, *fields, status=f"{code} No")


def chat(model="m", **more):
    body = {"messages": [{"role": "user", "content": "hi"}], "model": model, **more}
    return json.dumps(body).encode()


def ask(p, model="m", *fields, **how):
    return p.ask(post(chat(model), *(fields or (KEY,)), **how))


# Choice

def test_the_model_chooses(proxy, place):
    a, b, c = place(), place(), place()
    p = proxy(a.url, api_keys={"front": "real-a"}, **{
        "upstream b": {"base_url": b.url, "api_key": "real-b", "models": "deepseek-*, exact"},
        "upstream c": {"base_url": c.url, "models": "deepseek-chat, fast -> slow, deepseek-r*"}})
    for model, where, name in [
            ("gpt-4o", a, "gpt-4o"), ("deepseek-x", b, "deepseek-x"), ("exact", b, "exact"),
            ("deepseek-chat", c, "deepseek-chat"), ("deepseek-r1", c, "deepseek-r1"),
            ("fast", c, "slow"), ("exactly", a, "exactly"), ("deepseek-", b, "deepseek-")]:
        before = len(where.seen)
        assert ask(p, model).status == 200
        assert len(where.seen) == before + 1, model
        assert where.models[-1] == name
    assert set(a.keys) == {"Bearer real-a"} and set(b.keys) == {"Bearer real-b"}
    assert set(c.keys) == {None}


@pytest.mark.parametrize("body", [
    b'{"model":"fast","messages":[]}', b'{"messages":[{"model":"x"}],"model":"fast"}',
    b' { "a" : {"model":"x"} ,\r\n"m\\u006fdel"\t: "f\\u0061st" , "z":"\\"model\\":\\"x\\""}',
    b'{"messages":"' + b"x" * 300_000 + b'","model":"fast","tail":1e400}',
    b'{"model2":1,"mode":"x","MODEL":"x","model":"fast"}'],
    ids=["first", "last", "escaped", "long", "alike"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_only_the_value_of_the_model_changes(proxy, place, body, framing):
    a, b = place(), place()
    p = proxy(a.url, **{"upstream b": {"base_url": b.url, "models": "fast -> deepseek/chat"}})
    request = post(body) if framing == "length" else post_chunked(
        [body[i:i + 1000] for i in range(0, len(body), 1000)])
    assert p.ask(request).status == 200
    value = body.replace(b'"f\\u0061st"', b'"fast"')
    assert b.seen[0].body == value.replace(b'"fast"', b'"deepseek/chat"') and not a.seen


@pytest.mark.parametrize("pieces", [[0], [0, 40], [1], [40, 41, 42], range(80)],
                         ids=["head", "middle", "byte", "some", "each"])
@pytest.mark.parametrize("model, name", [("x", "x"), ("fast", "slow")])
@pytest.mark.parametrize("fallback", [{}, {"fallback": "b"}], ids=["alone", "fallback"])
def test_however_the_body_comes_in(proxy, place, pieces, model, name, fallback):
    """After the head, or with it, and in pieces."""
    a, b = place(), place(*[status(500)] * bool(fallback), ok(b"{}"))
    p = proxy(a.url, **{"upstream b": {"base_url": b.url, "models": "z"}, "upstream c": {
        "base_url": b.url, "models": "x, fast -> slow", **fallback}})
    body = chat(model, more="0" * 30)
    c, at = p.connect(), 0
    raw = post(body)
    for end in [len(raw) - len(body) + n for n in pieces] + [len(raw)]:
        c.send(raw[at:end])
        at = end
        time.sleep(0.002)
    assert c.response().status == 200 and not a.seen
    sent = [body.replace(b'"fast"', b'"slow"')] + [body] * bool(fallback)
    assert [m.body for m in b.seen] == sent
    p.wait_log(f"upstream=[bc] model={model} key_index=0 tries={1 + bool(fallback)} ")


def test_a_prefix_gives_all_one_name(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, **{"upstream b": {"base_url": b.url, "models": "gpt-* -> llama-3.3-70b"}})
    for model in ("gpt-4o", "gpt-", "gpt-5-mini"):
        ask(p, model)
    assert b.models == ["llama-3.3-70b"] * 3


def test_the_body_of_others_is_unchanged(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, **{"upstream b": {"base_url": b.url, "models": "x"}})
    body = b' {"model" : "gpt",\n"n":1.0e+2, "s":"\\ud83d\\ude00"} \n'
    assert p.ask(post(body)).status == 200 and a.seen[0].body == body
    assert a.seen[0].get("content-length") == str(len(body))


def test_nobodys_model(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, upstream={"models": "gpt-*"},
              **{"upstream b": {"base_url": b.url, "models": "x"}})
    r = ask(p, "other")
    assert r.status == 404 and r.error["code"] == "model_not_found"
    assert "`other`" in r.error["message"]
    assert p.ask(post(b'{"messages":[]}')).error["code"] == "model_not_found"
    assert p.ask(post(b'{"model":7}')).error["code"] == "model_not_found"
    assert not a.seen and not b.seen


def test_the_rest_of_a_request_for_nobodys_model_is_read_away(proxy, place):
    a = place()
    p = proxy(a.url, upstream={"models": "gpt"})
    raw = post(b'{"model":"other","a":[1,2,3]}')
    c = p.connect().send(raw[:-9])
    assert c.response().status == 404
    c.send(raw[-9:-4])
    c.send(raw[-4:] + post(chat("gpt")))
    assert c.response().status == 200 and len(a.seen) == 1


@pytest.mark.parametrize("body", [
    b'{"model":"x","model":"x"}', b'{"model":"x","a":1,"mo\\u0064el":"y"}', b"not json",
    b'{"model":"x"', b'{"model":"x"}}', b"", b'{"model":"x",}'])
def test_what_is_no_json_or_has_two_models(proxy, place, body):
    a, b = place(), place()
    p = proxy(a.url, upstream={"models": "gpt"},
              **{"upstream b": {"base_url": b.url, "models": "x"}})
    r = p.ask(post(body))
    assert r.status == 400 and r.error["code"] == "invalid_json"
    assert not a.seen and not b.seen


def test_a_compressed_body_cannot_be_read(proxy, place):
    p = proxy(place().url, **{"upstream b": {"base_url": place().url, "models": "x"}})
    assert p.ask(post(chat("x"), "Content-Encoding: gzip")).status == 415


@pytest.mark.parametrize("names, model", [("x", "x"), ("x -> y\"z", "y\"z")])
@pytest.mark.parametrize("own", [{}, {"t": "1"}, {"model": '"own"'}],
                         ids=["none", "other", "model"])
@pytest.mark.parametrize("body", [b"{}", b'{"messages":[{"model":"q"}],"m":{"a":1}}'])
def test_the_default_model_counts(proxy, place, names, model, own, body):
    """It chooses, and the upstream that it chooses gets it by the name it knows."""
    a, b = place(), place()
    p = proxy(a.url, defaults={"model": '"x"'}, **{
        "upstream b": {"base_url": b.url, "models": names}, "defaults b": own,
        "field_aliases b": {"model": "model_id"}})
    assert p.ask(post(body)).status == 200 and not a.seen
    sent = json.loads(b.seen[0].body.replace(b"model_id", b"model"))
    assert sent == {**json.loads(body), "model": model,
                    **({"t": 1} if "t" in own else {})}


def test_the_default_model_of_the_default_upstream_is_renamed(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, upstream={"models": "x -> y"}, defaults={"model": '"x"', "t": "1"},
              **{"upstream b": {"base_url": b.url, "models": "z"}})
    assert p.ask(post(b'{"messages":[]}')).status == 200
    assert a.seen[0].body == b'{"messages":[],"model":"y","t":1}'
    assert p.ask(post(b'{"model":"z"}')).status == 200
    assert b.seen[0].body == b'{"model":"z"}'


def test_the_default_model_falls_back_by_its_name_there(proxy, place):
    a, b = place(status(500)), place()
    p = proxy(a.url, upstream={"fallback": "b -> there"}, defaults={"model": '"x"'},
              **{"upstream b": {"base_url": b.url}})
    assert p.ask(post(b'{"messages":[]}')).status == 200
    assert (a.models, b.models) == (["x"], ["there"])


def test_a_default_that_goes_out_as_model_stays_alone(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, defaults={"model": '"x"'}, **{
        "upstream b": {"base_url": b.url, "models": "x"}, "defaults b": {"engine": '"e"'},
        "field_aliases b": {"engine": "model"}})
    assert p.ask(post(b'{"messages":[]}')).status == 200
    assert b.seen[0].body == b'{"messages":[],"model":"e"}'


def test_each_upstream_has_its_aliases_and_defaults(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, field_aliases={"model": "model_a"}, defaults={"n": "1"}, **{
        "upstream b": {"base_url": b.url, "models": "x"},
        "field_aliases b": {"messages": "msgs"}, "defaults b": {"t": "0.5"}})
    p.ask(post(b'{"model":"y","messages":[]}'))
    p.ask(post(b'{"model":"x","messages":[]}'))
    assert a.seen[0].body == b'{"model_a":"y","messages":[],"n":1}'
    assert b.seen[0].body == b'{"model":"x","msgs":[],"t":0.5}'


def test_the_model_may_come_after_20_megabytes(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, server={"buffer_memory": "32M"},
              **{"upstream b": {"base_url": b.url, "models": "x"}})
    body = b'{"messages":"' + b"i" * 20_000_000 + b'","model":"x"}'
    assert p.ask(post(body)).status == 200
    assert b.seen[0].body == body


def test_a_body_beyond_buffer_memory(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, server={"buffer_memory": "1M"},
              **{"upstream b": {"base_url": b.url, "models": "x"}})
    r = p.ask(post(b'{"messages":"' + b"i" * 2_000_000 + b'","model":"x"}'))
    assert r.status == 413
    assert p.ask(post(b'{"model":"x","messages":"' + b"i" * 2_000_000 + b'"}')).status == 200


def test_buffer_memory_is_shared(proxy, place):
    """Those that do not fit are told to come again, and the memory comes back."""
    a, b = place(), place()
    p = proxy(a.url, server={"buffer_memory": "1M"},
              **{"upstream b": {"base_url": b.url, "models": "x"}})
    big = b'{"messages":"' + b"i" * 700_000 + b'","model":"x"}'
    held = p.connect()
    held.send(post(big)[:-8])
    time.sleep(0.3)
    r = p.ask(post(big))
    assert r.status == 503 and r.get("retry-after") == "1" and r.get("x-should-retry") == "true"
    held.close()
    time.sleep(0.2)
    assert p.ask(post(big)).status == 200


# Keys

def test_keys_are_used_in_turn(proxy, place):
    a = place()
    p = proxy(a.url, upstream={"api_key": "k1, k2, k3"}, access={"ip_whitelist": "127.0.0.1"})
    for _ in range(6):
        assert p.ask(post(chat())).status == 200
    assert a.keys == ["Bearer k1", "Bearer k2", "Bearer k3"] * 2


def test_a_key_that_is_at_its_limit_rests(proxy, place):
    a = place(status(429, "retry-after: 1"), ok())
    p = proxy(a.url, upstream={"api_key": "k1, k2"}, access={"ip_whitelist": "127.0.0.1"})
    assert p.ask(post(chat())).status == 200
    assert a.keys == ["Bearer k1", "Bearer k2"] and a.seen[0].body == a.seen[1].body
    for _ in range(3):
        p.ask(post(chat()))
    assert a.keys[2:] == ["Bearer k2"] * 3
    time.sleep(1.1)
    for _ in range(2):
        p.ask(post(chat()))
    assert "Bearer k1" in a.keys[5:]


def test_when_all_keys_rest(proxy, place):
    a = place(status(429, "retry-after: 7"), status(429, "retry-after: 3"), ok())
    p = proxy(a.url, upstream={"api_key": "k1, k2"}, access={"ip_whitelist": "127.0.0.1"})
    r = p.ask(post(chat()))
    assert r.status == 429 and r.get("retry-after") == "3", "the last response comes as it came"
    assert r.body == b'{"error":{"message":"no","code":429}}'
    r = p.ask(post(chat()))
    assert r.status == 429 and r.error["code"] == "rate_limit_exceeded"
    assert r.get("retry-after") in "23"
    assert len(a.seen) == 2


def test_a_sole_key_never_rests(proxy, place):
    a = place(status(429), status(401), ok())
    p = proxy(a.url, api_keys={"front": "real"})
    assert [ask(p).status for _ in range(3)] == [429, 401, 200]
    assert a.keys == ["Bearer real"] * 3


def test_a_key_that_is_refused_rests(proxy, place):
    a = place(status(401), ok())
    p = proxy(a.url, upstream={"api_key": "k1, k2"}, access={"ip_whitelist": "127.0.0.1"})
    assert [p.ask(post(chat())).status for _ in range(3)] == [200] * 3
    assert a.keys == ["Bearer k1", "Bearer k2", "Bearer k2", "Bearer k2"]


def test_the_keys_of_a_client(proxy, place):
    a = place(status(429), ok())
    p = proxy(a.url, **{"key alice": {"key": "front", "upstream_key": "k1, k2"},
                        "key bob": {"key": "back", "upstream_key": "k3"}})
    assert ask(p).status == 200 and a.keys == ["Bearer k1", "Bearer k2"]
    assert ask(p, "m", "Authorization: Bearer back").status == 200 and a.keys[-1] == "Bearer k3"


# Fallback

def cascade(proxy, a, *others, **sections):
    """a, and others as its fallbacks in order."""
    names = [f"f{i}" for i in range(len(others))]
    sections["upstream"] = {"fallback": ", ".join(names), **sections.get("upstream", {})}
    for name, other in zip(names, others):
        sections[f"upstream {name}"] = {
            "base_url": getattr(other, "url", other), "api_key": f"key-{name}",
            **sections.get(f"upstream {name}", {})}
    return proxy(getattr(a, "url", a), **{"api_keys": {"front": "real-a"}, **sections})


@pytest.mark.parametrize("code", [429, 401, 500, 502, 503, 504, 529])
def test_what_was_not_acted_on_goes_to_the_next(proxy, place, code):
    a, b = place(status(code)), place()
    p = cascade(proxy, a, b)
    r = ask(p)
    assert r.status == 200 and r.body == b'{"ok":1}'
    assert a.keys == ["Bearer real-a"] and b.keys == ["Bearer key-f0"]
    assert a.seen[0].body == b.seen[0].body == chat()


@pytest.mark.parametrize("code", [200, 400, 403, 404, 408, 422, 501])
def test_what_was_acted_on_does_not(proxy, place, code):
    a, b = place(status(code)), place()
    assert ask(cascade(proxy, a, b)).status == code
    assert not b.seen


def test_an_upstream_that_cannot_be_reached(proxy, place):
    b = place()
    p = cascade(proxy, f"http://127.0.0.1:{procs.free_port()}", b)
    assert [ask(p).status for _ in range(20)] == [200] * 20
    assert len(b.seen) == 20
    assert p.log().count("cannot connect") <= 3, "it rests, and is passed over"


def test_one_request_finds_out_whether_a_rest_is_over(proxy, place, black_hole):
    """Meanwhile the others are served by the next."""
    b = place()
    p = cascade(proxy, black_hole, b, upstream={"timeout": "4"},
                **{"upstream f0": {"timeout": "8"}})
    assert ask(p).status == 200             # after its time-out
    time.sleep(1.1)
    first = p.connect()
    first.send(post(chat(), KEY))
    time.sleep(0.2)
    for _ in range(3):
        assert ask(p).status == 200
    assert first.silent(0.01)
    assert first.response().status == 200


def test_one_that_lost_the_request_may_have_billed_it(proxy, place):
    a, b = place(None), place()
    r = ask(cascade(proxy, a, b))
    assert r.status == 502 and r.get("x-should-retry") == "false" and not b.seen


def test_the_last_response_comes_as_it_came(proxy, place):
    a, b = place(status(500)), place(status(503, "retry-after: 9", "X-Of: b"))
    r = ask(cascade(proxy, a, b))
    assert r.status == 503 and r.get("retry-after") == "9" and r.get("x-of") == "b"
    assert len(a.seen) == len(b.seen) == 1


# A body that ends at once, one that goes on after the head, and one that ends with the connection.
DECLINED = {
    "whole": [b"HTTP/1.1 429 No\r\nretry-after: 7\r\nX-Of: a\r\nContent-Length: 4\r\n\r\nslow"],
    "head": [b"HTTP/1.1 429 No\r\nretry-after: 7\r\nX-Of: a\r\nContent-Length: 4\r\n\r\n",
             b"slow"],
    "chunks": [b"HTTP/1.1 429 No\r\nretry-after: 7\r\nX-Of: a\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"2\r\nsl\r\n", b"2\r\now\r\n0\r\n\r\n"],
    "close": [b"HTTP/1.1 429 No\r\nretry-after: 7\r\nX-Of: a\r\n\r\nsl", b"ow"],
}


@pytest.mark.parametrize("dead", [1, 2])
@pytest.mark.parametrize("how", DECLINED)
def test_the_last_response_is_that_of_the_last_who_gave_one(proxy, scripted, how, dead):
    seen = []

    def decline(conn, _):
        seen.append(conn.request())
        for part in DECLINED[how]:
            conn.send(part)
            time.sleep(0.1)

    a = scripted(decline)
    others = [f"http://127.0.0.1:{procs.free_port()}" for _ in range(dead)]
    p = cascade(proxy, a, *others)
    r = ask(p)
    assert (r.status, r.get("retry-after"), r.get("x-of"), r.body) == (429, "7", "a", b"slow")
    assert len(seen) == 1 and ask(p).status == 429 and len(seen) == 2
    p.wait_log("upstream=default .* status=429 .* end=complete")


def test_a_response_set_aside_that_breaks_is_cut(proxy, scripted):
    def decline(conn, _):
        conn.request()
        conn.send(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nhal")
        time.sleep(0.1)

    p = cascade(proxy, scripted(decline), f"http://127.0.0.1:{procs.free_port()}")
    r = ask(p)
    assert r.status == 503 and r.body == b"hal" and not r.complete
    p.wait_log("end=upstream_lost")


def test_a_response_set_aside_does_not_stand_in_the_way_of_the_next(proxy, place):
    a = place(status(429), ok(b'{"ok":2}'))
    p = proxy(a.url, upstream={"api_key": "k1, k2", "connection_limit": "1"},
              access={"ip_whitelist": "127.0.0.1"})
    r = ask(p)
    assert r.status == 200 and r.body == b'{"ok":2}'


def test_a_fallback_names_the_model_where_nobody_lists_one(proxy, place):
    a, b = place(status(503)), place()
    p = proxy(a.url, upstream={"fallback": "b -> other"}, **{"upstream b": {"base_url": b.url}})
    assert ask(p, "m").status == 200
    assert a.models == ["m"] and b.models == ["other"]


def test_the_fallback_of_a_pin_names_the_model(proxy, place):
    a, b, c = place(), place(status(503)), place()
    p = proxy(a.url, **{
        "upstream b": {"base_url": b.url, "fallback": "c"},
        "upstream c": {"base_url": c.url, "models": "m -> other"},
        "key pinned": {"key": "front", "upstream": "b"}})
    assert ask(p, "m").status == 200
    assert b.models == ["m"] and c.models == ["other"] and not a.seen


def test_fallbacks_of_fallbacks_each_once(proxy, place):
    a, b, c = place(status(500)), place(status(500)), place()
    p = proxy(a.url, upstream={"fallback": "b"}, **{
        "upstream b": {"base_url": b.url, "fallback": "c"}, "upstream c": {"base_url": c.url}})
    assert ask(p).status == 200
    assert [len(x.seen) for x in (a, b, c)] == [1, 1, 1]


def test_other_keys_come_before_other_upstreams(proxy, place):
    a, b = place(status(429)), place()
    p = proxy(a.url, upstream={"api_key": "k1, k2", "fallback": "b"},
              access={"ip_whitelist": "127.0.0.1"},
              **{"upstream b": {"base_url": b.url, "api_key": "kb"}})
    assert p.ask(post(chat())).status == 200
    assert a.keys == ["Bearer k1", "Bearer k2"] and b.keys == ["Bearer kb"]
    assert p.ask(post(chat())).status == 200 and len(a.seen) == 2, "all its keys rest"


def test_the_model_has_another_name_there(proxy, place):
    a, b = place(status(500)), place()
    p = proxy(a.url, upstream={"fallback": "b -> deepseek-chat", "models": "gpt-*"},
              **{"upstream b": {"base_url": b.url, "models": "deepseek-*"}})
    assert ask(p, "gpt-4o").status == 200
    assert a.models == ["gpt-4o"] and b.models == ["deepseek-chat"]


def test_aliases_of_the_next_apply_to_the_original(proxy, place):
    a, b = place(status(500)), place()
    p = cascade(proxy, a, b, field_aliases={"model": "a_model"},
                **{"field_aliases f0": {"model": "b_model"}})
    assert p.ask(post(b'{"model":"x"}', KEY)).status == 200
    assert a.seen[0].body == b'{"a_model":"x"}' and b.seen[0].body == b'{"b_model":"x"}'


@pytest.mark.parametrize("size, code", [(200_000, 200), (400_000, 500)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_is_kept_up_to_retry_buffer(proxy, place, size, code, framing):
    a, b = place(status(500)), place()
    p = cascade(proxy, a, b)
    body = b'{"model":"' + b"m" * size + b'"}'
    r = p.ask(post(body, KEY) if framing == "length" else
              post_chunked([body[i:i + 5000] for i in range(0, len(body), 5000)], KEY))
    assert r.status == code
    if code == 200:
        assert b.seen[0].body == body


def test_a_large_body_goes_on_if_none_of_it_was_sent(proxy, place):
    b = place()
    p = cascade(proxy, f"http://127.0.0.1:{procs.free_port()}", b)
    body = b'{"model":"' + b"m" * 3_000_000 + b'"}'
    assert p.ask(post(body, KEY)).status == 200 and b.seen[0].body == body


def test_passed_paths_too(proxy, place):
    a, b = place(status(503)), place()
    p = cascade(proxy, a, b, upstream={"pass_paths": "/v1/files"})
    r = p.ask(head("PUT", "/v1/files?x", KEY, "Content-Length: 3") + b"abc")
    assert r.status == 200 and b.seen[0].body == b"abc" and b.seen[0].target == "/v1/files?x"


def test_a_stream_comes_from_the_next(proxy, place):
    a, b = place(status(529)), place(SSE_HEAD + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    r = ask(cascade(proxy, a, b))
    assert r.status == 200 and r.complete and r.body == b"data: [DONE]\n\n"


def test_nothing_is_tried_again_after_an_interim_response_was_passed_on(proxy, place):
    a, b = place(b"HTTP/1.1 103 Early Hints\r\n\r\n" + status(500)), place()
    c = cascade(proxy, a, b).connect()
    c.send(post(chat(), KEY))
    assert c.response().status == 500 and not b.seen


def test_no_request_fails_while_one_of_two_does(proxy, place):
    """At some hundred requests a second, the first one refusing all connections after a while."""
    a, b = place(), place()
    p = cascade(proxy, a, b)
    codes, stop = [], threading.Event()

    def run():
        c = p.connect()
        while not stop.is_set():
            codes.append(c.send(post(chat(), KEY)).response().status)
    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    a.server.stop()
    time.sleep(1.0)
    stop.set()
    for t in threads:
        t.join()
    bad = [c for c in codes if c != 200]
    assert len(codes) > 200 and len(bad) <= 4, (len(codes), bad)


# Who may ask for what

def test_a_key_may_ask_for_its_models_only(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, **{
        "upstream b": {"base_url": b.url, "models": "deepseek-*"},
        "key alice": {"key": "front", "upstream_key": "real", "models": "gpt-4o-mini, deepseek-*"},
        "key bob": {"key": "back", "upstream_key": "real"}})
    assert ask(p, "gpt-4o-mini").status == 200 and ask(p, "deepseek-r1").status == 200
    for r in (ask(p, "gpt-4o"), p.ask(post(b"{}", KEY)), p.ask(head("POST", "/v1/models/x", KEY))):
        assert r.status == 403 and r.error["code"] == "model_not_allowed"
    assert ask(p, "gpt-4o", "Authorization: Bearer back").status == 200
    assert b.keys == [None]


def test_a_key_is_pinned_to_an_upstream(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, **{"upstream b": {"base_url": b.url, "api_key": "kb", "models": "x -> y"},
                        "key alice": {"key": "front", "upstream": "b"},
                        "key bob": {"key": "back", "upstream_key": "real"}})
    for model in ("x", "gpt"):
        assert ask(p, model).status == 200
    assert b.models == ["y", "gpt"] and b.keys == ["Bearer kb"] * 2 and not a.seen
    assert ask(p, "gpt", "Authorization: Bearer back").status == 200 and a.keys == ["Bearer real"]
    assert p.ask(head("GET", "/v1/models/q", KEY)).status in (200, 404)


def test_a_key_that_was_only_let_in_gets_no_named_upstream(proxy, place):
    a, b = place(status(500)), place()
    p = proxy(a.url, upstream={"fallback": "b"}, api_keys={"front": "real"},
              access={"unknown_keys": "pass"},
              **{"upstream b": {"base_url": b.url, "api_key": "kb", "models": "x"}})
    assert ask(p, "x", "Authorization: Bearer stranger").status == 401
    assert ask(p, "m", "Authorization: Bearer stranger").status == 500
    assert a.keys == ["Bearer stranger"] and not b.seen


def test_the_list_of_models(proxy, place):
    a, b = place(), place()
    p = proxy(a.url, upstream={"models": "gpt-4o, gpt-*"}, **{
        "upstream b": {"base_url": b.url, "models": "deepseek-chat, vendor/x -> y, z-*"},
        "key alice": {"key": "front", "upstream_key": "real", "models": "deepseek-*, gpt-5"},
        "key bob": {"key": "back", "upstream_key": "real"}})
    bob = "Authorization: Bearer back"
    r = p.ask(head("GET", "/v1/models", bob))
    assert r.status == 200 and r.get("content-type") == "application/json"
    listed = json.loads(r.body)
    assert listed["object"] == "list"
    assert {m["id"]: m["owned_by"] for m in listed["data"]} == {
        "gpt-4o": "default", "deepseek-chat": "b", "vendor/x": "b"}
    assert all(m["object"] == "model" and isinstance(m["created"], int) for m in listed["data"])
    assert [m["id"] for m in json.loads(p.ask(head("GET", "/v1/models", KEY)).body)["data"]] == [
        "deepseek-chat", "gpt-5"]
    for path in ("/v1/models/vendor/x", "/v1/models/vendor%2Fx"):
        assert json.loads(p.ask(head("GET", path, bob)).body)["id"] == "vendor/x"
    r = p.ask(head("GET", "/v1/models/none", bob))
    assert r.status == 404 and r.error["code"] == "model_not_found"
    assert not a.seen and not b.seen


def test_a_list_of_many_models(proxy, place):
    """It is longer than any buffer that a worker keeps."""
    names = [f"model-{i:04}-{'x' * 40}" for i in range(3000)]
    sections = {f"upstream u{i}": {"base_url": "http://127.0.0.1:9",
                                   "models": ", ".join(names[i::100])} for i in range(100)}
    p = proxy(place().url, **sections)
    r = p.ask(head("GET", "/v1/models", KEY))
    assert r.status == 200 and int(r.get("content-length")) == len(r.body) > 200_000
    assert sorted(m["id"] for m in json.loads(r.body)["data"]) == names


def test_a_clients_keys_rest_over_a_reload(proxy, place):
    a = place(status(429, "retry-after: 60"), ok())
    sections = {"key alice": {"key": "front", "upstream_key": "k1, k2"}}
    p = proxy(a.url, log={"level": "info"}, **sections)
    assert ask(p).status == 200
    p.write_ini(a.url, {**sections, "log": {"level": "debug"}})
    p.signal(1)
    p.wait_log("reload: done")
    assert ask(p).status == 200
    assert a.keys == ["Bearer k1", "Bearer k2", "Bearer k2"]


def test_the_access_line_tells(proxy, place):
    a, b = place(status(500)), place()
    p = cascade(proxy, a, b, log={"format": "json"}, **{"upstream f0": {"models": "zz"}})
    ask(p, "evil\n\x1b[31m" + "x" * 300)
    p.wait_log('"tries"')
    line = json.loads([x for x in p.log().splitlines() if '"tries"' in x][0])
    assert line["upstream"] == "f0" and line["tries"] == 2 and len(line["model"]) < 100


# No key to the wrong place

def test_no_key_ever_reaches_another_address(proxy, place):
    """Every path through the code: choice, fallback, redirection, reload, pool."""
    a, b, c = place(status(500), ok(), status(429), ok()), place(status(429), ok()), place()
    p = proxy(a.url, upstream={"fallback": "b, c", "api_key": "ka1, ka2"}, **{
        "upstream b": {"base_url": b.url, "api_key": "kb1, kb2", "models": "b-*"},
        "upstream c": {"base_url": c.url, "models": "c-*"},
        "key alice": {"key": "front", "upstream_key": "alice-a"},
        "key bob": {"key": "back"}})
    for round_ in range(3):
        for client in ("front", "back"):
            for model in ("m", "b-1", "c-1"):
                ask(p, model, f"Authorization: Bearer {client}", "Cookie: x=y")
        p.signal(1)
        p.wait_log("(?s)(reload: done.*){%d}" % (round_ + 1))
    assert {k for k in a.keys} <= {"Bearer ka1", "Bearer ka2", "Bearer alice-a"}
    assert {k for k in b.keys} <= {"Bearer kb1", "Bearer kb2"} and set(c.keys) == {None}
    for m in a.seen + b.seen + c.seen:
        raw = m.raw + m.body
        assert b"front" not in raw and b"back" not in raw and b"x=y" not in raw


# Places without a port

def test_an_upstream_behind_a_unix_socket(proxy, place, tmp_path):
    path = tmp_path / "llama.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)
    seen = []

    def serve():
        conn = httpraw.Conn(listener.accept()[0])
        for _ in range(2):
            seen.append(conn.request())
            conn.send(ok(b"local"))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    p = proxy(place().url, **{"upstream local": {"socket": str(path), "models": "llama-*"}})
    c = p.connect()
    for _ in range(2):
        assert c.send(post(chat("llama-3"))).response().body == b"local"
    assert seen[0].get("host") == "localhost" and len(seen) == 2
    listener.close()
    path.unlink()
    thread.join()
    r = ask(p, "llama-3")
    assert r.status == 502 and r.error["code"] == "upstream_connect_error"
    assert str(path) in r.error["message"]
