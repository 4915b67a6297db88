"""What the proxy does where the system fails it: too little memory, a descriptor too few, a send
that does not go."""
import signal
import threading
import time

import pytest

import procs
from faults import KINDS, Fault, Page
from httpraw import PATH, head, post
from peers import SSE_HEAD, answering, chunk, ok
from tlspeers import has_tls13


@pytest.fixture
def page(tmp_path):
    return Page(tmp_path)


@pytest.fixture
def faulty(proxy, page):
    """A proxy that the page's faults hit."""
    def start(target, **sections):
        return proxy(target, env=page.env(), **sections)
    return start


def test_a_library_that_makes_one_call_fail(faulty, page, scripted):
    """The tests below can see a fault: this one is not caught by anything."""
    p = faulty(scripted(answering(ok(b'{"a":1}'))))
    with page.armed(Fault("connect", "ECONNREFUSED")):
        r = p.ask(post())
    assert r.status == 502 and r.error["code"] == "upstream_connect_error"
    assert p.ask(post()).body == b'{"a":1}'
    assert page.live > 0


def in_a_second(p, request):
    """The response, which has to come soon."""
    begun = time.monotonic()
    r = p.ask(request)
    assert time.monotonic() - begun < 1.5
    return r


def wait_for_more(conn, n):
    """An upstream that lives and says nothing."""
    conn.gone()


@pytest.mark.parametrize("what", ["EPIPE", "ECONNRESET", "ENOBUFS", "EINVAL"])
def test_a_send_that_fails_ends_the_exchange_at_once(faulty, page, scripted, what):
    """The upstream waits for the rest of the request."""
    p = faulty(scripted(wait_for_more))
    with page.armed(Fault("send", what)):
        r = in_a_second(p, head("POST", PATH, "Content-Length: 5"))
    assert r.status == 502 and r.error["code"] == "upstream_error"
    assert "took only a part of the request" in r.error["message"]
    assert r.get("x-should-retry") == "false"


@pytest.mark.parametrize("what", ["EPIPE", "ENOBUFS", "ECONNRESET"])
def test_a_splice_that_fails_ends_the_exchange_at_once(faulty, page, scripted, what):
    """The second splice of a long body is the one to the upstream."""
    p = faulty(scripted(wait_for_more))
    with page.armed(Fault("splice", what, at=2)):
        r = in_a_second(p, post(b"x" * 1000000))
    assert r.status == 502 and r.get("x-should-retry") == "false"


@pytest.mark.parametrize("what", ["ENOBUFS", "EPIPE"])
def test_a_stream_until_the_end_whose_error_event_cannot_be_sent_is_reset(faulty, page, scripted,
                                                                          what):
    """A clean end would make it look whole."""
    def cut(conn, _):
        conn.request()
        conn.send(SSE_HEAD + chunk(b'data: {"id":"c","'))
        assert received.wait(10)
        conn.close(rst=True)

    received = threading.Event()
    p = faulty(scripted(cut))
    conn = p.connect()
    conn.send(post(version="1.0"))
    conn.response_head()
    while b'"id":"c","' not in conn.buf:
        assert conn.more()
    with page.armed(Fault("send", what)):
        received.set()
        while conn.more():
            pass
    assert conn.reset and b"error" not in conn.buf


def test_a_response_that_comes_when_a_send_has_failed_is_passed_on(faulty, page, scripted):
    """An upstream that refuses a body before it was sent."""
    def refuse(conn, n):
        conn.head_bytes()
        time.sleep(0.2)
        conn.send(ok(b'{"no":1}', status="413 Content Too Large"))
        conn.gone()

    p = faulty(scripted(refuse))
    c = p.connect()
    with page.armed(Fault("splice", "EPIPE", at=2)):
        c.send(head("POST", PATH, "Content-Length: 200000"))
        time.sleep(0.05)
        c.send(b"x" * 20000)
        r = c.response()
    assert r.status == 413 and r.body == b'{"no":1}'


def test_a_shortage_after_the_request_went_out_forbids_to_retry(faulty, page, scripted):
    """A head that comes in parts has to be kept, and there is no memory for it."""
    def slowly(conn, n):
        if not conn.more():
            return
        seen.append(conn.request())
        conn.send(b"HTTP/1.1 200 OK\r\nConte")
        conn.gone()

    seen = []
    p = faulty(scripted(slowly))
    c = p.connect()
    c.send(head("GET", "/healthz")).response("GET")
    for at in range(1, 10):
        page.arm(Fault("allocation", at=at))
        c.send(post(b"x" * 100))
        r = c.response()
        page.disarm()
        assert r.status == 500 and r.error["code"] == "internal_error"
        if seen:
            assert r.get("x-should-retry") == "false"
            return
    raise AssertionError("no fault came so late")


def test_a_model_without_memory_is_not_a_request_without_a_model(faulty, page, scripted):
    """It is neither refused as one nor sent to the upstream of those that name none."""
    target = scripted(answering(ok()))
    p = faulty(target, upstream={"models": "other"},
               **{"upstream second": {"base_url": target.url, "models": "m"}})
    c = p.connect()
    c.send(head("GET", "/healthz")).response("GET")
    found = []
    for at in range(1, 8):
        page.arm(Fault("allocation", at=at))
        c.send(post(b'{"model":"m"}')[:-3])
        time.sleep(0.05)
        r = c.send(b'm"}').response()
        page.disarm()
        found.append((r.status, r.error["code"] if r.status != 200 else ""))
        assert c.send(post(b'{"model":"m"}')).response().status == 200
    assert set(found) <= {(500, "internal_error"), (200, "")} and len(set(found)) == 2, found


@pytest.mark.parametrize("at", [1, 2], ids=["hello", "finished"])
@pytest.mark.parametrize("what", ["EPIPE", "ENOBUFS"])
def test_a_handshake_that_cannot_be_sent_fails_at_once(proxy, page, tls_upstream, good, authority,
                                                       what, at):
    if at == 2 and has_tls13():
        pytest.skip("TLS 1.3 sends its last message with the request")
    p = proxy(tls_upstream(answering(ok()), good), env=page.env(),
              upstream={"ca_file": authority.file})
    with page.armed(Fault("send", what, at=at)):
        r = in_a_second(p, post())
    assert r.status == 502 and r.error["code"] == "upstream_tls_error"
    assert "the connection was lost during the handshake" in r.error["message"]
    assert r.get("x-should-retry") == "true"
    assert p.ask(post()).status == 200


@pytest.mark.parametrize("fault", [("write", "ENOMEM"), ("write", "EINTR"), ("read", "EINTR")],
                         ids=" ".join)
@pytest.mark.parametrize("at", [1, 2], ids=["signal", "loader"])
def test_a_reload_is_not_lost_on_the_way_to_the_loop(faulty, page, scripted, fault, at):
    """Linux needs a page for a byte in a pipe. The log's thread writes, too."""
    p = faulty(scripted(answering(ok())))
    p.wait_log("listening on")
    with page.armed(Fault(*fault, at=at)):
        p.signal(signal.SIGHUP)
        p.wait_log("reload: done")
    p.signal(signal.SIGHUP)
    p.wait_log("(?s)reload: done.*reload: done")


def test_a_name_is_not_lost_on_the_way_to_the_loop(faulty, page, scripted):
    p = faulty(f"http://localhost:{scripted(answering(ok())).port}")
    p.wait_log("listening")             # the log's thread writes, too
    with page.armed(Fault("write", "ENOMEM")):
        r = in_a_second(p, post())
    assert r.status == 200


def test_a_log_that_cannot_be_written_to_is_no_settings_to_change_to(faulty, page, scripted,
                                                                     tmp_path):
    """A new log file needs a thread; the first one that is made is the loader's."""
    target = scripted(answering(ok()))
    p = faulty(target)
    p.wait_log("listening on")
    p.write_ini(target.url, {"log": {"file": str(tmp_path / "log")}})
    with page.armed(Fault("pthread_create", "EAGAIN", at=2)):
        p.signal(signal.SIGHUP)
        p.wait_log("reload: nothing was changed: Resource temporarily unavailable")
    p.signal(signal.SIGHUP)
    procs.wait_for(lambda: "reload: done" in (tmp_path / "log").read_text())


def test_lines_wait_for_a_thread_that_could_not_be_started(faulty, page, scripted):
    """A later turn of the loop tries again, without a line of its own: a connection is one."""
    with page.armed(Fault("pthread_create", "EAGAIN")):
        p = faulty(scripted(answering(ok())))
        procs.wait_for(lambda: page.fired > 0)

    def listening_after_a_turn():
        p.connect().close()
        return "listening on" in p.log()
    procs.wait_for(listening_after_a_turn)


def start_with(tmp_path, page, fault, **sections):
    """Starts the proxy with a fault that it cannot do without. Returns the finished process."""
    ini = tmp_path / "proxy.ini"
    ini.write_text(procs.ini_text({"server": {"listen": f"127.0.0.1:{procs.free_port()}"},
                                   "upstream": {"base_url": "https://localhost"}, **sections}))
    with page.armed(fault):
        return procs.run("-c", ini, env=procs.clean_env(**page.env()))


def test_a_shortage_at_the_start_is_neither_the_configuration_nor_the_network(tmp_path, page):
    """Exit code 3. The file of certificates is the second one that is opened."""
    ca = tmp_path / "ca"
    ca.write_text("")
    r = start_with(tmp_path, page, Fault("open", "ENOMEM", at=2), upstream={
        "base_url": "https://localhost", "ca_file": ca})
    assert r.returncode == 3 and "Cannot allocate memory" in r.stderr
    for what in ("ENOMEM", "EMFILE"):
        r = start_with(tmp_path, page, Fault("socket", what))
        assert r.returncode == 3 and "cannot listen on" in r.stderr
    assert start_with(tmp_path, page, Fault("socket", "EACCES")).returncode == 2


def test_another_bundle_is_not_taken_for_want_of_memory(tmp_path, page):
    """The system's first bundle cannot be opened: the next one is no substitute."""
    r = start_with(tmp_path, page, Fault("open", "ENOMEM", at=2))
    assert r.returncode == 3 and "no CA certificates" not in r.stderr


def test_a_start_that_fails_says_so_on_stderr_too(tmp_path, page):
    """The log may not be there yet: its thread starts last."""
    r = start_with(tmp_path, page, Fault("epoll_create1", "EMFILE"),
                   log={"file": tmp_path / "log"})
    assert r.returncode == 3
    assert "openai-chat-proxy: cannot go on: Too many open files" in r.stderr


@pytest.fixture
def workers(faulty, scripted):
    """A proxy with two workers."""
    p = faulty(scripted(answering(ok())), server={"workers": "2"})
    procs.wait_for(lambda: len(procs.children(p.pid)) == 2)
    p.wait_log("2 workers")
    return p


@pytest.mark.parametrize("what", ["ENOBUFS", "EPIPE", "EINTR", "SHORT"])
@pytest.mark.parametrize("at", [1, 3], ids=["order", "answer"])
def test_a_reload_of_workers_ends_whatever_becomes_of_its_messages(workers, page, what, at):
    """Two orders and two answers: who cannot be told, or cannot answer, is replaced."""
    with page.armed(Fault("sendmsg", what, at=at)):
        workers.signal(signal.SIGHUP)
        workers.wait_log("reload: done")
    procs.wait_for(lambda: len(procs.children(workers.pid)) == 2)
    assert ("replaced" in workers.log()) == (what in ("ENOBUFS", "EPIPE"))
    assert workers.ask(post()).status == 200


def test_a_worker_that_cannot_follow_does_not_say_that_nothing_was_changed(workers, page, scripted):
    """It cannot listen on the new address. The parent's word is that of the reload."""
    more = f"127.0.0.1:{workers.port}, 127.0.0.1:{procs.free_port()}"
    workers.write_ini(scripted(answering(ok())).url, {"server": {"listen": more, "workers": "2"}})
    with page.armed(Fault("epoll_ctl", "ENOMEM")):
        workers.signal(signal.SIGHUP)
        workers.wait_log("reload: this worker cannot follow: Cannot allocate memory")
        workers.wait_log("cannot follow, and is replaced")
        workers.wait_log("reload: done")
    assert "nothing was changed" not in workers.log()


@pytest.mark.parametrize("what", KINDS["getaddrinfo"])
def test_a_name_that_is_not_found_this_time_is_looked_for_again(faulty, page, scripted, what):
    p = faulty(f"http://localhost:{scripted(answering(ok())).port}")
    with page.armed(Fault("getaddrinfo", what)):
        r = in_a_second(p, post())
    assert r.status == 200 or (r.status == 502 and r.error["code"] == "upstream_dns_error" and
                               r.get("x-should-retry") == "true")
    assert (r.status == 200) == (what == "EAI_NONAME")      # asked without AI_ADDRCONFIG
    assert p.ask(post()).status == 200
