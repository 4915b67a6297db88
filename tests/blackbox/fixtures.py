"""Fixtures: what a test starts is stopped, and checked, at its end. Shared by the tests of this folder and of tests/sdk."""
import pytest

from peers import BlackHole, Scripted
from procs import BINARY, UPSTREAM, Proxy, Sample

__all__ = ["upstream", "proxy", "shared_proxy", "scripted", "black_hole"]


def need(path):
    if not path.exists():
        pytest.fail(f"{path} is not there; run make first", pytrace=False)


@pytest.fixture(scope="session")
def upstream():
    """One sample upstream for all tests: it remembers nothing."""
    need(UPSTREAM)
    s = Sample()
    yield s
    s.stop()


def stop_all(things):
    """Stops all in reverse order, then raises what the first of them had to say."""
    trouble = []
    for t in reversed(things):
        try:
            t.stop()
        except BaseException as e:      # the others must be stopped all the same
            trouble.append(e)
    if trouble:
        raise trouble[0]


def starter(folder, things):
    def start(base, *, env=None, preload=None, under=(), **sections):
        need(BINARY)
        url = base if isinstance(base, str) else base.url
        p = Proxy(folder / f"proxy{len(things)}", url, sections, env, preload, under)
        things.append(p)
        return p
    return start


@pytest.fixture
def proxy(tmp_path):
    """proxy(upstream or URL, server={…}, upstream={…}, …): starts a proxy, the keywords being sections of its proxy.ini, in which
    {port} is the port that the test will use."""
    things = []
    yield starter(tmp_path, things)
    stop_all(things)


@pytest.fixture(scope="module")
def shared_proxy(tmp_path_factory):
    """The same for a proxy that many tests of a file share."""
    things = []
    yield starter(tmp_path_factory.mktemp("shared"), things)
    stop_all(things)


@pytest.fixture
def scripted():
    """scripted(handler): an upstream whose handler(conn, n) has each connection to itself."""
    things = []

    def start(handler):
        things.append(Scripted(handler))
        return things[-1]
    yield start
    stop_all(things)


@pytest.fixture
def black_hole():
    b = BlackHole()
    yield b
    b.stop()
