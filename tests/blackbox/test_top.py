"""--top: what it prints into a file, what it draws on a terminal, and how it ends."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import certs
import procs
from httpraw import WAIT, post
from procs import BINARY, clean_env, wait_for

ADMIN = {"listen": "127.0.0.1:{port}, 127.0.0.1:%d admin"}
KEYS = {"key alice": {"key": "front-a", "upstream_key": "real-secret"}}


@pytest.fixture
def looked_at(proxy, workers):
    """A proxy with an admin address, and traffic that is easy to recognise."""
    def start(base, n=1, **sections):
        server = {"listen": ADMIN["listen"] % procs.free_port(), **sections.pop("server", {})}
        if n > 1:
            return workers(base, n, server=server, **KEYS, **sections)
        return proxy(base, server=server, **KEYS, **sections)
    return start


def request(**how):
    return post("{}", "Authorization: Bearer front-a", **how)


def top(p, *args, env=None, **how):
    ini = p if isinstance(p, (str, os.PathLike)) else p.ini
    return procs.run("--top", "-c", ini, *args, env=clean_env(LANG="C.UTF-8", **(env or {})), **how)


# Into a file.

def test_one_picture_where_there_is_no_terminal(looked_at, upstream):
    p = looked_at(upstream)
    for _ in range(5):
        assert p.ask(request()).status == 200
    p.ask(request(query="status=500"))
    r = top(p)
    assert r.returncode == 0 and not r.stderr
    assert "\033" not in r.stdout and "secret" not in r.stdout
    assert re.match(r"openai-chat-proxy \S+ · up ", r.stdout)
    assert "2xx 5   5xx 1\n" in r.stdout
    assert re.search(r"^● default +ok ", r.stdout, re.M)
    assert re.search(r"^[\d:]{8} +500 +answered by the upstream +default +alice$", r.stdout, re.M)
    assert not re.search(r"[ \t]$", r.stdout, re.M)


def test_so_many_pictures(looked_at, upstream):
    p = looked_at(upstream, 2)
    r = top(p, "-n", "3")
    assert r.returncode == 0 and r.stdout.count("openai-chat-proxy") == 3
    assert "2 workers" in r.stdout and "no requests yet" in r.stdout
    began = time.monotonic()
    assert top(p, "-n", "2", "-d", "2").stdout.count("openai-chat-proxy") == 2
    assert time.monotonic() - began > 1.9


def test_languages_and_letters(looked_at, upstream):
    p = looked_at(upstream)
    assert "上游" in top(p, env={"LC_ALL": "zh_CN.UTF-8"}).stdout
    assert "upstream" in top(p, env={"LC_ALL": "de_DE.UTF-8"}).stdout
    for env in ({"LC_ALL": "C"}, {"LC_ALL": "zh_CN.GB18030"}):
        assert top(p, env=env).stdout.isascii()


def test_options_belong_to_it(tmp_path):
    for args in (["-n", "1"], ["-d", "1"], ["-t", "-n", "1"]):
        r = procs.run(*args)
        assert r.returncode == 1 and "--top" in r.stderr
    for args in (["-n", "0"], ["-n", "x"], ["-d", "-1"], ["-d", "1.5"]):
        r = procs.run("--top", *args)
        assert r.returncode == 1 and "takes a number" in r.stderr


def ini_with(tmp_path, listen, more=""):
    path = tmp_path / "top.ini"
    path.write_text(f"[server]\nlisten = {listen}\n{more}")
    return path


def test_nothing_runs(tmp_path):
    port = procs.free_port()
    r = top(ini_with(tmp_path, f"127.0.0.1:{port} admin"))
    assert r.returncode == 1 and not r.stdout
    assert r.stderr == f"openai-chat-proxy: 127.0.0.1:{port}: Connection refused\n"


def test_no_address_is_for_looking(looked_at, proxy, upstream, tmp_path):
    p = proxy(upstream)
    r = top(p)
    assert r.returncode == 1 and "admin to [server] listen" in r.stderr
    r = top(ini_with(tmp_path, f"127.0.0.1:{p.port}", "[access]\nadmin_addresses = 127.0.0.1\n"))
    assert r.returncode == 1 and "[access] admin_addresses" in r.stderr, "it runs without"


def test_an_ordinary_address_that_lets_this_machine_look(proxy, upstream):
    p = proxy(upstream, access={"admin_addresses": "127.0.0.1"})
    assert top(p).returncode == 0


def test_a_unix_socket(proxy, upstream, tmp_path):
    p = proxy(upstream, server={"listen": f"127.0.0.1:{{port}}, unix:{tmp_path}/s admin"})
    assert "openai-chat-proxy" in top(p).stdout


def test_a_proxy_header_is_sent(proxy, upstream):
    listen = f"127.0.0.1:{{port}}, 127.0.0.1:{procs.free_port()} admin proxy_protocol"
    p = proxy(upstream, server={"listen": listen}, access={"trusted_proxies": "127.0.0.1"})
    assert "openai-chat-proxy" in top(p).stdout


@pytest.mark.skipif(not certs.available(), reason="there is no openssl program here")
def test_over_tls(secured, upstream):
    s = secured(upstream, words="tls admin")
    r = top(s.p, "-n", "2")
    assert r.returncode == 0 and r.stdout.count("openai-chat-proxy") == 2


def test_a_reload_meanwhile(looked_at, upstream):
    p = looked_at(upstream)
    t = subprocess.Popen([BINARY, "--top", "-c", p.ini, "-n", "6"], stdout=subprocess.PIPE,
                         env=clean_env(LANG="C.UTF-8"), text=True)
    t.stdout.readline()
    p.signal(signal.SIGHUP)
    assert t.communicate(timeout=20)[0].count("openai-chat-proxy") == 5 and t.returncode == 0


# A peer that is none.

def answering_with(body, head=b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"):
    def handler(conn, n):
        conn.head_bytes()
        conn.send(head + body)
        conn.silent(3)
    return handler


EVIL = (b'data: {"version":"\x1b]0;evil\x07\x9b31m\xe2\x80\xaex\\u001b[2J\\n","time_ms":5,'
        b'"upstreams":[{"name":"\x1b[2Jname\\u009b","state":"\x07","keys":99999999999,'
        b'"keys_resting":[[1,2],[3]],"requests":[1,2,3,4,5,6,7,8,9],"first_event":[1,[2,[3]]]},'
        b'{"name":"second","new":{"deep":[{"a":"]}"}]}}],"errors":[{"reason":"\r\x1b[H",'
        b'"n":281474976710656,"status":999}]}\n\n')


def test_control_characters_do_not_get_through(scripted, tmp_path):
    u = scripted(answering_with(EVIL * 3))
    r = top(ini_with(tmp_path, f"127.0.0.1:{u.port} admin"))
    assert r.returncode == 0 and "second" in r.stdout and "name" in r.stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", r.stdout)


@pytest.mark.parametrize("body", [b"x" * 300000, b"data: nothing\n\n" * 5, b"",
                                  b'data: {"a":' + b"[" * 100000],
                         ids=["long", "no JSON", "empty", "deep"])
def test_what_is_no_picture_is_not_drawn(scripted, tmp_path, body):
    def handler(conn, n):
        conn.head_bytes()
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
    u = scripted(handler)
    r = top(ini_with(tmp_path, f"127.0.0.1:{u.port} admin"))
    assert r.returncode == 1 and not r.stdout and len(r.stderr.splitlines()) == 1


def test_another_server_is_told_from_ours(scripted, tmp_path):
    u = scripted(answering_with(b"", b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"))
    r = top(ini_with(tmp_path, f"127.0.0.1:{u.port} admin"))
    assert r.returncode == 1 and "is not openai-chat-proxy" in r.stderr


# On a terminal.

class Terminal:
    """A terminal that knows what --top uses, and nothing else: anything more is an error."""

    def __init__(self, p, *args, columns=80, rows=24, **env):
        self.columns, self.rows = columns, rows
        self.main, side = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(side)
        self.process = subprocess.Popen(
            [BINARY, "--top", "-c", p.ini, *args], stdin=side, stdout=side, stderr=side,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=clean_env(**{"TERM": "xterm", "LANG": "C.UTF-8", **env}))
        self.side = side
        self.raw, self.screen = b"", [""] * rows
        self.row = self.column = 0
        self.alternate, self.cursor, self.styles = False, True, set()

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = [""] * rows

    def feed(self, wait):
        if not select.select([self.main], [], [], wait)[0]:
            return False
        try:
            self.raw += os.read(self.main, 65536)
        except OSError:
            return False
        while self.step():
            pass
        return True

    def step(self):
        m = re.match(rb"\x1b\[(\??)([\d;]*)([A-Za-z])", self.raw)
        if m:
            self.control(m[1] + m[3], m[2])
        else:
            m = re.match(rb"[^\x1b]", self.raw)
            n = m and (1 if m[0][0] < 0xc0 else 2 if m[0][0] < 0xe0 else 3 if m[0][0] < 0xf0 else 4)
            if not m or len(self.raw) < n:
                return False
            self.show(self.raw[:n].decode())
            self.raw = self.raw[n:]
            return True
        self.raw = self.raw[m.end():]
        return True

    def control(self, what, number):
        if what == b"m":
            self.styles.add(number)
        elif what == b"H" and not number:
            self.row = self.column = 0
        elif what == b"K" and not number:
            self.screen[self.row] = self.screen[self.row][:self.column]
        elif what == b"J":
            if not number:
                self.control(b"K", number)
            for i in range(0 if number else self.row + 1, self.rows):
                self.screen[i] = ""
        elif what in (b"?h", b"?l") and number in (b"1049", b"25"):
            on = what == b"?h"
            if number == b"25":
                self.cursor = on
            else:
                self.alternate = on
        else:
            raise AssertionError((what, number))

    def show(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.row += 1
            assert self.row < self.rows, "it scrolls"
        else:
            line = self.screen[self.row].ljust(self.column)
            self.screen[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.column += 1
            assert self.column <= self.columns, "it wraps"
            assert c.isprintable(), repr(c)

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen)

    def until(self, pattern, wait=WAIT):
        deadline = time.monotonic() + wait
        while not re.search(pattern, self.text(), re.M):
            assert time.monotonic() < deadline, self.text()
            self.feed(0.1)

    def end(self):
        """Waits for its end. Returns the exit code; the terminal is as it was."""
        deadline = time.monotonic() + WAIT
        while self.process.poll() is None:
            self.feed(0.05)
            assert time.monotonic() < deadline, "it does not end"
        while self.feed(0):
            pass
        assert not self.alternate and self.cursor
        assert termios.tcgetattr(self.side) == self.before
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)
        os.close(self.side)


@pytest.fixture
def terminal():
    things = []

    def start(*args, **how):
        things.append(Terminal(*args, **how))
        return things[-1]
    yield start
    for t in things:
        t.close()


@pytest.mark.parametrize("how", ["q", "Q", "\x03", signal.SIGTERM, signal.SIGHUP])
def test_it_takes_the_terminal_and_gives_it_back(looked_at, upstream, terminal, how):
    t = terminal(looked_at(upstream))
    t.until("q quits")
    assert t.alternate and not t.cursor
    assert not termios.tcgetattr(t.side)[3] & (termios.ECHO | termios.ICANON)
    if isinstance(how, str):
        os.write(t.main, how.encode())
    else:
        t.process.send_signal(how)
    assert t.end() == 0


def test_it_follows_the_traffic(looked_at, upstream, terminal):
    p = looked_at(upstream)
    t = terminal(p)
    t.until("no requests yet")
    for _ in range(3):
        p.ask(request())
    p.ask(request(query="status=503"))
    t.until(r"2xx 3   5xx 1")
    t.until(r"^[\d:]{8} +503 ")
    t.until(r"^requests/s +[\d.]+ .*[▁-█]")
    assert b"0;32" in t.styles
    for _ in range(4):
        p.ask(request())
    t.until("2xx 7")


@pytest.mark.parametrize("columns, rows", [(80, 24), (40, 12), (200, 60), (20, 5), (1, 1)])
def test_it_fits(looked_at, upstream, terminal, columns, rows):
    """It neither wraps nor scrolls, with more of everything than there is room for."""
    p = looked_at(upstream, **{
        f"upstream a-long-name-of-an-upstream-{i}": {"base_url": upstream.url, "models": f"m{i}"}
        for i in range(40)})
    for status in range(400, 416):
        p.ask(request(query=f"status={status}"))
    t = terminal(p, columns=columns, rows=rows)
    wait_for(lambda: t.feed(0.1) and t.text().strip())
    drawn = 0
    while drawn < 3:
        drawn += t.feed(3)
    if rows == 24:
        assert re.search("(?s)default.* more$.*4[01].  answered", t.text(), re.M)
    os.write(t.main, b"q")
    assert t.end() == 0


def test_it_is_resized(looked_at, upstream, terminal):
    t = terminal(looked_at(upstream))
    t.until("q quits")
    t.resize(50, 10)
    t.process.send_signal(signal.SIGWINCH)
    t.until("openai-chat-proxy")
    t.resize(120, 40)
    t.process.send_signal(signal.SIGWINCH)
    t.until("q quits")
    os.write(t.main, b"q")
    assert t.end() == 0


def test_a_serial_line_without_a_size(looked_at, upstream, terminal):
    t = terminal(looked_at(upstream), columns=0, rows=0)
    t.columns, t.rows, t.screen = 80, 24, [""] * 24
    t.until("q quits")
    os.write(t.main, b"q")
    assert t.end() == 0


def test_no_colour_no_utf8_no_screen(looked_at, upstream, terminal):
    p = looked_at(upstream)
    t = terminal(p, NO_COLOR="1", LANG="C")
    t.until("q quits")
    assert not t.styles - {b"0"} and t.text().isascii()
    os.write(t.main, b"q")
    assert t.end() == 0
    t = terminal(p, TERM="dumb")
    assert t.end() == 0 and "openai-chat-proxy" in t.text()
    t = terminal(p, "-n", "1")
    assert t.end() == 0 and not t.styles


def test_it_stops_and_goes_on(looked_at, upstream, terminal):
    t = terminal(looked_at(upstream))
    t.until("q quits")
    t.process.send_signal(signal.SIGTSTP)
    stat = f"/proc/{t.process.pid}/stat"
    wait_for(lambda: t.feed(0.05) or open(stat).read().rpartition(")")[2].split()[0] == "T")
    while t.feed(0.05):
        pass
    assert not t.alternate and t.cursor and termios.tcgetattr(t.side) == t.before
    t.process.send_signal(signal.SIGCONT)
    t.until("q quits")
    wait_for(lambda: t.feed(0.05) or t.alternate)
    os.write(t.main, b"q")
    assert t.end() == 0


def test_it_waits_for_an_instance_that_is_gone(looked_at, upstream, terminal, tmp_path):
    p = looked_at(upstream)
    t = terminal(p)
    t.until("live")
    p.signal(signal.SIGTERM)
    p.wait_end()
    t.until("disconnected, trying again", 15)
    again = subprocess.Popen(p.command, stderr=subprocess.DEVNULL, env=clean_env())
    try:
        t.until("live", 15)
        os.write(t.main, b"q")
        assert t.end() == 0
    finally:
        again.terminate()
        again.wait(5)


def test_a_terminal_where_nothing_runs_stays_as_it_is(terminal, tmp_path):
    class Nowhere:
        ini = ini_with(tmp_path, f"127.0.0.1:{procs.free_port()} admin")
    t = terminal(Nowhere)
    assert t.end() == 1
    assert "Connection refused" in t.text()
