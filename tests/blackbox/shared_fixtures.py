"""Fixtures that stop and check, at a test's end, everything that the test started. tests/sdk uses
them, too."""
import pytest

import procs
from peers import BlackHole, Scripted
from procs import BINARY, UPSTREAM, Proxy, Sample


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its proxies have logged."""
    report = (yield).get_result()
    if report.failed:
        for p in procs.running:
            report.sections.append((str(p.log_path), p.log()[-8000:]))


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
    """Stops all in reverse order, then raises the first error."""
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
    """proxy(upstream or URL, server={…}, upstream={…}, …) starts a proxy. Keywords are sections of
    its proxy.ini; {port} in them is the proxy's port."""
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
    """scripted(handler) starts an upstream that gives each connection to handler(conn, n)."""
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
