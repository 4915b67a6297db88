"""What a released program must do on its CPU. It may run in an emulator: packaging/prove calls this
with OCP_BINARY as a script that runs it. The peers are this machine's own.

Each of these few tests needs a part that can be wrong on one CPU alone: word size, byte order,
atomics, signals, entropy, the linker's work. What HTTP asks for is tested in tests/blackbox.
"""
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import procs
from httpraw import PATH, STREAM, connect, head, post, post_chunked
from peers import answering, ok
from tlspeers import V12, V13

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
KEY = "Authorization: Bearer front"


@pytest.fixture(scope="module")
def address(authority):
    """A certificate for 127.0.0.1, so that no name has to be looked up."""
    return authority.issue("address", addresses=["127.0.0.1"])


def test_version_and_options():
    said = procs.run("-V")
    assert said.returncode == 0 and "Mbed TLS 3.6" in said.stdout and "epoll" in said.stdout
    assert procs.run("-x").returncode == 1


def test_check_reads_the_bundle_of_this_machine(tmp_path):
    ini = tmp_path / "proxy.ini"
    ini.write_text("[server]\nlisten = 127.0.0.1:1\n"
                   f"[upstream]\nbase_url = https://api.openai.com\nca_file = {BUNDLE}\n")
    said = procs.run("-t", "-c", ini)
    assert said.returncode == 0, said.stderr
    assert "configuration OK" in said.stdout + said.stderr
    ini.write_text("[server]\nlissten = 1\n")
    said = procs.run("-t", "-c", ini)
    assert said.returncode == 1 and "did you mean 'listen'?" in said.stderr


def test_health(proxy, upstream):
    p = proxy(upstream)
    assert p.ask(head("GET", "/healthz"), "GET").json() == {"status": "ok"}
    assert procs.run("--healthcheck", "-c", p.ini).returncode == 0
    p.stop()
    assert procs.run("--healthcheck", "-c", p.ini).returncode == 1


@pytest.mark.parametrize("query", ["events=39&usage=1", "events=300&size=3000",
                                   "events=3&split=1&newlines=crlf"])
def test_a_stream_passes_byte_for_byte(proxy, upstream, query):
    raw = post(STREAM, KEY, query=query)
    mine, direct = proxy(upstream, api_keys={"front": "sk-real"}).ask(raw), upstream.ask(raw)
    assert mine.status == 200 and mine.complete and mine.body == direct.body
    assert mine.body.rstrip().endswith(b"data: [DONE]")


def test_an_alias_and_a_default(proxy, upstream):
    """Both machines that read JSON: long text with escapes, numbers that stay as written."""
    p = proxy(upstream, field_aliases={"model": "model_id", "max_tokens": "limit"},
              defaults={"temperature": "0.6"})
    text = "".join(chr(c) for c in range(1, 0x300)) * 40 + "\U0001f600"
    inner = b'{"model":"m","seed":123456789012345678,"messages":%s}' % json.dumps([text]).encode()
    sent = b'{"model":"m","seed":12345678901234567890,"x":1.0e5,"messages":[%s]}' % inner
    wanted = sent.replace(b'"model"', b'"model_id"')[:-1] + b',"temperature":0.6}'
    pieces = [sent[i:i + 777] for i in range(0, len(sent), 777)]
    for raw in post(sent, query="echo=body"), post_chunked(pieces, query="echo=body"):
        assert p.ask(raw).body == wanted
    assert p.ask(post(b'{"model": tru}')).error["code"] == "invalid_json"


def test_keys(proxy, upstream):
    p = proxy(upstream, api_keys={"front": "sk-real"})
    seen = p.ask(post("{}", KEY, query="echo=head")).body
    assert b"Bearer sk-real\r\n" in seen
    refused = p.ask(post("{}", "Authorization: Bearer other"))
    assert refused.status == 401 and refused.error["code"] == "invalid_api_key"
    assert "sk-real" not in p.log()


@pytest.mark.parametrize("version", [V12, V13])
def test_tls(trusting, tls_upstream, address, version):
    """A body of a megabyte each way, over connections that are resumed."""
    body = json.dumps({"a": "x" * 1000000}).encode()
    u = tls_upstream(answering(ok(body), 1), address, low=version, high=version, host="127.0.0.1")
    p = trusting(u)
    for _ in range(3):
        r = p.ask(post(body))
        assert r.status == 200 and r.body == body
    assert {s[0] for s in u.sessions} == {"TLSv1.2" if version == V12 else "TLSv1.3"}


@pytest.mark.parametrize("version", [V12, V13])
def test_the_fastest_suite(trusting, tls_upstream, address, version):
    """ARMv8 with AES instructions computes AES faster, all others ChaCha20. The emulated ARMv8 has
    them."""
    u = tls_upstream(answering(ok()), address, low=version, high=version, host="127.0.0.1",
                     picky=False)
    assert trusting(u).ask(post()).status == 200
    fastest = "AES" if os.environ["OCP_CPU"] == "aarch64" else "CHACHA20"
    assert fastest in u.ciphers[0] and "256_GCM" not in u.ciphers[0]


def test_rsa(trusting, tls_upstream, authority):
    cert = authority.issue("rsa", addresses=["127.0.0.1"], rsa=True)
    u = tls_upstream(answering(ok()), cert, host="127.0.0.1")
    assert trusting(u).ask(post()).status == 200


def test_wrong_certificates(proxy, trusting, tls_upstream, authority, address):
    other = authority.issue("other", ["other.example"])
    r = trusting(tls_upstream(answering(ok()), other, host="127.0.0.1")).ask(post())
    assert r.status == 502 and r.error["code"] == "upstream_tls_error"
    u = tls_upstream(answering(ok()), address, host="127.0.0.1")
    r = proxy(u, upstream={"ca_file": BUNDLE}).ask(post())
    assert r.status == 502 and r.error["code"] == "upstream_tls_error"


def test_a_refused_upstream(proxy):
    r = proxy(f"http://127.0.0.1:{procs.free_port()}").ask(post())
    assert r.status == 502 and r.error["code"].startswith("upstream_connect")


def access_lines(p, n):
    """The lines of n requests, waited for."""
    deadline = time.monotonic() + 5
    while True:
        lines = re.findall(r"^.*method=POST.* status=200 .*\n", p.log(), re.M)
        if len(lines) >= n:
            return lines
        assert time.monotonic() < deadline, p.log()
        time.sleep(0.02)


def test_two_workers(proxy, upstream):
    p = proxy(upstream, server={"workers": "2"})
    for _ in range(20):
        assert p.ask(post()).status == 200
    p.wait_log("2 workers")
    assert len(access_lines(p, 20)) == 20


def test_the_log_is_written(proxy, upstream):
    """Each request has a line, and its numbers are right."""
    p = proxy(upstream)
    body = b'{"x": "%s"}' % (b"x" * 70000)
    r = p.ask(post(body))
    line, = access_lines(p, 1)
    assert re.search(r"\bin=(\d+)\b", line)[1] in (str(len(body)), str(len(post(body)))), line
    assert int(re.search(r"\bout=(\d+)\b", line)[1]) >= len(r.body), line
    assert line.startswith(time.strftime("%Y-%m-%dT", time.gmtime())), line


def test_reload_and_drain(proxy, upstream):
    p = proxy(upstream)
    p.write_ini(upstream.url, {"api_keys": {"front": "sk-real"}})
    p.signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while p.ask(post()).status != 401:
        assert time.monotonic() < deadline, p.log()
    c = p.connect().send(post(STREAM, KEY, query="events=5&pause=100"))
    assert c.response_head().status == 200
    p.signal(signal.SIGTERM)
    assert p.wait_end() == 0


def time_to_health(ini, port):
    """Starts the program itself. Returns seconds from exec to the first good /healthz, those of
    them that a processor ran it, and its resident kilobytes then."""
    begin = time.monotonic()
    p = subprocess.Popen([os.environ["OCP_RELEASED"], "-c", str(ini)], stdin=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, env=procs.clean_env())
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert p.poll() is None and time.monotonic() < begin + 10
            time.sleep(0.0002)
        c = connect(port)
        assert c.send(head("GET", "/healthz")).response("GET").status == 200
        took = time.monotonic() - begin
        c.close()
        proc = pathlib.Path(f"/proc/{p.pid}")
        ran = int((proc / "schedstat").read_text().split()[0]) / 1e9
        return took, ran, int(re.search(r"VmRSS:\s+(\d+) kB", (proc / "status").read_text())[1])
    finally:
        p.terminate()
        p.wait(10)


@pytest.mark.alone
@pytest.mark.skipif(platform.machine() != os.environ.get("OCP_CPU"), reason="another CPU")
def test_how_small_it_idles_and_how_soon_it_is_ready(tmp_path):
    """With an https upstream and the certificates of this machine. What counts is the time of a
    processor: what else runs here is no fault of the program's."""
    port = procs.free_port()
    ini = tmp_path / "proxy.ini"
    ini.write_text(f"[server]\nlisten = 127.0.0.1:{port}\n[upstream]\nproxy = none\n"
                   f"base_url = https://127.0.0.1:9\nca_file = {BUNDLE}\n")
    times, ran, sizes = zip(*[time_to_health(ini, port) for _ in range(10)])
    print(f"\nready after {min(times) * 1000:.1f} ms, of which it ran {min(ran) * 1000:.1f} ms, "
          f"{max(sizes)} kB resident")
    assert min(ran) <= 0.005
    assert max(sizes) <= 900    # where the kernel maps a piece of 64 KiB more or two


def enter(root):
    """What runs a command in a root; without root's rights, in a name space where we have them."""
    return ["chroot", str(root)] if os.getuid() == 0 else ["unshare", "-Ur", "chroot", str(root)]


def test_an_empty_root(tmp_path, authority, tls_upstream, address):
    """Nothing but the program and its files: no /dev, no /proc, no shell. Random numbers come from
    the kernel all the same."""
    program = os.environ["OCP_RELEASED"]
    emulator = shutil.which(os.environ["OCP_EMULATOR"])
    port = procs.free_port()
    shutil.copy(program, tmp_path / "program")
    shutil.copy(authority.file, tmp_path / "ca.crt")
    u = tls_upstream(answering(ok(b'{"a":1}')), address, host="127.0.0.1")
    (tmp_path / "proxy.ini").write_text(
        f"[server]\nlisten = 127.0.0.1:{port}\n"
        f"[upstream]\nbase_url = {u.url}\nca_file = /ca.crt\nproxy = none\n")
    shutil.copy(emulator, tmp_path / "emulator")
    command = ["/emulator", "-cpu", os.environ["OCP_EMULATED_CPU"], "/program", "-c", "/proxy.ini"]
    p = subprocess.Popen([*enter(tmp_path), *command], stdin=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, env=procs.clean_env())
    try:
        deadline = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert p.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        c = connect(port)
        r = c.send(post()).response()
        c.close()
        assert r.status == 200 and r.body == b'{"a":1}', r.body
    finally:
        p.terminate()
        log = p.communicate(timeout=10)[1].decode()
    assert p.returncode == 0 and f"method=POST path={PATH} status=200" in log, log
