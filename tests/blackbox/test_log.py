"""The access line, bodies, secrets, and the places that lines go to: files and USR1, full disks,
readers that are gone, syslog."""
import base64
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import httpraw
import procs
from httpraw import STREAM, head, post, post_chunked
from peers import SSE_HEAD, answering, chunk, delta, ok


def line_of(p, pattern):
    m = p.wait_log(rf"^.*{pattern}.*$")
    return m[0]


def test_an_access_line(proxy, upstream):
    p = proxy(upstream, **{"key alice": {"key": "front-secret", "upstream_key": "real-secret"}})
    r = p.ask(post("{}", "Authorization: Bearer front-secret",
                   query="status=429&token=query-secret"))
    line = line_of(p, "complete")
    for part in ("127.0.0.1", "alice", "POST", "/v1/chat/completions", "429",
                 r.get("x-request-id")):
        assert part in line, (part, line)
    assert "secret" not in p.log()


def test_refused_requests_have_a_line_too(proxy, upstream):
    p = proxy(upstream, api_keys={"front-secret": "real-secret"})
    assert p.ask(post("{}", "Authorization: Bearer guess-secret")).status == 401
    assert p.ask(head("GET", "/nowhere?x=query-secret")).status == 404
    assert "POST" in line_of(p, r"\b401\b")
    assert "/nowhere" in line_of(p, r"\b404\b")
    assert "secret" not in p.log()


def test_probes_do_not_fill_the_log(proxy, upstream):
    p = proxy(upstream)
    for method in ("GET", "HEAD"):
        assert p.ask(head(method, "/healthz"), method).status == 200
    assert p.ask(head("DELETE", "/healthz")).status == 405
    assert p.ask(head("GET", "/healthz?x"), "GET").status == 200
    assert p.ask(post()).status == 200
    line_of(p, "path=/v1/chat/completions")
    assert len(re.findall("path=/healthz", p.log())) == 1 and "status=405" in p.log()
    p = proxy(upstream, log={"level": "debug"})
    assert p.ask(head("GET", "/healthz"), "GET").status == 200
    assert " debug " in line_of(p, "path=/healthz")


def test_how_it_ended(proxy, scripted):
    def handler(conn, n):
        r = u.read(conn)
        conn.send(SSE_HEAD + chunk(delta("a")))
        if "lost" not in r.target:
            conn.gone()
    u = scripted(handler)
    p = proxy(u, upstream={"idle_timeout": "300ms"})
    p.ask(post(STREAM, query="lost"))
    line_of(p, "upstream_lost")
    c = p.connect().send(post(STREAM))
    c.response_head()
    c.close()
    line_of(p, "client_gone")
    p.ask(post(STREAM))
    line_of(p, r"\btimeout\b")


def test_nothing_a_peer_sends_starts_a_line(proxy, scripted):
    u = scripted(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                           b"x-request-id: up\x9b31m \" \\\r\n\r\n{}"))
    p = proxy(u)
    p.connect().send(head("GET", "/a\x1b[2J", "x-request-id: id\x1b]0;me\x07")).gone()
    p.ask(head("GET", "/a%0a%0dFAKE%1b[2J\"quote", "x-request-id: \x9b]0;me \"\t\xff"))
    assert p.ask(post()).status == 200
    line_of(p, r"\b200\b")
    text = p.log_path.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", text), text
    assert not re.search(rb"^FAKE", text, re.M)


def shapes(key):
    """A key as it may stand in a body."""
    inner = "".join(f"\\u{ord(c):04x}" if i % 3 == 0 else c for i, c in enumerate(key))
    return [key, inner, key.replace("/", "\\/"),
            *(base64.b64encode(b"x" * n + key.encode() + b"y").decode() for n in range(3))]


def shown(key, text):
    """True if a log gives the key away. In base64 its ends depend on the neighbours."""
    return [x for x in shapes(key) if x[4:-6] in text]


@pytest.mark.parametrize("sections, status", [
    ({}, 200),
    ({"access": {"unknown_keys": "pass"}, "api_keys": {"front-key-1": "real-key-1"}}, 200),
    ({"api_keys": {"front-key-1": "real-key-1"}}, 401)])
@pytest.mark.parametrize("key", ["own/key-of-a-client",
                                 "own/key-of-a-client-that-is-longer-than-40-bytes"])
def test_a_key_that_nobody_configured(proxy, scripted, sections, status, key):
    body = ('{"error":"wrong key: ' + " ".join(shapes(key)) + '"}').encode()
    u = scripted(answering(ok(body, f"x-request-id: up {key} end")))
    p = proxy(u, log={"log_requests": "yes", "log_responses": "yes", "level": "debug"}, **sections)
    for field in (f"Authorization: Bearer {key}", f"api-key: {key}"):
        assert p.ask(post(body, field, f"x-request-id: id {key}")).status == status
    p.ask(head("GET", f"/v1/{key}", f"Authorization: Bearer {key}"), "GET")
    line_of(p, r"path=/v1/\*\*\*")
    assert not shown(key, p.log()), p.log()
    assert r"client_request_id=id\x20***" in p.log()
    if status == 200:
        assert r" request_id=up\x20***" in p.log() and 'body="' in p.log()


def test_configured_keys_in_every_shape(proxy, scripted):
    keys = ["front/key-0123456", "real/key-01234567"]
    body = ('{"a":"' + " ".join(x for k in keys for x in shapes(k)) + '"}').encode()
    p = proxy(scripted(answering(ok(body))), api_keys={keys[0]: keys[1]},
              log={"log_requests": "yes", "log_responses": "yes"})
    assert p.ask(post(body, f"Authorization: Bearer {keys[0]}")).status == 200
    line_of(p, "complete")
    assert p.log().count("body=") == 2
    for key in keys:
        assert not shown(key, p.log()), p.log()


def test_what_looks_like_a_key(proxy, upstream):
    p = proxy(upstream)
    p.ask(head("GET", "/sk-proj-0123456789abcdef0123", "x-request-id: sk-0123456789abcdef0123"),
          "GET")
    line_of(p, "status=404")
    assert "sk-" not in p.log() and "path=/***" in p.log()


def test_log_file_and_usr1(proxy, upstream, tmp_path):
    path, old = tmp_path / "log", tmp_path / "log.1"
    p = proxy(upstream, log={"file": path})
    p.log_path = path
    p.ask(post(query="before"))
    line_of(p, "complete")
    path.rename(old)
    p.signal(signal.SIGUSR1)
    for _ in range(20):
        p.ask(post())
        if path.exists():
            break
    line_of(p, "complete")
    assert old.read_text()


def test_level_warning_has_no_access_lines(proxy, upstream):
    p = proxy(upstream, log={"level": "warning"})
    p.ask(post())
    p.ask(head("GET", "/nowhere"))
    p.stop()
    assert "complete" not in p.log() and not re.search(r"\b404\b", p.log())


# Bodies.

SECRET = "sk-real-0123456789"
KEYS = {"api_keys": {"front-secret-1": SECRET}}


def body_line(p, which):
    return line_of(p, rf" info {which} body ")


def body_of(line):
    return json.loads(re.search(r' body=("(?:[^"\\]|\\.)*")$', line)[1])


def test_bodies_are_logged_when_asked(proxy, scripted):
    u = scripted(answering(ok(b'{"answer":"\xe4\xbd\xa0\n\x1b[2J"}', "x-request-id: up-1")))
    p = proxy(u, log={"log_requests": "yes", "log_responses": "yes"},
              field_aliases={"model": "model_id"}, defaults={"n": "1"})
    p.ask(post('{"model":"m", "x":"a\\nb\t"}'.replace("\t", ""), "x-request-id: mine-1"))
    request, answer = body_line(p, "request"), body_line(p, "answer")
    assert body_of(request) == '{"model_id":"m", "x":"a\\nb","n":1}', "as forwarded"
    assert body_of(answer) == '{"answer":"你\n\x1b[2J"}'
    assert "\\u001b" in answer and "request_id=up-1" in answer
    assert "client_request_id=mine-1" in request and "cut=no" in request
    log = p.log()
    assert log.index("request body") < log.index("answer body") < log.index("end=complete")


def test_bodies_are_not_logged_unless_asked(proxy, upstream):
    p = proxy(upstream)
    p.ask(post('{"quiet":"please"}'))
    line_of(p, "complete")
    assert "please" not in p.log() and "body" not in p.log()


def test_streams_are_logged_too(proxy, upstream):
    p = proxy(upstream, log={"log_responses": "yes"})
    r = p.ask(post(STREAM, query="events=20"))
    assert body_of(body_line(p, "answer")).encode() == r.body
    assert "request body" not in p.log()


def test_bodies_are_cut_at_body_limit(proxy, scripted):
    u = scripted(answering(ok(b"y" * 5000)))
    p = proxy(u, log={"log_requests": "yes", "log_responses": "yes", "body_limit": "1000"})
    p.ask(post("x" * 1000))
    p.ask(post("x" * 1001))
    line_of(p, r"answer body (.|\n)*answer body")
    lines = [line for line in p.log().splitlines() if " body " in line]
    assert [body_of(line) for line in lines] == ["x" * 1000, "y" * 1000] * 2
    assert ["cut=yes" in line for line in lines] == [False, True, True, True]
    assert "bytes=5000" in lines[1]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_long_bodies_with_everything_to_be_escaped(proxy, scripted, framing):
    body = bytes(range(256)) * 256
    u = scripted(answering(ok(b"{}")))
    p = proxy(u, log={"log_requests": "yes", "format": "json"})
    p.ask(post_chunked([body[:70], body[70:30000], body[30000:]]) if framing == "chunked"
          else post(body))
    line = line_of(p, "request body")
    assert len(json.loads(line)["body"]) == 64 * 1024
    assert json.loads(line)["bytes"] == 65536


def test_coded_bodies_are_only_counted(proxy, scripted):
    u = scripted(answering(ok(b"\x1f\x8b" + b"z" * 50, "Content-Encoding: gzip")))
    p = proxy(u, log={"log_responses": "yes"})
    p.ask(post())
    line = body_line(p, "answer")
    assert "bytes=52 coding=gzip" in line and body_of(line) == ""


# Secrets.

@pytest.mark.parametrize("format", ["text", "json"])
def test_secrets_are_masked_wherever_they_turn_up(proxy, scripted, format):
    leaky = json.dumps({"error": f"key {SECRET} of front-secret-1; Authorization: Bearer "
                                 f"sk-unknown-1, tail"}).encode()
    u = scripted(answering(ok(leaky, f"x-request-id: id-{SECRET}", status="401 Nope")))
    p = proxy(u, log={"log_requests": "yes", "log_responses": "yes", "format": format}, **KEYS)
    r = p.ask(post(json.dumps({"k": SECRET, "a": "front-secret-1x", "h": "bearer  tok-unknown-2"}),
                   "Authorization: Bearer front-secret-1",
                   "x-request-id: front-secret-1"))
    assert r.body == leaky, "what the client gets is not touched"
    p.ask(head("GET", "/front-secret-1/x"))
    line_of(p, r"\b404\b")
    for secret in (SECRET, "front-secret-1", "sk-unknown-1", "tok-unknown-2"):
        assert secret not in p.log(), secret
    assert p.log().count("***") >= 7 and "tail" in p.log()


LONG_KEY = "sk-proj-" + "AbCdEfGh12" * 16       # real ones are as long as this


@pytest.mark.parametrize("format", ["text", "json"])
def test_long_keys_do_not_show_in_short_fields(proxy, scripted, format):
    u = scripted(answering(ok(b"{}", f"x-request-id: {LONG_KEY}")))
    p = proxy(u, log={"format": format}, api_keys={"front-key-1" * 7: LONG_KEY})
    p.ask(post("{}", "Authorization: Bearer " + "front-key-1" * 7, "x-request-id: "
               + "front-key-1" * 7))
    p.ask(head("GET", "/" + 30 * "x" + "/" + LONG_KEY))
    p.ask(head("GET", "/x/" + "front-key-1" * 7 + "/y", "x-request-id: Bearer " + 50 * "t"))
    p.ask(head(LONG_KEY, "/z"))
    line_of(p, r"/z\b")
    for piece in ("sk-", "front-", "ttt"):
        assert piece not in p.log()
    assert p.log().count("***") == 6


@pytest.mark.parametrize("extra", range(0, 40))
def test_no_secret_is_cut_in_two(shared_proxy, upstream, extra):
    """A key that begins before body_limit and ends after it."""
    if not hasattr(shared_proxy, "one"):
        shared_proxy.one = shared_proxy(upstream, log={"log_requests": "yes", "body_limit": "30"},
                                        **KEYS)
    p = shared_proxy.one
    p.ask(post("." * extra + SECRET + "." * 60, "Authorization: Bearer front-secret-1",
               f"x-request-id: n{extra}x"))
    line = line_of(p, f"request body .*n{extra}x")
    assert "sk-" not in line
    shown = body_of(line)
    assert shown == ("." * extra + "***" + "." * max(0, 30 - extra - len(SECRET)) if extra < 30
                     else "." * 30)


# Where lines go.

def test_json_lines_are_json(proxy, upstream):
    p = proxy(upstream, log={"format": "json"})
    p.ask(post("{}", 'x-request-id: a"\\\xff'))
    p.ask(head("GET", "/nowhere"))
    line_of(p, r"\b404\b")
    lines = [json.loads(line) for line in p.log().splitlines()]
    assert {"time", "level", "message"} <= set(lines[0])
    access = next(line for line in lines if line.get("status") == 200)
    assert access["client"] == "127.0.0.1" and access["end"] == "complete"
    assert isinstance(access["total_ms"], int)
    refused = next(line for line in lines if line.get("status") == 404)
    assert refused["connect_ms"] is None and refused["first_byte_ms"] is None


def test_what_was_not_understood_counts_as_come_in(proxy, upstream):
    p = proxy(upstream, server={"header_timeout": "300ms"})
    bad, late = head("POST", "/", "Bad Field: x"), head()[:-2]
    assert p.ask(bad).status == 400
    assert f" in={len(bad)} " in line_of(p, r"\bstatus=400\b")
    assert p.ask(late).status == 408
    assert f" in={len(late)} " in line_of(p, r"\bstatus=408\b")


def test_a_full_disk_costs_lines_and_is_told_of(proxy, upstream):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    p = proxy(upstream, log={"file": "/dev/full"})
    for _ in range(200):
        assert p.ask(post()).status == 200
    assert p.process.poll() is None


def small_disk(folder):
    """A file system of 64 KiB."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    return folder


def test_lost_lines_are_counted(proxy, upstream, tmp_path):
    disk = small_disk(tmp_path / "disk")
    try:
        p = proxy(upstream, log={"file": disk / "log"})
        p.log_path = disk / "log"
        c = p.connect()
        for _ in range(600):
            assert c.send(post()).response().status == 200
        time.sleep(0.5)
        written = p.log().count("status=200")
        assert 100 < written < 500
        time.sleep(0.6)
        with open(disk / "log", "r+") as f:
            f.truncate(0)
        for _ in range(3):
            assert c.send(post()).response().status == 200
            time.sleep(0.05)
        lost = int(p.wait_log(r"log lines were lost.* lost_since_start=(\d+)")[1])
        assert 0 <= lost - (600 - written) <= 5, (lost, written)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        p.log_path = p.ini.with_name("stderr")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_fifo_without_a_reader_costs_lines_and_nothing_else(proxy, upstream, tmp_path, workers):
    """Opening a FIFO for writing waits for a reader: at the start, on USR1 and on HUP."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    p = proxy(upstream, server={"workers": workers}, log={"file": path})
    for which in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1):
        p.signal(which)
        for _ in range(10):
            assert p.ask(post()).status == 200
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
        assert p.ask(post()).status == 200
        deadline, text = time.monotonic() + 5, b""
        while b"status=200" not in text and time.monotonic() < deadline:
            text += reader.read() or b""
            time.sleep(0.02)
    assert b"status=200" in text
    p.signal(signal.SIGTERM)
    assert p.wait_end(3) == 0


def test_a_reader_that_stops_or_goes_costs_no_request(proxy, upstream):
    """Standard error is a pipe that nobody reads; then its reading end is closed."""
    read, write = os.pipe()
    p = proxy(upstream)
    q = subprocess.Popen([str(procs.BINARY), "-c", str(write_copy(p))], stdin=subprocess.DEVNULL,
                         stderr=write)
    os.close(write)
    try:
        port = int(re.search(r":(\d+)", write_copy(p).read_text())[1])
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                c = httpraw.connect(port)
                break
            except OSError:
                time.sleep(0.02)
        for n in range(2000):
            assert c.send(head("GET", "/nowhere/" + "x" * 200)).response().status == 404
            if n == 1500:
                os.close(read)
        q.terminate()
        assert q.wait(5) == 0
    finally:
        q.kill()
        q.wait()


def write_copy(p):
    """The configuration of p, listening one port further up."""
    copy = p.ini.with_name("copy.ini")
    if not copy.exists():
        copy.write_text(p.ini.read_text().replace(f":{p.port}", f":{procs.free_port()}", 1))
    return copy


def test_syslog(proxy, upstream):
    """The test's own daemon at the path of the system's, where the system has none."""
    if os.geteuid() != 0 or os.path.exists("/dev/log"):
        pytest.skip("this takes the right to be the syslog daemon, and no other one")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind("/dev/log")
    s.settimeout(5)
    try:
        p = proxy(upstream, log={"file": "syslog", "log_requests": "yes"})
        p.ask(post('{"long":"' + "x" * 20000 + '"}'))
        p.ask(head("GET", "/nowhere"))
        got = []
        while not any(b"status=404" in m for m in got):
            got.append(s.recv(1 << 20))
        assert all(re.match(rb"<(30|28|27)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
                            rb"openai-chat-proxy\[%d\]: " % p.pid, m) for m in got), got
        assert any(b"x" * 20000 in m for m in got)
        assert not p.log()
    finally:
        s.close()
        os.unlink("/dev/log")


def test_no_syslog_daemon_is_said_before_the_start(tmp_path):
    if os.path.exists("/dev/log"):
        pytest.skip("there is one")
    (tmp_path / "proxy.ini").write_text("[log]\nfile = syslog\n")
    for flags in (["-t"], []):
        r = procs.run("-c", tmp_path / "proxy.ini", *flags)
        assert r.returncode == 1 and re.search(r"proxy\.ini:2: \[log\] file: .*syslog", r.stderr)
