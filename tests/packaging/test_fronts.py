"""The web servers of docs/fronts.md in front of the program, with the settings that stand there."""
import os
import re
import socket
import ssl
import subprocess
import time

import pytest

import certs
import httpraw

from conftest import blocks, need
from httpraw import STREAM, Conn, post
from procs import free_port

NAME = "chat.example.org"
CLIENT = "127.0.0.2"
HOST = f"Host: {NAME}"
KEY = "Authorization: Bearer front"
PROXY = {"api_keys": {"front": "sk-real"}, "access": {"trusted_proxies": "127.0.0.1"}}
ROOT = os.geteuid() == 0


def nginx(folder, settings):
    temp = "".join(f"{n}_temp_path {folder}/{n};\n"
                   for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = folder / "nginx.conf"
    path.write_text(f"{'user root;' if ROOT else ''}\ndaemon off;\npid {folder}/pid;\n"
                    f"error_log {folder}/error;\nevents {{}}\nhttp {{\naccess_log off;\n"
                    f"{temp}{settings}}}\n")
    return [need("nginx"), "-c", path]


def caddy(folder, settings):
    path = folder / "Caddyfile"
    path.write_text(f"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{settings}")
    return [need("caddy"), "run", "--adapter", "caddyfile", "--config", path]


def haproxy(folder, settings):
    path = folder / "haproxy.cfg"
    path.write_text(settings)
    return [need("haproxy"), "-db", "-f", path]


def apache(folder, settings):
    program = need("apache2")
    modules = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in
                      ("mpm_event", "authz_core", "env", "socache_shmcb", "ssl", "proxy",
                       "proxy_http"))
    port = re.search(r"<VirtualHost \*:(\d+)>", settings)[1]
    path = folder / "apache.conf"
    path.write_text(f"ServerRoot {folder}\n{modules}PidFile {folder}/pid\nMutex posixsem\n"
                    f"{'User nobody' if ROOT else ''}\nServerName localhost\nListen {port}\n"
                    f"ErrorLog {folder}/error\n{settings}")
    return [program, "-DFOREGROUND", "-f", path]


FRONTS = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy, "apache": apache}


def settings_for(name, folder, port, to, cert):
    """The page's settings, with the test's ports and files."""
    text = blocks("fronts.md", name)[0]
    for old, new in (("127.0.0.1:8000", f"127.0.0.1:{to}"), ("listen 443", f"listen {port}"),
                     ("*:443", f"*:{port}"), ("bind :443", f"bind :{port}"),
                     ("/etc/ssl/chat.pem", str(cert.file)), ("/etc/ssl/chat.key", str(cert.key)),
                     ("/etc/haproxy/chat.pem", str(folder / "both.pem"))):
        text = text.replace(old, new)
    return text.replace(f"{NAME} {{", f"https://{NAME}:{port} {{\n\ttls {cert.file} {cert.key}")


class Front:
    """A running web server."""

    def __init__(self, folder, command, port, authority=None):
        self.port = port
        self.folder = folder
        self.authority = authority
        env = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        with open(folder / "said", "wb") as said:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                            stdout=said, stderr=said, env=env, cwd=folder)
        deadline = time.monotonic() + 20
        while not self.listens():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.process.kill()
                raise AssertionError((folder / "said").read_text(errors="replace"))
            time.sleep(0.05)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), 8, source_address=(CLIENT, 0))
        if not self.authority:
            return Conn(s)
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.set_alpn_protocols(["http/1.1"])
        return Conn(context.wrap_socket(s, server_hostname=NAME))

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def start(tmp_path, tmp_path_factory):
    running = []

    def run(command, *args):
        running.append(Front(tmp_path, command, *args))
        return running[-1]
    yield run
    for f in running:
        f.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    if not certs.available():
        pytest.skip("openssl is not installed")
    a = certs.Authority(tmp_path_factory.mktemp("certs"))
    a.server = a.issue("server", [NAME])
    return a


@pytest.fixture(params=FRONTS)
def front(request, start, proxy, upstream, authority, tmp_path):
    """A web server in front of a proxy, its `proxy`, in front of the sample upstream."""
    port, cert = free_port(), authority.server
    (tmp_path / "both.pem").write_text(cert.file.read_text() + cert.key.read_text())
    p = proxy(upstream, **PROXY)
    settings = settings_for(request.param, tmp_path, port, p.port, cert)
    f = start(FRONTS[request.param](tmp_path, settings), port, authority)
    f.name, f.proxy, f.settings = request.param, p, settings
    return f


def arrivals(conn, head):
    """When each read brought some of the stream's events."""
    conn.send(head)
    assert b" 200 " in conn.head_bytes().partition(b"\r\n")[0]
    times = []
    while b"[DONE]" not in conn.buf:
        seen = conn.buf.count(b"data:")
        assert conn.more(), conn.buf
        times += [time.monotonic()] * (conn.buf.count(b"data:") - seen)
    return times


def assert_paced(times):
    """Ten events, a tenth of a second apart, came so."""
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len([g for g in gaps if g > 0.05]) >= 8, gaps


def test_a_stream_comes_event_by_event(front):
    assert_paced(arrivals(front.connect(), post(STREAM, HOST, KEY, query="events=10&pause=100")))


def test_the_log_has_the_clients_address(front):
    r = front.connect().send(post(b"{}", HOST, KEY, "X-Forwarded-For: 192.0.2.66")).response()
    assert r.status == 200
    front.proxy.wait_log(rf"client={CLIENT} key=key1 method=POST .* status=200")
    assert "192.0.2.66" not in front.proxy.log()


def test_a_client_that_leaves_ends_the_request(front):
    c = front.connect().send(post(STREAM, HOST, KEY, query="events=100&pause=100"))
    c.head_bytes()
    c.close()
    front.proxy.wait_log("end=client_gone", wait=5)


def test_a_cut_response_looks_cut(front):
    c = front.connect().send(post(b"{}", HOST, KEY, query="size=200000&cut=50000"))
    try:
        assert not c.response().complete
    except (httpraw.Broken, ssl.SSLError):
        pass


def test_a_large_body_passes(front):
    body = b'{"x":"' + b"y" * (20 << 20) + b'"}'
    assert front.connect().send(post(body, HOST, KEY)).response().status == 200
    front.proxy.wait_log(r"status=200 in=20[0-9]{6} ")


def test_a_refusal_keeps_its_shape(front):
    r = front.connect().send(post(b"{}", HOST, "Authorization: Bearer wrong")).response()
    assert r.status == 401
    assert r.error["code"] == "invalid_api_key"


def test_http_2(front):
    if front.name == "apache":
        pytest.skip("the page has no HTTP/2 for it")
    done = subprocess.run([need("curl"), "-sN", "--http2", "--cacert", front.authority.file,
                           "--resolve", f"{NAME}:{front.port}:127.0.0.1", "-H", KEY, "-d", STREAM,
                           "-w", "%{http_version}",
                           f"https://{NAME}:{front.port}/v1/chat/completions"],
                          capture_output=True, text=True, timeout=10)
    assert done.stdout.endswith("data: [DONE]\n\n2"), done


# What the page says besides.

def test_a_bare_proxy_pass_streams(start, proxy, upstream, tmp_path):
    port, p = free_port(), proxy(upstream, **PROXY)
    settings = f"server {{ listen {port}; location / {{ proxy_pass http://127.0.0.1:{p.port}; }} }}"
    f = start(nginx(tmp_path, settings), port)
    assert_paced(arrivals(f.connect(), post(STREAM, HOST, KEY, query="events=10&pause=100")))


def test_a_prefix_is_taken_away(start, proxy, upstream, tmp_path):
    port, p = free_port(), proxy(upstream, **PROXY)
    f = start(nginx(tmp_path, f"server {{ listen {port}; location /openai/ {{ "
                              f"proxy_pass http://127.0.0.1:{p.port}/; }} }}"), port)
    request = post(b"{}", HOST, KEY, target="/openai/v1/chat/completions")
    assert f.connect().send(request).response().status == 200


@pytest.mark.parametrize("check", ["option httpchk GET /healthz", "option httpchk"])
def test_haproxy_finds_it_well(start, proxy, upstream, authority, tmp_path, check):
    port, p, cert = free_port(), proxy(upstream, **PROXY), authority.server
    (tmp_path / "both.pem").write_text(cert.file.read_text() + cert.key.read_text())
    text = settings_for("haproxy", tmp_path, port, p.port, cert)
    text = text.replace("option httpchk GET /healthz", check)
    text = text.replace(" check\n", " check inter 50ms fall 1\n")
    f = start(haproxy(tmp_path, text), port, authority)
    time.sleep(0.5)
    assert f.connect().send(post(b"{}", HOST, KEY)).response().status == 200
    assert "is DOWN" not in (tmp_path / "said").read_text()


def test_haproxy_with_the_proxy_protocol(start, proxy, upstream, tmp_path):
    p = proxy(upstream, server={"listen": "127.0.0.1:{port} proxy_protocol"}, **PROXY)
    port = free_port()
    f = start(haproxy(tmp_path, f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 610s
    timeout server 610s
listen chat
    bind :{port}
    server one 127.0.0.1:{p.port} send-proxy-v2
"""), port)
    assert_paced(arrivals(f.connect(), post(STREAM, HOST, KEY, query="events=10&pause=100")))
    p.wait_log(f"client={CLIENT} key=key1")
