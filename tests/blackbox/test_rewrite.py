"""[field_aliases] and [defaults]: the body that the upstream gets, for bodies of every size and
shape."""
import json
import signal
import socket
import subprocess
import time

import pytest
from httpraw import post, post_chunked
from peers import ok
from procs import BINARY, sanitized

ALIASES = {"model": "model_id", "a": "b", "b": "c"}


def sent(p, body, **how):
    r = p.ask(post(body, query="echo=body", **how))
    assert r.status == 200, r.body
    return r.body


def head_sent(p, body, **how):
    r = p.ask(post(body, query="echo=head", **how))
    assert r.status == 200, r.body
    return r.body.lower()


def chunked(body, size):
    return post_chunked([body[i:i + size] for i in range(0, len(body), size)], query="echo=body")


@pytest.mark.parametrize("body,want", [
    (b'{"model":"x"}', b'{"model_id":"x"}'),
    (b'{"\\u006dodel" : 1.50e+00 ,"z":"\\u00e9\\/"}', b'{"model_id" : 1.50e+00 ,"z":"\\u00e9\\/"}'),
    (b' {"a":[{"a":{"b":-0}}],"A":"a"}\n', b' {"b":[{"b":{"c":-0}}],"A":"a"}\n'),
    (b'{"mode":1,"models":2,"":3}', b'{"mode":1,"models":2,"":3}'),
    (b'["a",{"a":"model"}]', b'["a",{"b":"model"}]'),
    (b'12', b'12'),
])
def test_renamed_at_every_depth(proxy, upstream, body, want):
    p = proxy(upstream, field_aliases=ALIASES)
    assert sent(p, body) == want
    assert b"content-length: %d\r\n" % len(want) in head_sent(p, body)
    for size in (1, 3, 1000):
        assert p.ask(chunked(body, size)).body == want


def test_only_at_the_top(proxy, upstream):
    p = proxy(upstream, field_aliases=ALIASES, upstream={"alias_scope": "top"})
    assert sent(p, b'{"a":{"a":1},"model":[{"model":2}]}') == \
        b'{"b":{"a":1},"model_id":[{"model":2}]}'


def test_defaults(proxy, upstream):
    p = proxy(upstream, field_aliases=ALIASES, defaults={"temperature": "0.6", "model": '"m"'})
    got = json.loads(sent(p, b'{"x":{"temperature":1}}'))
    assert got == {"x": {"temperature": 1}, "temperature": 0.6, "model_id": "m"}
    assert sent(p, b'{"temperature":1, "model":"q"}') == b'{"temperature":1, "model_id":"q"}'
    assert json.loads(sent(p, b'{}')) == {"temperature": 0.6, "model_id": "m"}
    assert sent(p, b'[{}]') == b'[{}]'


@pytest.mark.parametrize("body,offset", [
    (b'', 0), (b'{"a":1', 6), (b'{"a":1,}', 7), (b'{"a":01}', 6), (b'{"a":1}x', 7), (b"{'a':1}", 1),
    (b'\xef\xbb\xbf{}', 0),
    (b'[' * 513, 512), (b'{"a":"\n"}', 6),
])
def test_faults_name_their_offset(proxy, upstream, body, offset):
    p = proxy(upstream, field_aliases=ALIASES)
    r = p.ask(post(body))
    error = json.loads(r.body)["error"]
    assert r.status == 400 and error["code"] == "invalid_json"
    assert error["type"] == "invalid_request_error"
    assert error["message"].endswith(f"at byte {offset}")
    assert p.ask(post(b'{"a":1}')).status == 200


@pytest.mark.parametrize("body,later", [
    (b'{"max_tokens":1,"max_completion_tokens":2}', b'max_completion_tokens"'),
    (b'{"max_completion_tokens":2,"max_tokens":1}', b'max_tokens"'),
    (b'{"max_\\u0074okens":1,"x":[{}],"max_completion_tokens":2}', b'max_completion_tokens"'),
    (b'[{"x":{"max_tokens":1,"y":"' + b"z" * 100_000 + b'","max_completion_tokens":2}}]',
     b'max_completion_tokens"')])
def test_an_old_and_a_new_name_in_one_object(proxy, scripted, body, later):
    p = proxy(scripted(lambda conn, _: conn.gone()),
              field_aliases={"max_tokens": "max_completion_tokens"})
    r = p.ask(post(body))
    assert r.status == 400 and r.error["code"] == "invalid_json"
    assert "'max_tokens'" in r.error["message"] and "'max_completion_tokens'" in r.error["message"]
    assert r.error["message"].endswith(f"at byte {body.rindex(later) + len(later) - 1}")


def test_an_old_and_a_new_name_in_two_objects(proxy, upstream):
    p = proxy(upstream, field_aliases={"max_tokens": "max_completion_tokens"})
    assert sent(p, b'{"max_tokens":1,"x":{"max_completion_tokens":2},"max_tokens":3}') == \
        b'{"max_completion_tokens":1,"x":{"max_completion_tokens":2},"max_completion_tokens":3}'


def test_half_of_a_surrogate_pair_passes(proxy, upstream):
    body = b'{"cut":"\\ud83d","\\uDE00":["\\ude00\\ud83d",{"a\\ud83d":1}],"\\ud83dx":2}'
    assert sent(proxy(upstream, field_aliases=ALIASES), body) == body


def test_a_late_fault_never_completes_the_request(proxy, scripted):
    got = []

    def handler(s, n):
        try:
            while data := s.sock.recv(65536):
                got.append(data)
        except OSError:
            pass
        got.append(None)

    p = proxy(scripted(handler), field_aliases=ALIASES)
    body = b'{"a":"' + b"x" * 300_000 + b'","q":tru }'
    r = p.ask(post(body))
    assert r.status == 400 and r.error["message"].endswith(f"at byte {len(body) - 2}")
    end = time.monotonic() + 5
    while (not got or got[-1] is not None) and time.monotonic() < end:
        time.sleep(0.01)
    assert got[-1] is None
    raw = b"".join(got[:-1])
    assert raw and not raw.endswith(b"0\r\n\r\n") and b"content-length" not in raw.lower()


def test_the_rest_of_a_body_is_no_request_when_the_upstream_was_waited_for(proxy, black_hole):
    """The decoder stands where the kept input begins, so that the rest is thrown away to the byte
    and the next request is read."""
    p = proxy(black_hole, field_aliases=ALIASES, upstream={"timeout": "300ms"})
    c = p.connect()
    c.send(post(b'{"a":"' + b"GET /healthz HTTP/1.1\\r\\n" * 8000 + b'"}'))
    assert c.response().status == 504
    assert c.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").response().body == b'{"status":"ok"}'
    assert c.silent()


def test_long_bodies_go_out_chunked_and_unharmed(proxy, upstream):
    p = proxy(upstream, field_aliases=ALIASES, defaults={"n": "1"})
    text = json.dumps({"messages": [{"role": "user", "content": "é\u2028\"\\" * 20_000, "a": i}
                                    for i in range(10)]}, ensure_ascii=False)
    body = text.encode()
    got = sent(p, body)
    assert got == body.replace(b'"a": ', b'"b": ')[:-1] + b',"n":1}'
    assert b"transfer-encoding: chunked" in head_sent(p, body)
    assert p.ask(chunked(body, 50_000)).body == got


NUMBERED = b'{"model":"q","messages":"' + b"".join(b"%07d " % i for i in range(60_000)) + b'"}'
GROWING = b'{"model":"q","messages":[' + b'{"a":"xx"},' * 40_000 + b"1]}"


@pytest.mark.parametrize("size", [200, 5000, 9000, 70_000, 1 << 20])
@pytest.mark.parametrize("body", [NUMBERED, GROWING], ids=["numbered", "growing"])
def test_chunks_that_come_while_the_upstream_is_waited_for(proxy, scripted, body, size):
    """The first request of a proxy waits for its connection, and one to a slow reader for its
    window. Bytes that were decoded already are not taken twice."""
    got = []

    def handler(conn, n):
        time.sleep(0.1)
        got.append(u.read(conn).body)
        conn.send(ok())
        conn.gone()
    u = scripted(handler)
    u.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    p = proxy(u, field_aliases={"model": "model_id", "a": "bbbbbb"})
    assert p.ask(chunked(body, size)).status == 200
    assert got[0] == body.replace(b'"model":', b'"model_id":').replace(b'"a":', b'"bbbbbb":')


def test_a_refused_body_ends_its_exchange(proxy, upstream):
    """The request was read to its end. Neither its access line nor the next request nor the end of
    the program waits for more."""
    p = proxy(upstream, field_aliases=ALIASES, server={"drain_timeout": "30"})
    c = p.connect()
    for body in (b'{"model":}', b'{"model":1'):
        assert c.send(post(body)).response().status == 400
    p.wait_log(r"(?:status=400(?:.|\n)*){2}", 2)
    assert c.send(post(b'{"model":1}')).response().status == 200
    assert c.send(post(b'{"model":}')).response().status == 400
    p.signal(signal.SIGTERM)
    assert p.wait_end(3) == 0


@pytest.mark.parametrize("fields,status", [
    (["Content-Encoding:", "Content-Encoding: gzip"], 415),
    (["Content-Encoding: identity, br"], 415),
    (["Content-Encoding: identity, IDENTITY"], 200), (["Content-Encoding: ,"], 200),
])
def test_codings_in_lists(proxy, upstream, fields, status):
    assert proxy(upstream, field_aliases=ALIASES).ask(post(b"{}", *fields)).status == status


def test_coded_bodies_are_refused_only_where_they_would_be_read(proxy, upstream):
    raw = post(b"\x1f\x8b", "Content-Encoding: gzip")
    r = proxy(upstream, field_aliases=ALIASES).ask(raw)
    assert r.status == 415 and json.loads(r.body)["error"]["code"] == "unsupported_content_encoding"
    assert proxy(upstream).ask(raw).status == 200


def test_memory_does_not_follow_the_body(proxy, upstream):
    if sanitized():
        pytest.skip("a sanitizer's memory is its own")
    p = proxy(upstream, field_aliases=ALIASES, server={"max_body_size": "1G"})
    sent_once = p.ask(post(b'{"a":1}'))
    assert sent_once.status == 200
    before = p.rss()
    size = 200_000_000
    s = socket.create_connection(("127.0.0.1", p.port))
    s.settimeout(30)
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
              % (size + 8))
    s.sendall(b'{"a":"')
    block = b"QUJD" * 250_000
    peak = 0
    for _ in range(size // len(block)):
        s.sendall(block)
        peak = max(peak, p.rss())
    s.sendall(b'"}')
    assert b" 200 " in s.recv(64)
    s.close()
    assert peak - before < 1024 * 1024


@pytest.mark.parametrize("section,line,message", [
    ("field_aliases", "%s = x" % ("k" * 129), "[field_aliases]"),
    ("defaults", "temperature = 0.", "[defaults]"),
    ("defaults", "stop = [1,", "[defaults]"),
])
def test_rules_that_cannot_be_made(tmp_path, section, line, message):
    ini = tmp_path / "proxy.ini"
    ini.write_text(f"[server]\nlisten = 127.0.0.1:1\n[{section}]\n{line}\n")
    done = subprocess.run([BINARY, "-t", "-c", ini], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and f"{ini}:4: {message}" in done.stderr
