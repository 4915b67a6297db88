"""The cost of a request and of an event: system calls counted by strace, allocations by a counter
in front of malloc."""
import struct

import pytest

import procs
from httpraw import STREAM, post
from strace import Strace

pytestmark = [pytest.mark.alone,
              pytest.mark.skipif(procs.sanitized(), reason="a sanitizer makes calls of its own")]
N = 1000


@pytest.fixture
def p(proxy, upstream):
    return proxy(upstream, log={"level": "warning"})


def test_a_small_request(p, tmp_path):
    c = p.connect()
    raw = post('{"model":"m","messages":[]}', "Authorization: Bearer x")
    for _ in range(50):
        c.send(raw).response()
    with Strace(p.pid, tmp_path / "strace") as s:
        for _ in range(N):
            assert c.send(raw).response().status == 200
    assert s.reads <= 2.02 * N and s.writes <= 2.02 * N
    assert s.count("epoll_ctl") == 0
    assert s.count("brk", "mmap", "munmap", "madvise", "mremap") == 0
    assert s.count("epoll_wait", "epoll_pwait", "epoll_pwait2") <= 2.1 * N
    assert sum(s.others.values()) < 0.02 * N, s.others


def test_a_client_connection_each(p, tmp_path):
    """accept, read, write, close: the upstream's side stays warm."""
    raw = post("{}", "Connection: close")
    for _ in range(50):
        p.ask(raw)
    with Strace(p.pid, tmp_path / "strace") as s:
        for _ in range(200):
            assert p.ask(raw).status == 200
    assert s.count("accept", "accept4") <= 2.1 * 200
    assert s.count("socket", "connect") <= 2
    assert s.count("epoll_ctl") <= 1.1 * 200
    # musl's malloc may give back the memory of every few connections
    assert s.count("brk", "mmap", "munmap") <= (4 if procs.is_glibc() else 150)


def test_lines_are_written_together(proxy, upstream, tmp_path):
    """The thread that writes them wakes once for many, also when it keeps up with each."""
    p = proxy(upstream, log={"level": "info", "file": str(tmp_path / "log")})
    c = p.connect()
    raw = post('{"model":"m","messages":[]}', "Authorization: Bearer x")
    for _ in range(50):
        c.send(raw).response()
    with Strace(p.pid, tmp_path / "strace") as s:
        for _ in range(N):
            assert c.send(raw).response().status == 200
        lines = (tmp_path / "log").read_text
        procs.wait_for(lambda: lines().count("method=POST") == N + 50)
    assert s.count("write") < N / 5
    assert s.count("futex") < N / 2


def test_an_event(p, tmp_path):
    n = 400
    c = p.connect()
    for _ in range(3):
        c.send(post(STREAM)).response()
    with Strace(p.pid, tmp_path / "strace") as s:
        r = c.send(post(STREAM, query=f"events={n}&pause=3")).response()
    assert len(r.chunks) >= n
    assert s.reads <= 1.05 * n + 10 and s.writes <= 1.05 * n + 10
    assert s.count("epoll_ctl") == 0 and s.count("brk", "mmap", "munmap") == 0
    assert s.count("epoll_wait", "epoll_pwait", "epoll_pwait2") <= 1.1 * n + 10


COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static unsigned long fallback, *count = &fallback;
__attribute__((constructor)) static void start(void)
{
    int fd = open(getenv("MALLOC_COUNT_FILE"), O_RDWR);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)
        count = p;
}
static void one(void) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }
void *malloc(size_t n) { one(); return __libc_malloc(n); }
void *calloc(size_t a, size_t b) { one(); return __libc_calloc(a, b); }
void *realloc(void *p, size_t n) { one(); return __libc_realloc(p, n); }
"""


@pytest.fixture
def counter(tmp_path):
    """A library that writes the number of allocations to a file."""
    count = tmp_path / "count"
    count.write_bytes(bytes(4096))
    return procs.preload_library(COUNTER, tmp_path), count


def allocations(count):
    return struct.unpack("L", count.read_bytes()[:8])[0]


@pytest.mark.parametrize("what", ["request", "chunked", "stream", "refused"])
def test_no_allocation_on_warm_connections(proxy, upstream, counter, what):
    library, count = counter
    p = proxy(upstream, log={"level": "info"}, preload=library,
              env={"MALLOC_COUNT_FILE": str(count)})
    raw = {"request": post(), "chunked": post(query="framing=chunked"), "stream": post(STREAM),
           "refused": post("{}", target="/x")}[what]
    c = p.connect()
    for _ in range(20):
        c.send(raw).response()
    before = allocations(count)
    assert before > 0
    for _ in range(200):
        c.send(raw).response()
    assert allocations(count) - before <= 4
