"""include_usage: streams are asked for their usage, and who did not ask does not see it."""
import json
import queue
import threading

import pytest

from exposition import Page
from httpraw import error_of, head, post, post_chunked
from peers import DONE, FINISH, SSE_HEAD, chunk, delta, ok

ON = {"upstream": {"include_usage": "yes"}}
ASK = {"access": {"admin_addresses": "127.0.0.1"}}
WITH_NULL = delta("a").replace(b"]}", b'],"usage":null}')
USAGE = (b'data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":'
         b'{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,'
         b'"prompt_tokens_details":{"cached_tokens":0}}}\n\n')
ADDED = b',"stream_options":{"include_usage":true}'


def events(asked):
    """What OpenAI sends: with usage each chunk has one, null but in the last."""
    return WITH_NULL + FINISH + USAGE + DONE if asked else delta("a") + FINISH + DONE


class OpenAI:
    """Obeys stream_options as OpenAI does, and refuses it where nothing is streamed. By cut it cuts
    its stream into chunks."""

    def __init__(self, scripted, cut=None, status=None):
        self.seen = []
        self.cut = cut or (lambda n, stream: [stream])
        self.status = status
        self.server = scripted(self.handle)
        self.url = self.server.url

    def handle(self, conn, _):
        while conn.buf or conn.more():
            m = conn.request()
            self.seen.append(m)
            conn.send(self.answer(json.loads(m.body or b"{}")))

    def answer(self, body):
        if self.status:
            return ok(b'{"error":{}}', status=f"{self.status} No")
        options = body.get("stream_options")
        if not body.get("stream"):
            refused = options is not None
            return ok(b'{"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
                      status="400 Bad Request" if refused else "200 OK")
        pieces = self.cut(len(self.seen) - 1, events(options and options.get("include_usage")))
        return SSE_HEAD + b"".join(chunk(p) for p in pieces if p) + b"0\r\n\r\n"


@pytest.fixture
def openai(scripted):
    return lambda *args: OpenAI(scripted, *args)


def streamed(p, body, *fields):
    r = p.ask(post(body, *fields))
    assert r.status == 200 and r.complete, r.body
    return r.body


def scrape(p):
    return Page(p.ask(head("GET", "/metrics"), method="GET").body)


@pytest.mark.parametrize("body,want,shown", [
    (b'{"stream":true}', b'{"stream":true' + ADDED + b"}", False),
    (b'{"stream_options":{"include_usage":false},"stream":true}',
     b'{"stream_options":{"include_usage":true},"stream":true}', False),
    (b'{"stream_options":{"include_usage":true},"stream":true}', None, True),
    (b'{"stream":true,"stream_options":{}}', b'{"stream":true' + ADDED + b"}", False),
    (b'{"stream_options":null,"stream":true}', b'{"stream":true' + ADDED + b"}", False),
])
def test_usage_is_asked_for_and_hidden_from_whom_did_not_ask(proxy, openai, body, want, shown):
    u = openai()
    p = proxy(u, **ON)
    got = streamed(p, body, "Accept-Encoding: gzip")
    assert u.seen[0].body == (want or body)
    assert not u.seen[0].has("accept-encoding")
    assert got == (events(True) if shown else events(True).replace(USAGE, b""))


def test_what_is_no_stream_is_left_alone(proxy, openai):
    u = openai()
    p = proxy(u, **ON)
    for body in (b'{"stream":false}', b'{ "a":1}', b'{"stream_options":null}'):
        r = p.ask(post(body))
        assert r.status == 200 and u.seen[-1].body == body
        assert r.body == b'{"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    assert p.ask(post(b'{"stream_options":{"include_usage":true}}')).status == 400
    p.ask(head("GET", "/v1/models", "Accept-Encoding: gzip"), method="GET")
    assert u.seen[-1].get("accept-encoding") == "gzip"


def test_off_everything_passes(proxy, openai):
    u = openai()
    p = proxy(u)
    body = b'{"stream":true,"stream_options":{"include_usage":true}}'
    assert streamed(p, body, "Accept-Encoding: gzip") == events(True)
    assert u.seen[0].body == body and u.seen[0].get("accept-encoding") == "gzip"
    assert streamed(p, b'{"stream":true}') == events(False)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_hidden_at_every_split(proxy, scripted, end, framing):
    """And what is not hidden arrives in whatever pieces, but byte for byte."""
    whole = (b": ping\n\n" + WITH_NULL + b"id: 1\n" + FINISH + b": soon\n" + USAGE + b": x\n\n"
             + DONE).replace(b"\n", end)
    want = whole.replace(USAGE.replace(b"\n", end), b"")
    assert len(want) < len(whole)

    def handler(conn, n):
        while conn.buf or conn.more():
            at = int(conn.request().get("x-at"))
            parts = [p for p in (whole[:at], whole[at:]) if p]
            if framing == "chunked":
                conn.send(SSE_HEAD + b"".join(chunk(p) for p in parts) + b"0\r\n\r\n")
            else:
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + whole)
                return
    p = proxy(scripted(handler), **ON)
    c = p.connect()
    for at in range(0, len(whole) + 1, 1 if framing == "chunked" else 300):
        r = c.send(post(b'{"stream":true}', f"X-At: {at}")).response()
        assert r.complete and r.body == want, (at, r.body)


def test_hidden_in_the_smallest_pieces(proxy, openai):
    u = openai(lambda n, s: [s[i:i + n + 1] for i in range(0, len(s), n + 1)])
    p = proxy(u, **ON)
    for _ in range(9):
        assert streamed(p, b'{"stream":true}') == events(True).replace(USAGE, b"")


def test_chunks_that_hide_nothing_stay_as_they_are(proxy, openai):
    u = openai(lambda n, s: [WITH_NULL + FINISH, USAGE + DONE])
    r = proxy(u, **ON).ask(post(b'{"stream":true}'))
    assert r.chunks == [WITH_NULL + FINISH, DONE]


@pytest.mark.parametrize("event", [
    USAGE.replace(b'"choices":[]', b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]'),
    USAGE.replace(b'"choices":[],', b""),
    b'data: {"choices":[],"prompt_filter_results":[{"a":{}}],"usage":null}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":1},"error":{"message":"x"}}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":1}\n\n',
    USAGE[:-1] + DONE,
    b"event: ping\ndata: {}\n\n",
    b'data: {"choices":[],"pad":"%s","usage":{"prompt_tokens":1}}\n\n' % (b"x" * 8200),
])
def test_other_events_are_not_hidden(proxy, scripted, event):
    """Of the same bytes in one piece and in many the same becomes."""
    body = WITH_NULL + FINISH + event + DONE

    def handler(conn, n):
        while conn.buf or conn.more():
            step = int(conn.request().get("x-step"))
            conn.send(SSE_HEAD + b"".join(chunk(body[i:i + step])
                                          for i in range(0, len(body), step)) + b"0\r\n\r\n")
    p = proxy(scripted(handler), **ON)
    for step in (100000, 1000, 90, 7):
        assert streamed(p, b'{"stream":true}', f"X-Step: {step}") == body


def test_an_event_of_usage_in_many_lines_is_hidden(proxy, scripted):
    event = (b'id: 9\r\ndata: {"choices":\r\ndata: [ ],"usage":{"prompt_tokens":1,\r\n'
             b'data:"x":1} }\r\n')

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(FINISH + event + b"\r\n" + DONE) + b"0\r\n\r\n")
    assert streamed(proxy(scripted(handler), **ON), b'{"stream":true}') == FINISH + DONE


def test_no_event_waits_for_the_next(proxy, scripted):
    """Nor does a comment; of an event that is cut in two only what may be usage waits."""
    turn = queue.Queue()
    steps = [WITH_NULL, b": ping\n\n", b": ping\n", WITH_NULL[:100], WITH_NULL[100:], FINISH]

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        for s in steps:
            conn.send(chunk(s))
            turn.get(timeout=8)
        conn.send(chunk(USAGE))
        turn.get(timeout=8)
        conn.send(chunk(DONE) + b"0\r\n\r\n")
    c = proxy(scripted(handler), **ON).connect().send(post(b'{"stream":true}'))
    c.response_head()
    for s in steps:
        assert c.chunk() == s
        turn.put(None)
    assert c.silent()
    turn.put(None)
    assert c.chunk() == DONE and c.chunk() == b""


def test_part_of_an_event_waits_until_it_is_known(proxy, scripted):
    turn = threading.Event()

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(WITH_NULL[:30]))
        turn.wait(8)
        conn.send(chunk(WITH_NULL[30:100]))
        conn.gone(20)
    c = proxy(scripted(handler), **ON).connect().send(post(b'{"stream":true}'))
    c.response_head()
    assert c.silent()
    turn.set()
    assert c.chunk() + c.chunk() == WITH_NULL[:100]
    c.close()


@pytest.mark.parametrize("sent,passed,code", [
    (WITH_NULL + FINISH + USAGE[:50], WITH_NULL + FINISH, "upstream_error"),
    (WITH_NULL + FINISH + USAGE[:-1], WITH_NULL + FINISH, "upstream_error"),
    (WITH_NULL + FINISH + USAGE, WITH_NULL + FINISH, "upstream_error"),
    (WITH_NULL + USAGE[:-2], WITH_NULL, "upstream_error"),
    (WITH_NULL + FINISH + USAGE + DONE, WITH_NULL + FINISH + DONE, None),
])
def test_a_stream_that_is_cut_at_its_usage_says_so(proxy, scripted, sent, passed, code):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(sent))
    r = proxy(scripted(handler), **ON).ask(post(b'{"stream":true}'))
    assert r.complete and r.body.startswith(passed)
    rest = r.body[len(passed):]
    if code is None:
        assert rest == b""
        return
    assert rest.startswith(b"\n\ndata: ") and error_of(rest[8:])["code"] == code


@pytest.mark.parametrize("tail,left", [(USAGE, b""), (USAGE[:-1], b""), (USAGE[:-2], b""),
                                       (USAGE[:-3], USAGE[:-3]), (b"data: {", b"data: {"),
                                       (b"da", b"da"), (b": x", b": x")])
def test_a_stream_that_ends_without_a_blank_line(proxy, scripted, tail, left):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(FINISH) + b"".join(chunk(tail[i:i + 1])
                                                      for i in range(len(tail))) + b"0\r\n\r\n")
    assert streamed(proxy(scripted(handler), **ON), b'{"stream":true}') == FINISH + left


@pytest.mark.parametrize("first,second", [("yes", "no"), ("no", "yes")])
@pytest.mark.parametrize("asks", [False, True])
def test_each_try_asks_as_its_upstream_says(proxy, openai, first, second, asks):
    bad, good = openai(None, 503), openai()
    p = proxy(bad, upstream={"include_usage": first, "fallback": "b"},
              **{"upstream b": {"base_url": good.url, "include_usage": second}})
    plain = b'{"stream":true,"n":1}'
    body = plain[:-1] + ADDED + b"}" if asks else plain
    got = streamed(p, body)
    asked = plain[:-1] + ADDED + b"}"
    assert bad.seen[0].body == (asked if asks or first == "yes" else plain)
    assert good.seen[0].body == (asked if asks or second == "yes" else plain)
    if asks:
        assert got == events(True)
    elif second == "yes":
        assert got == events(True).replace(USAGE, b"")
    else:
        assert got == events(False)


def test_inherited_and_chosen_by_model(proxy, openai):
    one, two, three = openai(), openai(), openai()
    p = proxy(one, upstream={"include_usage": "yes"},
              **{"upstream b": {"base_url": two.url, "models": "b -> c"},
                 "upstream d": {"base_url": three.url, "models": "d", "include_usage": "no"}})
    for model in "abd":
        streamed(p, b'{"stream":true,"model":"%s"}' % model.encode())
    assert one.seen[0].body == b'{"stream":true,"model":"a"' + ADDED + b"}"
    assert two.seen[0].body == b'{"stream":true,"model":"c"' + ADDED + b"}"
    assert three.seen[0].body == b'{"stream":true,"model":"d"}'


def test_aliases_and_defaults(proxy, openai):
    u = openai()
    p = proxy(u, field_aliases={"so": "stream_options", "iu": "include_usage"},
              defaults={"stream": "true"}, **ON)
    assert streamed(p, b'{"so":{"iu":false}}') == events(True).replace(USAGE, b"")
    assert u.seen[-1].body == b'{"stream_options":{"include_usage":true},"stream":true}'
    assert streamed(p, b'{"so":{"iu":true}}') == events(True)
    assert streamed(p, b'{}') == events(True).replace(USAGE, b"")
    assert u.seen[-1].body == b'{"stream":true' + ADDED + b"}"


def test_tokens_of_streams_are_counted(proxy, openai):
    u = openai()
    p = proxy(u, **ON, **ASK)
    for body in (b'{"stream":true}', b'{"stream":true' + ADDED + b"}", b"{}"):
        p.ask(post(body))
    page = scrape(p)
    assert page.sum("tokens_total", direction="input") == 23
    assert page.sum("tokens_total", direction="output") == 16


def test_a_large_body_whose_stream_comes_last(proxy, openai):
    u = openai()
    p = proxy(u, **ON)
    body = b'{"stream_options" : null,"messages":["' + b"x" * (20 << 20) + b'"],"stream":true}'
    pieces = [body[i:i + 1000000] for i in range(0, len(body), 1000000)]
    for raw in (post(body), post_chunked(pieces)):
        r = p.ask(raw)
        assert r.body == events(True).replace(USAGE, b"")
        assert u.seen[-1].body == b"{" + body[body.index(b'"mess'):-1] + ADDED + b"}"
    assert p.rss() < 64 << 20


def test_the_log_has_what_was_forwarded(proxy, openai):
    u = openai()
    p = proxy(u, log={"log_requests": "yes", "log_responses": "yes"}, **ON)
    streamed(p, b'{"stream":true}')
    p.wait_log("request body.*include_usage")
    line = p.wait_log("answer body.*")[0]
    assert "DONE" in line and "prompt_tokens" not in line


def test_what_is_no_json_or_coded_is_refused(proxy, openai):
    u = openai()
    p = proxy(u, **ON)
    assert p.ask(post(b"{")).error["code"] == "invalid_json"
    assert p.ask(post(b"{}", "Content-Encoding: gzip")).status == 415
    assert not u.seen


def test_a_coded_stream_passes_as_it_is(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: br\r\n\r\n")
                  + chunk(USAGE) + b"0\r\n\r\n")
    assert streamed(proxy(scripted(handler), **ON), b'{"stream":true}') == USAGE
