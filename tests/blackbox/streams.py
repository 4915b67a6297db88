"""Streams that last for a while, and several workers to serve them."""
import pytest

from httpraw import STREAM, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta
from procs import children, wait_for


@pytest.fixture
def workers(proxy):
    """A proxy with n workers, all of them up."""
    def start(base, n=2, log_path=None, under=(), **sections):
        server = {"workers": str(n), **sections.pop("server", {})}
        p = proxy(base, under=under, server=server, **sections)
        p.log_path = log_path or p.log_path
        p.wait_log(rf"info {n} workers")
        wait_for(lambda: len(children(p.pid)) == n)
        return p
    return start


def streaming(seconds):
    """A handler whose stream lasts that many seconds."""
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.silent(seconds)
        conn.send(chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")
    return handler


def begun(p, n):
    """n streams that have begun."""
    streams = [p.connect().send(post(STREAM)) for _ in range(n)]
    heads = [c.response_head() for c in streams]
    return list(zip(streams, heads))


def whole(streams):
    """True if all streams end completely."""
    return all(DONE in c.read_body(r, "close").body and r.complete for c, r in streams)
