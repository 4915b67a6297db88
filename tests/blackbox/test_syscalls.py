"""What a request and an event cost, counted: system calls with strace, allocations with a counter put before malloc."""
import re
import shutil
import signal
import struct
import subprocess
import time

import pytest

import procs
from httpraw import STREAM, post

pytestmark = pytest.mark.skipif(procs.sanitized(), reason="a sanitizer makes calls of its own")
N = 1000


class Strace:
    """Counts the system calls of a running process while the block runs."""

    def __init__(self, pid, out):
        self.pid, self.out = pid, out

    def __enter__(self):
        if not shutil.which("strace"):
            pytest.skip("there is no strace here")
        self.process = subprocess.Popen(["strace", "-c", "-f", "-o", str(self.out), "-p", str(self.pid)], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.process.wait(5)
            pytest.skip(f"strace may not attach here: {line.strip()}")
        return self

    def __exit__(self, *args):
        time.sleep(0.1)
        self.process.send_signal(signal.SIGINT)
        self.process.stderr.read()
        self.process.wait(10)
        self.process.stderr.close()
        self.calls = {}
        for line in self.out.read_text().splitlines():
            m = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if m and m[2] != "total":
                self.calls[m[2]] = int(m[1])
        print("\n", self.calls)

    def count(self, *names):
        return sum(self.calls.get(n, 0) for n in names)

    @property
    def reads(self):
        return self.count("read", "readv", "recvfrom", "recvmsg")

    @property
    def writes(self):
        return self.count("write", "writev", "sendto", "sendmsg")

    @property
    def others(self):
        return {n: k for n, k in self.calls.items() if n not in (
            "read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "epoll_wait", "epoll_pwait", "epoll_pwait2",
            "clock_gettime", "restart_syscall")}


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
    assert s.count("brk", "mmap", "munmap") <= 4


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
void *malloc(size_t n) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); return __libc_malloc(n); }
void *calloc(size_t a, size_t b) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); return __libc_calloc(a, b); }
void *realloc(void *p, size_t n) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); return __libc_realloc(p, n); }
"""


@pytest.fixture
def counter(tmp_path):
    """A library that counts allocations in a file."""
    count = tmp_path / "count"
    count.write_bytes(bytes(4096))
    return procs.preload_library(COUNTER, tmp_path), count


def allocations(count):
    return struct.unpack("L", count.read_bytes()[:8])[0]


@pytest.mark.parametrize("what", ["request", "chunked", "stream", "refused"])
def test_no_allocation_on_warm_connections(proxy, upstream, counter, what):
    library, count = counter
    p = proxy(upstream, log={"level": "info"}, preload=library, env={"MALLOC_COUNT_FILE": str(count)})
    raw = {"request": post(), "chunked": post(query="framing=chunked"), "stream": post(STREAM), "refused": post("{}", target="/x")}[what]
    c = p.connect()
    for _ in range(20):
        c.send(raw).response()
    before = allocations(count)
    assert before > 0
    for _ in range(200):
        c.send(raw).response()
    assert allocations(count) - before <= 4
