"""Admission: address lists, X-Forwarded-For from trusted proxies, the PROXY protocol. Each client
has a loopback address of its own."""
import random
import socket
import struct
import sys
import time

import pytest

import procs
from httpraw import Conn, head, post
from peers import answering, ok

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"),
                                reason="other systems have one address on loopback")


def refused(p, address="127.0.0.1", request=None, shown=None):
    c = p.connect(source=address)
    r = c.send(request or post()).response()
    assert r.status == 403 and r.error["code"] == "ip_not_allowed"
    assert (shown or address) in r.error["message"]
    assert r.has_token("connection", "close")
    c.gone()


def allowed(p, address="127.0.0.1", *fields):
    assert p.ask(post("{}", *fields), source=address).status == 200


# Lists.

def test_a_blacklist(proxy, upstream):
    p = proxy(upstream, access={"ip_blacklist": "127.0.0.2, 127.0.1.0/24"})
    allowed(p)
    allowed(p, "127.0.2.1")
    refused(p, "127.0.0.2")
    refused(p, "127.0.1.77")


def test_a_whitelist(proxy, upstream):
    p = proxy(upstream, access={"ip_whitelist": "127.0.1.0/24,127.0.0.3, ::1"})
    allowed(p, "127.0.0.3")
    allowed(p, "127.0.1.200")
    refused(p, "127.0.0.1")
    refused(p, "127.0.2.1")


def test_the_blacklist_wins(proxy, upstream):
    p = proxy(upstream, access={"ip_whitelist": "127.0.0.0/8", "ip_blacklist": "127.0.0.4"})
    allowed(p)
    refused(p, "127.0.0.4")


def test_mapped_addresses_are_ipv4(proxy, upstream):
    p = proxy(upstream, access={"ip_blacklist": "::ffff:127.0.0.5, ::ffff:127.7.0.0/112"})
    allowed(p)
    refused(p, "127.0.0.5")
    refused(p, "127.7.3.2")


def test_a_hundred_thousand_entries(proxy, upstream):
    r = random.Random(1)
    entries = [f"{r.randrange(1, 120)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(256)}"
               for _ in range(100000)]
    p = proxy(upstream, access={"ip_blacklist": ",".join(entries + ["127.0.0.6"])})
    allowed(p)
    refused(p, "127.0.0.6")


def test_a_refusal_comes_before_the_key_and_the_body(proxy, scripted):
    u = scripted(answering(ok()))
    p = proxy(u, access={"ip_blacklist": "127.0.0.2"}, api_keys={"front": "real"})
    refused(p, "127.0.0.2")
    refused(p, "127.0.0.2", head("POST", "/v1/chat/completions", "Content-Length: 50000000",
                                 "Expect: 100-continue"))
    refused(p, "127.0.0.2", head("GET", "/elsewhere"))
    refused(p, "127.0.0.2", head("OPTIONS", "/v1/chat/completions", "Origin: http://a",
                                 "Access-Control-Request-Method: POST"))
    assert u.conns == []
    p.wait_log(r"client=127\.0\.0\.2 .*status=403")


def test_a_refused_page_can_read_why(proxy, upstream):
    p = proxy(upstream, access={"ip_blacklist": "127.0.0.2"})
    r = p.ask(post("{}", "Origin: http://a"), source="127.0.0.2")
    assert r.status == 403 and r.get("access-control-allow-origin") == "*"


def test_healthz_is_open_to_every_address(proxy, upstream):
    p = proxy(upstream, access={"ip_whitelist": "10.0.0.0/8"})
    for method in ("GET", "HEAD"):
        assert p.ask(head(method, "/healthz"), method, source="127.0.0.9").status == 200
    assert procs.run("--healthcheck", "-c", p.ini).returncode == 0


def test_who_may_not_come_in_has_little_time_and_few_places(proxy, upstream):
    p = proxy(upstream, access={"ip_blacklist": "127.0.0.2"},
              server={"max_connections": 150, "header_timeout": "60"})
    idle = [p.connect(source="127.0.0.2") for _ in range(300)]
    allowed(p)
    time.sleep(0.3)
    closed = [c for c in idle if not c.silent(0.01)]
    assert len(closed) >= 150
    allowed(p)
    left = next(c for c in idle if c not in closed)
    assert left.gone(8) < 7, "the rest is not kept for header_timeout"


# X-Forwarded-For.

@pytest.fixture
def behind(proxy, upstream):
    """A proxy that trusts 127.0.0.1 and 10.9.0.0/16, and refuses 192.0.2.66 and 2001:db8::/32."""
    return proxy(upstream, access={"trusted_proxies": "127.0.0.1, 10.9.0.0/16",
                                   "ip_blacklist": "192.0.2.66, 2001:db8::/32, 127.0.0.2"})


@pytest.mark.parametrize("fields, client", [
    ([], "127.0.0.1"),
    (["192.0.2.1"], "192.0.2.1"),
    (["192.0.2.66, 192.0.2.1"], "192.0.2.1"),
    (["192.0.2.66", "192.0.2.1"], "192.0.2.1"),
    (["192.0.2.1, 10.9.1.1, 10.9.2.2"], "192.0.2.1"),
    (["10.9.1.1 ,10.9.2.2"], "10.9.1.1"),
    (["192.0.2.1:5678"], "192.0.2.1"),
    (["[2001:dbf::1]:443"], "2001:dbf::1"),
    (["2001:dbf::1"], "2001:dbf::1"),
    (["::ffff:192.0.2.9"], "192.0.2.9"),
    (["192.0.2.66, unknown"], "127.0.0.1"),
    (["192.0.2.66, unknown, 10.9.0.1"], "10.9.0.1"),
    (["192.0.2.1,,"], "192.0.2.1"),
    ([""], "127.0.0.1"),
    (["192.0.2.66, " + ", ".join(["10.9.0.1"] * 31) + ", 10.9.0.2"], "10.9.0.1"),
])
def test_the_client_is_named_from_the_right(behind, fields, client):
    allowed(behind, "127.0.0.1", *[f"X-Forwarded-For: {f}" for f in fields])
    behind.wait_log(rf"client={client} .*status=200")


@pytest.mark.parametrize("fields", [["192.0.2.66"], ["192.0.2.1, 192.0.2.66"],
                                    ["192.0.2.1", "192.0.2.66, 10.9.0.1"], ["2001:db8::5"],
                                    ["[2001:db8::5]:1"],
                                    ["192.0.2.66:80"]])
def test_a_named_client_may_be_refused(behind, fields):
    r = behind.ask(post("{}", *[f"X-Forwarded-For: {f}" for f in fields]))
    assert r.status == 403


def test_a_forged_field_of_a_stranger_counts_for_nothing(behind):
    allowed(behind, "127.0.0.3", "X-Forwarded-For: 192.0.2.66")
    refused(behind, "127.0.0.2", post("{}", "X-Forwarded-For: 192.0.2.1"))


def test_without_trusted_proxies_the_field_counts_for_nothing(proxy, upstream):
    p = proxy(upstream, access={"ip_whitelist": "127.0.0.1"})
    allowed(p, "127.0.0.1", "X-Forwarded-For: 192.0.2.1")
    refused(p, "127.0.0.2", post("{}", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1",
                                 "Forwarded: for=127.0.0.1"))


def test_each_request_of_a_connection_has_its_own_client(behind):
    c = behind.connect()
    assert c.send(post("{}", "X-Forwarded-For: 192.0.2.1")).response().status == 200
    assert c.send(post("{}", "X-Forwarded-For: 192.0.2.2")).response().status == 200
    assert c.send(post("{}", "X-Forwarded-For: 192.0.2.66")).response().status == 403
    behind.wait_log(r"client=192\.0\.2\.2 ")


def test_a_local_socket(proxy, upstream, tmp_path):
    path = tmp_path / "s"

    def ask(p, *fields):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(path))
        c = Conn(s)
        p.conns.append(c)
        return c.send(post("{}", *fields)).response().status
    listen = f"unix:{path}, 127.0.0.1:{{port}}"
    p = proxy(upstream, server={"listen": listen})
    assert ask(p) == 200
    p.stop()
    p = proxy(upstream, server={"listen": listen}, access={"ip_whitelist": "127.0.0.0/8"})
    assert ask(p) == 403
    p.stop()
    p = proxy(upstream, server={"listen": listen},
              access={"ip_whitelist": "192.0.2.1", "trusted_proxies": "unix:"})
    assert ask(p) == 403 and ask(p, "X-Forwarded-For: 192.0.2.1") == 200


# The PROXY protocol.

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source, command=1, extra=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    here = "::1" if ":" in source else "127.0.0.1"
    addresses = b"".join(socket.inet_pton(family, a) for a in (source, here))
    addresses += struct.pack("!HH", 1234, 80) + extra
    kind = 0x21 if ":" in source else 0x11
    return V2 + struct.pack("!BBH", 0x20 | command, kind, len(addresses)) + addresses


@pytest.fixture
def prefaced(proxy, upstream):
    """A proxy whose clients are named in PROXY headers from 127.0.0.1."""
    def start(**access):
        mine = {"trusted_proxies": "127.0.0.1, 10.0.0.1", "ip_blacklist": "192.0.2.66", **access}
        return proxy(upstream, server={"listen": "127.0.0.1:{port} proxy_protocol"}, access=mine)
    return start


@pytest.mark.parametrize("preface, client", [
    (b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 80\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 4000 80\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2("192.0.2.8"), "192.0.2.8"),
    (v2("2001:db8::8", extra=b"\x03\0\4abcd"), "2001:db8::8"),
    (v2("192.0.2.66", command=0), "127.0.0.1"),
])
@pytest.mark.parametrize("slowly", [False, True])
def test_a_proxy_header(prefaced, preface, client, slowly):
    p = prefaced()
    c = p.connect()
    for i in range(0, len(preface), 1 if slowly else len(preface)):
        c.send(preface[i:i + 1] if slowly else preface)
        time.sleep(0.001)
    for _ in range(2):
        assert c.send(post()).response().status == 200
    p.wait_log(rf"client={client} .*status=200(.|\n)*client={client} .*status=200")


def test_header_and_request_in_one_piece(prefaced):
    c = prefaced().connect()
    assert c.send(v2("192.0.2.8") + post() + post()).response().status == 200
    assert c.response().status == 200


def test_who_is_named_may_be_refused_or_trusted(prefaced):
    p = prefaced()
    assert p.connect().send(b"PROXY TCP4 192.0.2.66 127.0.0.1 1 2\r\n"
                            + post()).response().status == 403
    assert p.connect().send(b"PROXY TCP4 10.0.0.1 127.0.0.1 1 2\r\n"
                            + post("{}", "X-Forwarded-For: 192.0.2.66")).response().status == 403
    assert p.connect().send(b"PROXY TCP4 10.0.0.2 127.0.0.1 1 2\r\n"
                            + post("{}", "X-Forwarded-For: 192.0.2.66")).response().status == 200


@pytest.mark.parametrize("preface", [post(), b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
                                     b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
                                     b"\r\n\r\n\0\r\nQUIT\x0b",
                                     b"PROXY " + b"x" * 200, v2("192.0.2.1", command=5)])
def test_what_is_no_header_is_closed(prefaced, preface):
    p = prefaced()
    p.connect().send(preface).gone(3)
    p.wait_log(r"warning the connection from 127\.0\.0\.1 has no PROXY header")


def test_only_trusted_proxies_may_name_clients(prefaced):
    p = prefaced(trusted_proxies="127.0.0.7")
    p.connect().gone(3)
    p.wait_log(r"warning 127\.0\.0\.1 is no trusted proxy")
    c = p.connect(source="127.0.0.7")
    assert c.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n" + post()).response().status == 200


def test_a_header_that_does_not_come(proxy, upstream):
    p = proxy(upstream, server={"listen": "127.0.0.1:{port} proxy_protocol",
                                "header_timeout": "300ms"}, access={"trusted_proxies": "127.0.0.1"})
    assert 0.2 < p.connect().send(b"PROXY TCP4 ").gone(4) < 3


def test_healthcheck_through_a_proxy_header(prefaced):
    p = prefaced()
    assert procs.run("--healthcheck", "-c", p.ini).returncode == 0
