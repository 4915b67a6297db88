"""ping_interval: comment lines in a stream that is silent, between two events only."""
import time

import pytest

from httpraw import STREAM, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta, ok

PING = b": ping\n\n"


def scene(*steps):
    """A handler that sends bytes and sleeps for numbers, in turn."""
    def handler(conn, _):
        conn.request()
        for step in steps:
            if isinstance(step, bytes):
                conn.send(step)
            else:
                time.sleep(step)
    return handler


def pings(proxy, scripted, *steps, interval="150ms", **upstream):
    p = proxy(scripted(scene(*steps)), server={"ping_interval": interval}, upstream=upstream)
    return p.ask(post(STREAM))


END = (chunk(FINISH + DONE), b"0\r\n\r\n")


def test_a_silent_stream_is_pinged_between_events(proxy, scripted):
    r = pings(proxy, scripted, SSE_HEAD + chunk(delta("a")), 0.5, chunk(delta("b")), *END)
    assert r.complete and 2 <= r.body.count(PING) <= 4
    assert r.body.startswith(delta("a") + PING)
    assert r.body.replace(PING, b"") == delta("a") + delta("b") + FINISH + DONE


def test_off_by_default(proxy, scripted):
    p = proxy(scripted(scene(SSE_HEAD + chunk(delta("a")), 0.5, *END)))
    assert p.ask(post(STREAM)).body == delta("a") + FINISH + DONE


@pytest.mark.parametrize("cut", [1, 5, 6, 20, -2, -1])
@pytest.mark.parametrize("ends", ["\n\n", "\r\n\r\n"])
def test_never_inside_an_event(proxy, scripted, cut, ends):
    event = delta("a", ends)
    r = pings(proxy, scripted, SSE_HEAD + chunk(event[:cut]), 0.4, chunk(event[cut:]), 0.4, *END)
    assert r.complete and event in r.body and PING in r.body.partition(event)[2]


def test_never_before_the_head(proxy, scripted):
    r = pings(proxy, scripted, 0.5, SSE_HEAD + chunk(delta("a")), *END)
    assert r.body == delta("a") + FINISH + DONE


def test_right_after_the_head(proxy, scripted):
    r = pings(proxy, scripted, SSE_HEAD, 0.4, chunk(delta("a")), *END)
    assert r.body.startswith(PING)


def test_events_that_come_in_time_are_followed_by_none(proxy, scripted):
    steps = [s for _ in range(10) for s in (chunk(delta("a")), 0.05)]
    assert PING not in pings(proxy, scripted, SSE_HEAD, *steps, *END, interval="400ms").body


def test_a_silent_upstream_is_still_found_out(proxy, scripted):
    r = pings(proxy, scripted, SSE_HEAD + chunk(delta("a")), 2, idle_timeout="600ms")
    assert r.complete and PING in r.body and b'"code":"upstream_timeout"' in r.body


def test_other_bodies_are_left_alone(proxy, scripted):
    body = b'{"a":' + b"1" * 100 + b"}"
    r = pings(proxy, scripted, ok(body)[:-50], 0.4, body[-50:])
    assert r.body == body


def test_over_http_1_0(proxy, scripted):
    p = proxy(scripted(scene(SSE_HEAD + chunk(delta("a")), 0.4, *END)),
              server={"ping_interval": "150ms"})
    r = p.ask(post(STREAM, version="1.0"))
    assert r.body.replace(PING, b"") == delta("a") + FINISH + DONE and PING in r.body
