"""The proxy on a small machine of its own, asked from outside: packaging/vm calls this. The tests
stand in the order of a machine's life."""
import re
import threading
import time

import pytest

import httpraw
from guest import HOST, Guest
from httpraw import STREAM, head, post
from peers import DONE, FINISH, SSE_HEAD, chunk, delta
from tlspeers import TlsScripted

SCRIPT = "/etc/init.d/S50openai-chat-proxy"
INI = "/etc/openai-chat-proxy/proxy.ini"
KEY = "Authorization: Bearer front"
STREAMS = 200
WAIT = 60      # the guest is emulated
EVENTS = 30


class Streaming:
    """Answers each request with a stream, of which all but the first event wait for the gate."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, conn, n):
        while conn.buf or conn.more(60):
            conn.request()
            conn.send(SSE_HEAD + chunk(delta("0")))
            assert self.gate.wait(120)
            for i in range(1, EVENTS):
                conn.send(chunk(delta(str(i))))
            conn.send(chunk(FINISH + DONE) + b"0\r\n\r\n")


WHOLE = b"".join(delta(str(i)) for i in range(EVENTS)) + FINISH + DONE


@pytest.fixture(scope="module")
def streaming():
    return Streaming()


@pytest.fixture
def gate(streaming):
    yield streaming.gate
    streaming.gate.set()


@pytest.fixture(scope="module")
def upstream(authority, streaming):
    u = TlsScripted(streaming, authority.issue("host", addresses=[HOST]), host=HOST)
    yield u
    u.stop()


@pytest.fixture(scope="module")
def guest(authority, upstream):
    g = Guest({INI[1:]: f"""\
[server]
listen = 0.0.0.0:8000
user = proxy
drain_timeout = 10
[upstream]
base_url = {upstream.url}
ca_file = /etc/openai-chat-proxy/ca.crt
timeout = 60
[api_keys]
front = sk-real
[log]
file = /var/log/openai-chat-proxy.log
""", "etc/openai-chat-proxy/ca.crt": authority.file.read_text()})
    yield g
    g.stop()


def connect(guest):
    return httpraw.connect(guest.port)


def ask(guest, request, method="POST"):
    c = connect(guest)
    r = c.send(request).response(method, WAIT)
    c.close()
    return r


def well(guest):
    """qemu takes connections for a guest that does not listen yet, and then drops them."""
    try:
        return ask(guest, head("GET", "/healthz"), "GET").status == 200
    except (OSError, httpraw.Broken):
        return False


def soon(condition, wait=30):
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline, "this did not come true"
        time.sleep(0.1)


def process(guest):
    """The number of the process that init has started."""
    return guest.shell("cat /var/run/openai-chat-proxy.pid")


def memory(guest):
    """Kilobytes of each process, the parent first, and of the machine, all and left."""
    text = guest.shell("for p in $(pidof openai-chat-proxy | tr ' ' '\\n' | sort -n); do "
                       "cat /proc/$p/status; done; cat /proc/meminfo")

    def numbers(name):
        return [int(n) for n in re.findall(rf"^{name}:\s+(\d+) kB", text, re.M)]
    return numbers("VmRSS"), numbers("MemTotal")[0], numbers("MemAvailable")[0]


def say(what, guest):
    rss, total, left = memory(guest)
    print(f"\n{what}: resident {' + '.join(map(str, rss))} kB; {left} of {total} kB are left")


def test_it_is_up_after_the_boot(guest):
    soon(lambda: well(guest), 120)
    up = time.monotonic() - guest.begin
    guest.wait_booted()
    say(f"{guest.shell('uname -rm')}, up {up:.1f} s after the start of the machine", guest)
    assert re.match(r"openai-chat-proxy runs, process \d+$", guest.shell(f"{SCRIPT} status"))
    ids = guest.shell("for p in $(pidof openai-chat-proxy); do grep ^Uid /proc/$p/status; done")
    assert "Uid:\t13\t13\t13\t13" in ids


def begin_stream(guest):
    """A stream under way: its head and its first event have come."""
    c = connect(guest).send(post(STREAM, KEY))
    r = c.response_head(WAIT)
    assert r.status == 200
    while delta("0") not in c.buf:
        assert c.more(WAIT)
    return c, r


def end_stream(c, r):
    c.read_body(r, "none", WAIT)
    c.close()
    assert r.complete and r.body == WHOLE


def test_a_stream_comes_through_tls(guest, upstream):
    end_stream(*begin_stream(guest))
    assert upstream.sessions[-1][0] == "TLSv1.3"
    say("after TLS", guest)


def test_a_reload(guest):
    before = process(guest)
    guest.shell(f"cp {INI} /tmp/ini; echo 'nonsense = 1' >>{INI}")
    status, said = guest.run(f"{SCRIPT} reload")
    assert status != 0 and "nonsense" in said
    guest.shell(f"sed 's/^front = /other = /' /tmp/ini >{INI}; {SCRIPT} reload")
    soon(lambda: ask(guest, post(STREAM, KEY)).status == 401)
    guest.shell(f"cp /tmp/ini {INI}; {SCRIPT} reload")
    soon(lambda: ask(guest, post(STREAM, KEY)).status == 200)
    assert process(guest) == before


def test_many_streams_at_once(guest, gate):
    before = sum(memory(guest)[0])
    gate.clear()
    began = time.monotonic()
    streams = [begin_stream(guest) for _ in range(STREAMS)]
    say(f"{STREAMS} streams through TLS, begun in {time.monotonic() - began:.1f} s", guest)
    grown = sum(memory(guest)[0]) - before
    gate.set()
    for stream in streams:
        end_stream(*stream)
    assert grown < 64 * STREAMS, f"{grown} kB"
    say("after them", guest)


def test_init_starts_it_again_after_a_kill(guest):
    before = process(guest)
    guest.shell(f"kill -9 {before}")
    soon(lambda: process(guest) != before)
    soon(lambda: well(guest))
    end_stream(*begin_stream(guest))


def test_a_stop_lets_a_stream_end(guest, gate):
    gate.clear()
    stream = begin_stream(guest)
    guest.shell(f"{SCRIPT} stop >/tmp/stop 2>&1 &")
    soon(lambda: not well(guest))
    gate.set()
    end_stream(*stream)
    soon(lambda: guest.run(f"{SCRIPT} status")[1].strip() == "openai-chat-proxy is stopped")
    time.sleep(2)
    assert not well(guest)
    guest.shell(f"{SCRIPT} start")
    assert well(guest)


def test_the_log_is_whole(guest):
    log = guest.shell("cat /var/log/openai-chat-proxy.log")
    assert len(re.findall("status=200 .*end=complete", log)) >= STREAMS + 4
    assert "sk-real" not in log
