"""What a request and an event cost in the program itself: instructions, which callgrind counts the
same each time.

The ceilings are a little above what gcc 12 gives with -O2 on x86-64 (8387, 1256 and 144): who makes
the way longer finds out here.
"""
import json
import pathlib
import platform
import re
import shutil
import threading

import pytest

import procs
from httpraw import STREAM, post
from peers import DONE, FINISH, SSE_HEAD, answering, chunk, delta, ok

FEW, MANY = 100, 500


def as_measured():
    """True if the program is built like the one that the ceilings come from, and runs on such a
    processor (valgrind hides AVX-512)."""
    text, cpu = (p.read_bytes() if p.exists() else b""
                 for p in (procs.BINARY, pathlib.Path("/proc/cpuinfo")))
    return (not procs.sanitized() and platform.machine() == "x86_64" and b"avx2" in cpu
            and b"libc.so.6" in text
            and re.search(rb"GCC: \([^)]*\) 12\.", text) and b"clang version" not in text)


pytestmark = [pytest.mark.alone,
              pytest.mark.skipif(not shutil.which("valgrind"), reason="there is no valgrind here"),
              pytest.mark.skipif(not as_measured(),
                                 reason="the ceilings are for gcc 12, glibc, x86-64 with AVX2, "
                                        "and no sanitizer")]


@pytest.fixture
def cost(proxy, tmp_path):
    """cost(upstream, work): instructions for each n of work(proxy, n), without the start and the
    end. Valgrind makes code, and system calls of its own, which no sandbox allows; the warning that
    there is none would start the thread of the log."""
    def count(upstream, work, n, **sections):
        out = tmp_path / f"callgrind-{n}"
        p = proxy(upstream, under=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"),
                  **{"log": {"level": "error"}, "server": {"sandbox": "no"}, **sections})
        work(p, n)
        p.stop()
        return int(re.search(r"^summary: (\d+)", out.read_text(), re.M)[1])

    def cost(upstream, work, **sections):
        each = (count(upstream, work, MANY, **sections)
                - count(upstream, work, FEW, **sections)) / (MANY - FEW)
        print(f"{each:.0f} instructions")
        return each
    return cost


def test_a_small_request(cost, upstream):
    raw = post('{"model":"m","messages":[]}', "Authorization: Bearer x")

    def work(p, n):
        c = p.connect()
        for _ in range(n):
            assert c.send(raw).response().status == 200
    assert cost(upstream, work) < 8420


def test_the_line_of_a_request(cost, upstream):
    """Built, masked and written."""
    raw = post('{"model":"m","messages":[]}', "Authorization: Bearer x")

    def work(p, n):
        c = p.connect()
        for _ in range(n):
            assert c.send(raw).response().status == 200
    logged = cost(upstream, work, log={"level": "info", "file": "/dev/null"})
    assert logged - cost(upstream, work) < 3800


def test_the_choice_by_model(cost, upstream):
    """A body of 600 bytes is read once more, and not kept."""
    text = "You are a helpful assistant that answers in one short sentence, please. " * 7
    raw = post(json.dumps({"messages": [{"role": "user", "content": text}], "model": "gpt-4o",
                           "temperature": 0.7}), "Authorization: Bearer x")

    def work(p, n):
        c = p.connect()
        for _ in range(n):
            assert c.send(raw).response().status == 200
    one = cost(upstream, work)
    several = cost(upstream, work, **{"upstream b": {"base_url": upstream.url, "models": "gpt-*"}})
    print(f"{several / one:.2f} times")
    assert several / one < 1.35


def test_an_event_that_comes_alone(cost, scripted):
    """The next one is sent when the client has this one."""
    has_it = threading.Semaphore(0)

    def one_by_one(conn, _):
        n = int(conn.request().target.partition("?")[2])
        conn.send(SSE_HEAD)
        for _ in range(n):
            conn.send(chunk(delta("some words")))
            assert has_it.acquire(timeout=5)
        conn.send(chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")

    def work(p, n):
        c = p.connect().send(post(STREAM, query=str(n)))
        r = c.response_head()
        for _ in range(n):
            c.chunk()
            has_it.release()
        c.read_body(r, "close")
        assert r.complete
    assert cost(scripted(one_by_one), work) < 1285


def test_a_byte_of_a_logged_body(cost, scripted, tmp_path):
    """It is searched for secrets (33 of 79), escaped, and copied twice."""
    text = b'{"role":"user","content":"He said \\"forty two\\", and left.\\nThen we went on."},'
    body = text * (60000 // len(text))
    u = scripted(answering(ok(body)))
    raw = post("{}", "Authorization: Bearer key-of-client-7")
    keys = {f"key-of-client-{i}": f"sk-proj-real-{i * 7919:012d}" for i in range(50)}

    def work(p, n):
        c = p.connect()
        for _ in range(n):
            assert c.send(raw).response().body == body
    plain = cost(u, work, api_keys=keys)
    logged = cost(u, work, api_keys=keys,
                  log={"level": "info", "log_responses": "yes", "file": "/dev/null"})
    each = (logged - plain) / len(body)
    print(f"{each:.1f} instructions a byte")
    assert each < 87


def test_an_event_of_many(cost, scripted):
    """All events of a stream at once, and each stream ten times."""
    def work(p, n):
        c = p.connect()
        for _ in range(10):
            assert c.send(post(STREAM, query=str(n))).response().body.count(b"data:") == n + 2

    def flood(conn, _):
        for _ in range(10):
            n = int(conn.request().target.partition("?")[2])
            conn.send(SSE_HEAD + chunk(delta("some words")) * n + chunk(FINISH) + chunk(DONE)
                      + b"0\r\n\r\n")
    assert cost(scripted(flood), work) / 10 < 160
