"""HUP: all or nothing. Requests under way keep the old settings, later ones get the new
settings."""
import re
import signal
import socket
import threading
import time

import pytest

import httpraw
import procs
from httpraw import PATH, STREAM, head, post
from peers import DONE, FINISH, SSE_HEAD, answering, chunk, delta, ok


def test_new_requests_get_the_new_settings(reloading, scripted):
    first, second = scripted(answering(ok(b"1"))), scripted(answering(ok(b"2")))
    p = reloading(first, api_keys={"old-key-1": "real-old-1"})
    c = p.connect()
    assert c.send(post("{}", "Authorization: Bearer old-key-1")).response().body == b"1"
    p.reload(second.url, api_keys={"new-key-1": "real-new-1"})
    r = c.send(post("{}", "Authorization: Bearer new-key-1")).response()
    assert r.body == b"2", "also on a connection that was there before"
    assert p.ask(post("{}", "Authorization: Bearer old-key-1")).status == 401
    assert "-key-1" not in p.log() and "real-" not in p.log()


@pytest.mark.parametrize("workers", [1, 2])
def test_warm_connections_outlive_a_reload_that_is_not_about_them(reloading, scripted, workers):
    """A log level, a key and a time-out of the client's side say nothing of the upstream."""
    def handler(conn, n):
        while conn.buf or conn.more():
            conn.request()
            time.sleep(0.05)
            conn.send(ok())
    u = scripted(handler)
    p = reloading(u, server={"workers": workers}, api_keys={"front-1": "real-1"},
                  access={"unknown_keys": "pass"})
    c = [p.connect() for _ in range(8)]

    def ask():
        for conn in c:
            conn.send(post("{}", "Authorization: Bearer front-1"))
        assert [conn.response().status for conn in c] == [200] * len(c)
    ask()
    dialled = len(u.conns)
    assert dialled == len(c)
    p.reload(log={"level": "debug"})
    ask()
    p.reload(api_keys={"front-1": "real-2", "front-2": "real-3"},
             server={"workers": workers, "body_timeout": "59"})
    ask()
    assert len(u.conns) == dialled
    p.reload(upstream={"response_timeout": "599"})
    ask()
    assert len(u.conns) == 2 * dialled, "as the first requests made them"


@pytest.mark.parametrize("mode", ["pool", "silence", "answer", "body", "fault"])
def test_old_settings_last_as_long_as_their_timers(reloading, scripted, mode):
    """The last user of a generation releases it from within one of its time-outs. A sanitizer sees
    a use after free; elsewhere freed memory is overwritten."""
    def handler(conn, n):
        if mode in ("pool", "silence", "answer"):
            conn.request()
        if mode == "pool":
            time.sleep(0.4)
            conn.send(ok())
        elif mode == "silence":
            conn.send(SSE_HEAD + chunk(delta("x")))
        conn.gone(8)
    p = reloading(scripted(handler), env={"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
                                          "MALLOC_PERTURB_": "165"},
                  server={"body_timeout": "600ms"},
                  upstream={"idle_timeout": "600ms", "keepalive_timeout": "600ms",
                            "response_timeout": "600ms"})
    request = {"body": head("POST", PATH, "Content-Length: 10") + b"{}",
               "fault": head("POST", PATH, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n"}
    c = p.connect().send(request.get(mode, post()))
    time.sleep(0.1)
    p.reload(server={"body_timeout": "600ms", "idle_timeout": "33"})
    if mode == "fault":
        c.send(b"zz\r\n")
    assert c.response().status == {"pool": 200, "silence": 200, "answer": 504, "body": 408,
                                   "fault": 400}[mode]
    time.sleep(0.9)
    assert p.process.poll() is None
    assert p.ask(head("GET", "/healthz"), "GET").status == 200


def test_connections_of_old_settings_do_not_use_up_the_limit(reloading, scripted):
    go = threading.Event()

    def handler(conn, n):
        while conn.more():
            conn.request()
            conn.send(SSE_HEAD + chunk(delta("a")))
            go.wait(10)
            conn.send(chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")
    p = reloading(scripted(handler), upstream={"connection_limit": "1"})
    c = p.connect().send(post(STREAM))
    r = c.response_head()
    p.reload(log={"level": "debug"})
    go.set()
    assert DONE in c.read_body(r, "close").body
    for _ in range(2):
        assert p.ask(post(STREAM)).status == 200


def test_an_answer_under_way_does_not_show_the_old_key(reloading, scripted):
    """Keys are changed after a leak, and responses that quote the old keys may be under way just
    then."""
    go = threading.Event()

    def handler(conn, n):
        conn.request()
        conn.send(b"HTTP/1.1 401 No\r\nContent-Length: 70\r\n\r\n"
                  b"Incorrect API key provided: real-old")
        go.wait(10)
        conn.send(b"-0123, and not new-key-0123.......")
    p = reloading(scripted(handler), api_keys={"front-old-0123": "real-old-0123"},
                  log={"log_responses": "yes"})
    c = p.connect().send(post("{}", "Authorization: Bearer front-old-0123",
                              "x-request-id: front-old-0123"))
    c.response_head()
    p.reload(api_keys={"front-new-0123": "new-key-0123"})
    go.set()
    assert p.wait_log("answer body .*")[0].endswith('provided: ***, and not ***......."')
    p.wait_log("status=401")
    assert "0123" not in p.log()


def test_streams_under_way_keep_the_old_settings(reloading, scripted):
    go = threading.Event()

    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        assert go.wait(5)
        time.sleep(0.6)
        conn.send(chunk(delta("b")) + chunk(FINISH) + chunk(DONE) + b"0\r\n\r\n")
        conn.more()
    u = scripted(handler)
    p = reloading(u, upstream={"idle_timeout": "5"})
    c = p.connect().send(post(STREAM))
    c.response_head()
    c.chunk()
    p.reload(upstream={"idle_timeout": "300ms"}, api_keys={"only": "for-new"})
    go.set()
    assert [c.chunk() for _ in range(4)] == [delta("b"), FINISH, DONE, b""]
    assert c.send(post(STREAM)).response().status == 401


def test_a_bad_file_changes_nothing_and_says_why(reloading, upstream):
    p = reloading(upstream)
    for text, words in (("[server]\nlisen = 1\n[upstream]\nbase_url = nonsense\n",
                         [r"proxy\.ini:2: \[server\] unknown key 'lisen'",
                          r"proxy\.ini:4: \[upstream\]"]),
                        ("[defaults]\ntemperature = {\n", [r"proxy\.ini:2: \[defaults\]"]),
                        ("[upstream]\nca_file = /dev/null\n", [r"\[upstream\] .*/dev/null"]),
                        ("[server]\nuser = nosuchuser\n",
                         [r"user cannot change while the program runs"])):
        p.reload(text=text, expect="nothing was changed")
        for w in words:
            p.wait_log(r"error reload: .*" + w)
        assert p.ask(post()).status == 200
    p.ini.unlink()
    p.signal(signal.SIGHUP)
    p.wait_log(r"error reload: .*proxy\.ini: cannot be read")
    assert p.ask(post()).status == 200


def test_the_log_says_what_has_changed(reloading, upstream):
    p = reloading(upstream, server={"idle_timeout": "75"},
                  api_keys={"aaaa-1": "rrrr-1", "bbbb-1": "rrrr-2"}, field_aliases={"a": "b"})
    p.reload(server={"idle_timeout": "1500ms"},
             upstream={"proxy": "http://me:pass-word@127.0.0.1:9"},
             api_keys={"aaaa-1": "rrrr-9", "cccc-1": "rrrr-3"},
             field_aliases={"a": "b", "c": "d"},
             access={"ip_blacklist": ", ".join(f"10.0.0.{i}" for i in range(100))})
    for line in (r"\[server\] idle_timeout = 1500ms \(was 75\)",
                 r"\[upstream\] proxy = http://\*\*\*@127\.0\.0\.1:9 \(was none\)",
                 r"\[access\] ip_blacklist has changed", r"\[api_keys\]: 1 new, 1 gone, 1 changed",
                 r"\[field_aliases\]: 1 new, 0 gone, 0 changed"):
        p.wait_log(r"info reload: " + line)
    assert not re.search(r"pass-word|aaaa-1|rrrr-9|cccc-1", p.log())
    p.reload()
    p.wait_log(r"reload: done, nothing has changed")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_local_socket_gets_another_mode(reloading, upstream, tmp_path, workers):
    path = tmp_path / "s"
    p = reloading(upstream,
                  server={"workers": workers,
                          "listen": f"unix:{path} mode=0666, 127.0.0.1:{{port}}"})
    assert path.stat().st_mode & 0o777 == 0o666
    p.reload(server={"workers": workers, "listen": f"unix:{path} mode=0600, 127.0.0.1:{{port}}"})
    assert path.stat().st_mode & 0o777 == 0o600
    other = tmp_path / "t"

    def both(mode):
        return {"workers": workers,
                "listen": f"unix:{path} mode={mode}, unix:{other} mode={mode}, 127.0.0.1:{{port}}"}
    p.reload(server=both("0600"))
    other.unlink()
    p.reload(server=both("0660"), expect="nothing was changed")
    p.wait_log(r"error reload: .*cannot change the mode of unix:.*/t: No such file")
    assert path.stat().st_mode & 0o777 == 0o600, "all or nothing"
    assert p.ask(post()).status == 200


def test_listeners_open_and_close_by_difference(reloading, upstream, tmp_path):
    p = reloading(upstream, server={"listen": "127.0.0.1:{port}"})
    other, path = procs.free_port(), tmp_path / "sock"
    kept = p.connect()
    p.reload(server={"listen": f"127.0.0.1:{{port}}, 127.0.0.1:{other}, unix:{path} mode=600"})
    c = httpraw.connect(other)
    assert c.send(post()).response().status == 200
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept.send(post()).response().status == 200
    p.reload(server={"listen": f"127.0.0.1:{other}"})
    assert not path.exists()
    with pytest.raises(ConnectionRefusedError):
        httpraw.connect(p.port)
    assert kept.send(post()).response().status == 200, "a connection outlives its listener"
    assert c.send(post()).response().status == 200
    c.close()


def test_a_port_that_is_taken_changes_nothing(reloading, upstream):
    p = reloading(upstream)
    fresh = procs.free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        p.reload(server={"listen": f"127.0.0.1:{fresh}, 127.0.0.1:{port}"},
                 expect="nothing was changed")
    p.wait_log(rf"error reload: .*cannot listen on 127\.0\.0\.1:{port}")
    assert p.ask(post()).status == 200
    with pytest.raises(ConnectionRefusedError):
        httpraw.connect(fresh)


def test_the_log_itself_may_change(reloading, upstream, tmp_path):
    p = reloading(upstream)
    path = tmp_path / "log"
    path.touch()
    p.sections["log"] = {"file": path, "format": "json", "level": "info"}
    p.proxy.write_ini(p.base, p.sections)
    p.signal(signal.SIGHUP)
    p.proxy.log_path, stderr = path, p.log_path
    p.wait_log(r'"message":"reload: done')
    p.ask(post())
    p.wait_log(r'"status":200')
    assert "status=" not in stderr.read_text()


def test_idle_clients_wait_by_the_new_times(reloading, upstream):
    p = reloading(upstream, server={"idle_timeout": "60"})
    c = p.connect()
    c.send(post()).response()
    p.reload(server={"idle_timeout": "200ms"})
    assert c.gone(3) < 2


def test_pooled_connections_of_the_old_settings_are_not_used(reloading, scripted):
    u = scripted(answering(ok()))
    p = reloading(u)
    p.ask(post())
    p.reload(upstream={"timeout": "29"})
    p.ask(post())
    assert len(u.conns) == 2


def test_reloads_under_load_lose_no_request_and_leak_nothing(reloading, upstream):
    """Clients on kept and on new connections, without a pause."""
    n = 300 if procs.sanitized() else 1000
    p = reloading(upstream, log={"level": "warning"}, field_aliases={"model": "model_id"},
                  api_keys={"front-1": "real-1"},
                  access={"ip_blacklist": "10.0.0.0/8"})
    stop, asked, failures = threading.Event(), [0, 0], []

    def load(which):
        c = p.proxy.connect()
        while not stop.is_set():
            try:
                if which == 1:
                    c = httpraw.connect(p.port)
                r = c.send(post('{"model":"m"}', "Authorization: Bearer front-1")).response()
                assert r.status == 200 and r.complete
                if which == 1:
                    c.close()
                asked[which] += 1
            except Exception as e:
                failures.append(e)
                return
    threads = [threading.Thread(target=load, args=(i % 2,)) for i in range(4)]
    for t in threads:
        t.start()

    def settle():
        time.sleep(0.1)
        return p.rss(), procs.descriptors(p.pid)
    rss = files = 0
    for i in range(n):
        p.signal(signal.SIGHUP)
        time.sleep(0.004)
        if i == n // 4:
            rss, files = settle()
    last, last_files = settle()
    stop.set()
    for t in threads:
        t.join()
    assert not failures, failures
    assert min(asked) > 100
    assert last_files <= files + 8
    if not procs.sanitized():
        assert last - rss < 1 << 20, (rss, last)


def test_hup_while_draining_is_nothing(reloading, scripted):
    u = scripted(lambda conn, n: (conn.request(), conn.send(SSE_HEAD), conn.gone()))
    p = reloading(u, server={"drain_timeout": "1"})
    c = p.connect().send(post(STREAM))
    c.response_head()
    p.signal(signal.SIGTERM)
    p.wait_log("draining")
    p.signal(signal.SIGHUP)
    assert p.wait_end() == 0 and "reload" not in p.log()
