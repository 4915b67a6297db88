"""The access line, and what no line may hold; the log file and USR1."""
import re
import signal

from httpraw import STREAM, head, post
from peers import SSE_HEAD, answering, chunk, delta


def line_of(p, pattern):
    m = p.wait_log(rf"^.*{pattern}.*$")
    return m[0]


def test_an_access_line(proxy, upstream):
    p = proxy(upstream, **{"key alice": {"key": "front-secret", "upstream_key": "real-secret"}})
    r = p.ask(post("{}", "Authorization: Bearer front-secret", query="status=429&token=query-secret"))
    line = line_of(p, "complete")
    for part in ("127.0.0.1", "alice", "POST", "/v1/chat/completions", "429", r.get("x-request-id")):
        assert part in line, (part, line)
    assert "secret" not in p.log()


def test_refused_requests_have_a_line_too(proxy, upstream):
    p = proxy(upstream, api_keys={"front-secret": "real-secret"})
    assert p.ask(post("{}", "Authorization: Bearer guess-secret")).status == 401
    assert p.ask(head("GET", "/nowhere?x=query-secret")).status == 404
    assert "POST" in line_of(p, r"\b401\b")
    assert "/nowhere" in line_of(p, r"\b404\b")
    assert "secret" not in p.log()


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
    u = scripted(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-request-id: up\x9b31m \" \\\r\n\r\n{}"))
    p = proxy(u)
    p.connect().send(head("GET", "/a\x1b[2J", "x-request-id: id\x1b]0;me\x07")).gone()
    p.ask(head("GET", "/a%0a%0dFAKE%1b[2J\"quote", "x-request-id: \x9b]0;me \"\t\xff"))
    assert p.ask(post()).status == 200
    line_of(p, r"\b200\b")
    text = p.log_path.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", text), text
    assert not re.search(rb"^FAKE", text, re.M)


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
    assert "complete" not in p.log() and "404" not in p.log()
