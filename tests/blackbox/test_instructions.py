"""What a request and an event cost in the program itself: instructions, which callgrind counts the same each time.

The ceilings are a tenth above what gcc 12 gives with -O2 on x86-64 (7590, 1182 and 145): who makes the way longer finds out here.
"""
import pathlib
import platform
import re
import shutil

import pytest

import procs
from httpraw import STREAM, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta

FEW, MANY = 100, 500


def as_measured():
    """True if the program is built as the ceilings were taken, and runs on a processor like theirs (valgrind shows it no AVX-512)."""
    text, cpu = (p.read_bytes() if p.exists() else b"" for p in (procs.BINARY, pathlib.Path("/proc/cpuinfo")))
    return (not procs.sanitized() and platform.machine() == "x86_64" and b"avx2" in cpu and b"libc.so.6" in text
            and re.search(rb"GCC: \([^)]*\) 12\.", text) and b"clang version" not in text)


pytestmark = [pytest.mark.skipif(not shutil.which("valgrind"), reason="there is no valgrind here"),
              pytest.mark.skipif(not as_measured(), reason="the ceilings are for gcc 12, glibc, x86-64 with AVX2, and no sanitizer")]


@pytest.fixture
def cost(proxy, tmp_path):
    """cost(upstream, work): instructions for each n of work(proxy, n), starting and ending not counted."""
    def count(upstream, work, n):
        out = tmp_path / f"callgrind-{n}"
        p = proxy(upstream, under=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"), log={"level": "warning"})
        work(p, n)
        p.stop()
        return int(re.search(r"^summary: (\d+)", out.read_text(), re.M)[1])

    def cost(upstream, work):
        each = (count(upstream, work, MANY) - count(upstream, work, FEW)) / (MANY - FEW)
        print(f"{each:.0f} instructions")
        return each
    return cost


def test_a_small_request(cost, upstream):
    raw = post('{"model":"m","messages":[]}', "Authorization: Bearer x")

    def work(p, n):
        c = p.connect()
        for _ in range(n):
            assert c.send(raw).response().status == 200
    assert cost(upstream, work) < 8200


def test_an_event_that_comes_alone(cost, upstream):
    def work(p, n):
        r = p.connect().send(post(STREAM, query=f"events={n}&pause=3")).response()
        assert len(r.chunks) >= n
    assert cost(upstream, work) < 1310


def test_an_event_of_many(cost, scripted):
    """All events of a stream at once, and each stream ten times."""
    def work(p, n):
        c = p.connect()
        for _ in range(10):
            assert c.send(post(STREAM, query=str(n))).response().body.count(b"data:") == n + 2

    def flood(conn, _):
        for _ in range(10):
            n = int(conn.request().target.partition("?")[2])
            conn.send(SSE_HEAD + chunk(delta("some words")) * n + chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")
    assert cost(scripted(flood), work) / 10 < 160
