"""The process stands still for longer than its time-outs, or its clock jumps. What came in time
counts as in time, and what is silent for too long is still ended afterwards."""
import contextlib
import signal
import threading
import time

import pytest

import procs
from httpraw import STREAM, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta

LIMIT = 1
SHORT = {"server": {"header_timeout": f"{LIMIT}s", "body_timeout": f"{LIMIT}s"},
         "upstream": {"idle_timeout": f"{LIMIT}s", "response_timeout": f"{LIMIT}s"}}
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

# The monotonic clock, with an offset that a file holds.
CLOCK = """
    #include <fcntl.h>
    #include <stdlib.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    int clock_gettime(clockid_t id, struct timespec *ts)
    {
        char text[32] = "";
        int n = (int)syscall(SYS_clock_gettime, id, ts);
        int fd = id == CLOCK_MONOTONIC ? open("OFFSET", O_RDONLY) : -1;
        if (fd >= 0) {
            if (read(fd, text, sizeof text - 1) > 0)
                ts->tv_sec += atol(text);
            close(fd);
        }
        return n;
    }
    """


class Steered:
    """An upstream whose stream goes on and ends when the test says so."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("one")))
        assert self.go.wait(5)
        conn.send(chunk(delta("two")) + chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")


@contextlib.contextmanager
def standstill(p):
    p.signal(signal.SIGSTOP)
    try:
        yield
        time.sleep(2 * LIMIT)
    finally:
        p.signal(signal.SIGCONT)


def test_what_came_in_time_is_read_before_time_outs_are_judged(proxy, scripted):
    upstream = Steered()
    p = proxy(scripted(upstream), **SHORT)
    slow = p.connect().send(HEAD[:9])
    stream = p.connect().send(post(STREAM))
    r = stream.response_head()
    upload = p.connect().send(post(b"x" * 100)[:-50])
    for c in (slow, upload):
        assert c.silent(0.1)
    with standstill(p):
        slow.send(HEAD[9:])
        upload.send(b"x" * 50)
        upstream.go.set()
    assert slow.response("GET").status == 200
    stream.read_body(r, "close")
    assert r.complete and b"[DONE]" in r.body
    assert upload.response_head().status == 200


def test_hundreds_that_came_in_time_are_read(proxy, upstream):
    """More than the kernel reports at once."""
    p = proxy(upstream, **SHORT)
    clients = [p.connect().send(HEAD[:9]) for _ in range(700)]
    assert clients[-1].silent(0.1)
    with standstill(p):
        for c in clients:
            c.send(HEAD[9:])
    assert {c.response("GET").status for c in clients} == {200}


def test_a_standstill_ends_no_time_out(proxy, scripted):
    """What stays silent is ended, a limit after the process goes on."""
    upstream = Steered()
    p = proxy(scripted(upstream), **SHORT)
    slow = p.connect().send(HEAD[:9])
    stream = p.connect().send(post(STREAM))
    r = stream.response_head()
    with standstill(p):
        pass
    start = time.monotonic()
    assert slow.response("GET").status == 408
    stream.read_body(r, "close")
    assert b"upstream_timeout" in r.body
    assert time.monotonic() - start < LIMIT + 2
    upstream.go.set()


@pytest.mark.parametrize("jump", [3600, -3600], ids=["forward", "backward"])
def test_a_clock_that_jumps_cuts_nothing_and_stops_no_time_out(proxy, scripted, tmp_path, jump):
    offset = tmp_path / "offset"
    offset.write_text("7200")
    library = procs.preload_library(CLOCK.replace("OFFSET", str(offset)), tmp_path)
    upstream = Steered()
    limits = {"server": {"header_timeout": "20s"},
              "upstream": {"idle_timeout": "20s", "response_timeout": "20s"}}
    p = proxy(scripted(upstream), preload=library, **limits)
    late = p.connect().send(HEAD[:9])
    stream = p.connect().send(post(STREAM))
    r = stream.response_head()
    offset.write_text(str(7200 + jump))
    assert p.ask(HEAD, "GET").status == 200
    upstream.go.set()
    stream.read_body(r, "close")
    assert r.complete and b"[DONE]" in r.body
    assert late.send(HEAD[9:]).response("GET").status == 200
    assert p.ask(HEAD[:9] + b"\n\n\n", "GET").status == 400
