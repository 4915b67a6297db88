"""Event streams: byte for byte, event by event, and visibly cut where they were cut."""
import json
import queue
import re
import time

import pytest

from httpraw import STREAM, error_of, head, post
from peers import DONE, FINISH, SSE_HEAD, answering, chunk, delta


@pytest.fixture(scope="module")
def p(shared_proxy, upstream):
    return shared_proxy(upstream)


def same(p, upstream, query):
    """Fetches a stream through the proxy and directly. Both must be equal."""
    raw = post(STREAM, query=query)
    mine, direct = p.ask(raw), upstream.ask(raw)
    assert mine.status == 200 and mine.complete
    assert mine.body == direct.body
    assert mine.get("content-type") == direct.get("content-type")
    return mine


@pytest.mark.parametrize("newlines", ["lf", "crlf", "cr"])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_bytes_are_identical(p, upstream, newlines, framing):
    r = same(p, upstream, f"events=20&newlines={newlines}&framing={framing}&usage=1")
    assert r.body.rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize("query", ["events=2000", "events=3&size=1000000", "events=40&size=65536",
                                   "events=3&split=7&framing=length",
                                   "events=3&split=1&framing=close&newlines=crlf",
                                   "events=2&split=3&newlines=cr", "events=5&chat=0",
                                   "events=5&chat=0&newlines=crlf&framing=close", "events=0"])
def test_bytes_are_identical_whatever_the_pieces(p, upstream, query):
    same(p, upstream, query)


def test_comments_ids_and_odd_lines_pass(proxy, scripted):
    body = (b"\xef\xbb\xbf: OPENROUTER PROCESSING\n\nid: 7\nretry: 10\nevent: x\ndata\n\r\n"
            b"\rdata:no space\ndata:  two\n\n" + delta("a\\u00e9\xe9") + b":\n\n"
            + FINISH + b"\n\n\n" + DONE)
    u = scripted(answering(SSE_HEAD + b"".join(chunk(body[i:i + 5]) for i in range(0, len(body), 5))
                           + b"0\r\n\r\n"))
    r = proxy(u).ask(post(STREAM))
    assert r.complete and r.body == body


def test_chunk_extensions_and_trailers_of_the_upstream_stop_here(proxy, scripted):
    u = scripted(answering(SSE_HEAD + b"%x;x=y\r\n%s\r\n0\r\nX-T: 1\r\n\r\n"
                           % (len(FINISH + DONE), FINISH + DONE)))
    r = proxy(u).ask(post(STREAM))
    assert r.complete and r.body == FINISH + DONE


def test_each_event_arrives_before_the_next_is_sent(proxy, scripted):
    """The upstream sends an event only after the client has confirmed the one before, so waiting
    for more would never end."""
    turn = queue.Queue()

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD)
        for i in range(30):
            turn.get(timeout=5)
            conn.send(chunk(delta(str(i))))
        turn.get(timeout=5)
        conn.send(chunk(FINISH + DONE) + b"0\r\n\r\n")
    p = proxy(scripted(handler))
    c = p.connect().send(post(STREAM))
    assert c.response_head().status == 200      # the head does not wait for an event either
    worst = 0
    for i in range(30):
        start = time.monotonic()
        turn.put(i)
        assert c.chunk() == delta(str(i))
        worst = max(worst, time.monotonic() - start)
    turn.put(None)
    assert c.chunk() == FINISH + DONE and c.chunk() == b""
    assert worst < 0.5


def test_nagle_holds_no_event_back(p):
    """Nagle's algorithm would wait for an acknowledgement, which a connection that has been in use
    delays by 40 ms, each time: so the quickest of many tells, whatever else the machine does."""
    c, took = p.connect(), []
    for _ in range(20):
        start = time.monotonic()
        c.send(post(STREAM, query="events=3&pause=1")).response()
        took.append(time.monotonic() - start)
    assert min(took[5:]) < 0.035, took


def test_part_of_an_event_is_not_held_back(proxy, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(b"data: {\"par"))
        conn.gone()
    c = proxy(scripted(handler)).connect().send(post(STREAM))
    c.response_head()
    assert c.chunk() == b"data: {\"par"
    c.close()


def cut_checked(sent, r):
    """Checks the end of a stream that was cut: the events so far, a blank line, the error, and no
    [DONE]."""
    assert r.body.startswith(sent), (sent[-200:], r.body)
    m = re.fullmatch(rb"\n\ndata: (\{[^\r\n]*\})\n\n", r.body[len(sent):])
    assert m, r.body[len(sent):]
    assert b"[DONE]" not in r.body
    return error_of(m[1])


CUT_AT = {
    "before the first event": b"",
    "after an event": delta("a"),
    "after two events": delta("a") + delta("b"),
    "in an event": delta("a") + delta("b")[:50],
    "after a line": delta("a") + delta("b")[:-1],
    "after data:": delta("a") + b"data:",
    "in a line with CRLF": delta("a", "\r\n\r\n") + delta("b", "\r\n\r\n")[:-3],
    "between CR and LF": delta("a", "\r\n\r\n")[:-1],
    "in a comment": delta("a") + b": ping",
    "after a lone CR": delta("a", "\r\r") + delta("b", "\r"),
    "in a character": delta("a") + 'data: {"é'.encode()[:-1],
}


def cut_handler(sent, how, framing=SSE_HEAD, wrap=chunk):
    def handler(conn, n):
        conn.request()
        conn.send(framing + (wrap(sent) if sent else b""))
        if how == "midchunk":
            conn.send(b"ff\r\n")
        time.sleep(0.05)
        conn.close(rst=how == "rst")
    return handler


@pytest.mark.parametrize("place", CUT_AT)
@pytest.mark.parametrize("how", ["fin", "rst", "midchunk"])
def test_a_cut_stream_says_so(proxy, scripted, place, how):
    sent = CUT_AT[place]
    c = proxy(scripted(cut_handler(sent, how))).connect().send(post(STREAM))
    r = c.response()
    assert cut_checked(sent, r)["code"] == "upstream_error"
    assert r.complete           # the chunked framing ends, so that every client reads the error
    assert c.send(head("GET", "/healthz")).response("GET").status == 200, "and may go on"


@pytest.mark.parametrize("n", [1, 2, 3, 10, 13])
def test_a_cut_in_the_middle_of_a_chunk(proxy, scripted, n):
    raw = chunk(delta("a")) + chunk(delta("b"))
    keep = len(raw) - n

    def handler(conn, i):
        conn.request()
        conn.send(SSE_HEAD + raw[:keep])
    r = proxy(scripted(handler)).ask(post(STREAM))
    sent = (delta("a") + delta("b"))[:len(delta("a") + delta("b")) - max(0, n - 2)]
    assert cut_checked(sent, r)["code"] == "upstream_error"


def test_a_cut_stream_that_was_until_close(proxy, scripted):
    until_close = SSE_HEAD.replace(b"Transfer-Encoding: chunked\r\n", b"")
    for how in ("rst", "fin"):
        r = proxy(scripted(cut_handler(delta("a"), how, until_close, bytes))).ask(post(STREAM))
        assert cut_checked(delta("a"), r)["code"] == "upstream_error"


def test_a_cut_stream_that_had_a_length(proxy, scripted):
    with_length = SSE_HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 100000")
    r = proxy(scripted(cut_handler(delta("a"), "fin", with_length, bytes))).ask(post(STREAM))
    assert cut_checked(delta("a"), r)["code"] == "upstream_error"


def test_nonsense_in_the_middle_of_a_stream(proxy, scripted):
    r = proxy(scripted(cut_handler(delta("a") , "fin", wrap=lambda b: chunk(b)
                                   + b"zz\r\nhello"))).ask(post(STREAM))
    assert cut_checked(delta("a"), r)["code"] == "upstream_error"


@pytest.mark.parametrize("end", [b"", b": bye\n\n", b'data: {"choices":[]}\n\n', b"data: [DONE",
                                 b'data: {"text":"finish_reason"}\n\n'])
def test_a_clean_end_without_finish_counts_as_cut(proxy, scripted, end):
    sent = delta("a") + end
    u = scripted(answering(SSE_HEAD + chunk(sent) + b"0\r\n\r\n"))
    r = proxy(u).ask(post(STREAM))
    assert cut_checked(sent, r)["code"] == "upstream_error" and r.complete


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
def test_a_clean_end_without_finish_in_every_framing(p, upstream, framing):
    raw = post(STREAM, query=f"events=3&noend=1&framing={framing}")
    sent = upstream.ask(raw).body
    r = p.ask(raw)
    assert r.complete and cut_checked(sent, r)["code"] == "upstream_error"


@pytest.mark.parametrize("end", [FINISH, DONE, FINISH + DONE, DONE.replace(b": ", b":"),
                                 DONE.rstrip(b"\n") + b"\r\n\r\n",
                                 b'data: {"object":"chat.completion.chunk","choices":[{"delta":{},'
                                 b'"finish_reason" : "length"}]}\n\n'])
def test_a_finished_stream_is_left_alone(proxy, scripted, end):
    u = scripted(answering(SSE_HEAD + chunk(delta("a")) + chunk(end) + b"0\r\n\r\n"))
    r = proxy(u).ask(post(STREAM))
    assert r.complete and r.body == delta("a") + end


FAILED = b'data: {"error":{"message":"worker lost","type":"provider_error","code":502}}\n\n'
USAGE = b'data: {"object":"chat.completion.chunk","choices":[],"usage":{"total_tokens":3}}\n\n'


def of_choice(index, reason="null"):
    return (b'data: {"object":"chat.completion.chunk","choices":[{"index":%d,"delta":{},'
            b'"finish_reason":%s}]}\n\n' % (index, reason.encode()))


def ends(proxy, scripted, sent):
    """The response to a stream that the upstream ends cleanly after sent, and how the log says it
    ended."""
    p = proxy(scripted(answering(SSE_HEAD + chunk(sent) + b"0\r\n\r\n")))
    r = p.ask(post(STREAM))
    p.wait_log("end=")
    assert r.complete
    return r, re.search(r"end=(\S+)", p.log())[1]


@pytest.mark.parametrize("end", [
    FAILED, b"event: error\ndata: {\"message\":\"lost\"}\n\n", USAGE, USAGE + b": bye\n\n",
    of_choice(1) + of_choice(0, '"stop"') + of_choice(1, '"length"'), of_choice(1) + DONE])
def test_a_stream_that_ended_in_its_own_way_is_left_alone(proxy, scripted, end):
    r, how = ends(proxy, scripted, delta("a") + end)
    assert r.body == delta("a") + end and how == "complete"


@pytest.mark.parametrize("end", [
    of_choice(0, '"null"'), of_choice(0, '""'), USAGE + delta("b"), FAILED + delta("b"),
    of_choice(1) + of_choice(0, '"stop"'), of_choice(0, '"stop"') + of_choice(1),
    of_choice(64) + of_choice(0, '"stop"') + of_choice(64, '"stop"')])
def test_a_stream_with_an_unfinished_choice_counts_as_cut(proxy, scripted, end):
    r, how = ends(proxy, scripted, delta("a") + end)
    assert cut_checked(delta("a") + end, r)["code"] == "upstream_error" and how == "upstream_lost"


def test_an_error_event_of_the_upstream_is_enough(proxy, scripted):
    """Also where the upstream breaks off after it. What is cut within it is told."""
    p = proxy(scripted(cut_handler(delta("a") + FAILED, "rst")))
    r = p.ask(post(STREAM))
    assert r.complete and r.body == delta("a") + FAILED
    p.wait_log("end=upstream_lost")
    sent = delta("a") + FAILED[:-1]
    cut_checked(sent, proxy(scripted(cut_handler(sent, "rst"))).ask(post(STREAM)))


@pytest.mark.parametrize("body", [
    b"", b": ping\n\n", b"event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n",
    b"data: {\"choices\":[{\"text\":\"a\"}]}\n\n",
    b"data: 1\n\ndata: 2\n\n", b"data: {\"error\":{\"message\":\"x\"}}\n\n",
    b"data: {\"x\":\"chat.completion.chunk\"}\n\n"])
def test_other_event_streams_are_never_judged(proxy, scripted, body):
    u = scripted(answering(SSE_HEAD + (chunk(body) if body else b"") + b"0\r\n\r\n"))
    r = proxy(u).ask(post(STREAM))
    assert r.complete and r.body == body


def test_a_chunk_without_object_but_with_a_delta_counts(proxy, scripted):
    sent = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    r = proxy(scripted(answering(SSE_HEAD + chunk(sent) + b"0\r\n\r\n"))).ask(post(STREAM))
    cut_checked(sent, r)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_another_body_that_is_cut_has_no_end(p, framing):
    for query in ("cut=100", "cut=100&rst=1", "cut=100&midchunk=1", "size=300000&cut=200000"):
        r = p.ask(post(query=f"framing={framing}&{query}"))
        assert r.status == 200 and not r.complete, query
        assert b"upstream_error" not in r.body


def test_another_body_until_close_that_is_reset_has_no_end(p):
    r = p.ask(post(query="framing=close&cut=100&rst=1"))
    assert not r.complete


@pytest.mark.parametrize("framing", ["close", "chunked", "length"])
def test_http_1_0_client_reads_until_close(p, upstream, framing):
    raw = post(STREAM, query=f"events=5&framing={framing}", version="1.0")
    c = p.connect().send(raw)
    r = c.response()
    assert r.framing in ("close", "length") and r.complete and r.has_token("connection", "close")
    assert r.body == upstream.ask(raw).body
    assert c.closed()


def test_http_1_0_client_of_a_cut_stream(proxy, scripted):
    r = proxy(scripted(cut_handler(delta("a"), "fin"))).ask(post(STREAM, version="1.0"))
    assert cut_checked(delta("a"), r)["code"] == "upstream_error"


def test_after_a_stream_the_connection_goes_on(p):
    c = p.connect()
    for _ in range(3):
        assert c.send(post(STREAM, query="events=3")).response().complete
        assert c.send(post(query="echo=body")).response().body == b"{}"


def test_a_compressed_stream_is_not_touched(proxy, scripted):
    body = b"\x1f\x8b data: chat.completion.chunk \x00\xff"
    u = scripted(answering(SSE_HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunk(body)
                           + b"0\r\n\r\n"))
    r = proxy(u).ask(post(STREAM))
    assert r.complete and r.body == body


def test_a_stream_answered_with_an_error_is_an_error(p):
    r = p.ask(post(STREAM, query="status=429"))
    assert r.status == 429 and r.get("retry-after") == "2"
    assert r.get("x-ratelimit-remaining-requests") == "0"
    assert json.loads(r.body)["error"]["code"] == "rate_limit_exceeded"


def test_many_streams_side_by_side(p, upstream):
    raw = post(STREAM, query="events=20&pause=5")
    direct = upstream.ask(raw).body
    conns = [p.connect().send(raw) for _ in range(100)]
    assert all(c.response().body == direct for c in conns)
    for c in conns:
        c.close()
