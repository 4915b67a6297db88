"""Names of upstreams: look-ups that hang, and names with several addresses."""
import signal
import time

import pytest

import procs
from httpraw import post
from peers import Scripted, answering, ok

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
/* hang*.test takes half a minute; two.test has two addresses. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *,
                 struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    if (strncmp(host, "hang", 4) == 0)
        sleep(30);
    if (strcmp(host, "two.test") != 0)
        return next(host, service, hints, out);
    next("127.0.0.2", service, hints, out);
    while (*out)
        out = &(*out)->ai_next;
    return next("127.0.0.3", service, hints, out);
}
"""


@pytest.fixture
def library(tmp_path):
    return procs.preload_library(LIBRARY, tmp_path)


def test_a_look_up_that_hangs_is_left_behind_by_a_reload(proxy, upstream, library):
    p = proxy("http://hang.test", preload=library)
    waiting = p.connect().send(post())
    assert waiting.silent(0.3)
    p.write_ini(f"http://localhost:{upstream.port}", {})
    p.signal(signal.SIGHUP)
    p.wait_log("reload: done")
    start = time.monotonic()
    assert p.ask(post()).status == 200
    assert time.monotonic() - start < 1
    waiting.close()


def test_addresses_take_turns_and_one_that_fails_rests(proxy, library):
    port = procs.free_port("127.0.0.2")
    ends = [Scripted(answering(ok(b"{}", "Connection: close"), times=1), host, port)
            for host in ("127.0.0.2", "127.0.0.3")]
    p = proxy(f"http://two.test:{port}", preload=library)
    for _ in range(10):
        assert p.ask(post()).status == 200
    assert [len(e.conns) for e in ends] == [5, 5]
    ends[0].stop()
    for _ in range(10):
        assert p.ask(post()).status == 200
    assert len(ends[1].conns) == 15
    p.stop()
    ends[1].stop()
