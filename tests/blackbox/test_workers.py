"""Several workers: a parent that starts them, restarts one that dies, and forwards signals."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import httpraw
import procs
from httpraw import STREAM, Conn, head, post
from peers import SSE_HEAD, answering, chunk, delta, ok
from procs import alive, children, wait_for
from streams import begun, streaming, whole

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/task"),
                                reason="this looks into /proc")


def ask_many(p, n=40):
    """One request on each of many connections. Which worker gets a connection is the kernel's
    choice."""
    for _ in range(n):
        assert p.ask(post()).status == 200


def test_one_worker_has_no_parent(proxy, upstream):
    p = proxy(upstream, server={"workers": "1"})
    assert p.ask(post()).status == 200 and children(p.pid) == []


def test_all_workers_serve(workers, upstream):
    """The kernel deals the connections out; none of 60 at one of three workers is one case in
    10^10. Each has been answered by the worker that holds it."""
    p = workers(upstream, 3)
    for _ in range(60):
        assert p.connect().send(post()).response().status == 200
    served = [sum(own == p.port for own, _ in procs.sockets_of(c, procs.ESTABLISHED))
              for c in children(p.pid)]
    assert len(served) == 3 and min(served) > 0, served


def test_auto_is_one_for_each_processor(proxy, upstream):
    n = len(os.sched_getaffinity(0))
    p = proxy(upstream, server={"workers": "auto"})
    wait_for(lambda: len(children(p.pid)) == (n if n > 1 else 0))
    assert p.ask(post()).status == 200


def test_a_worker_that_dies_is_started_again(workers, upstream):
    p = workers(upstream)
    first = children(p.pid)
    os.kill(first[0], signal.SIGKILL)
    p.wait_log(rf"error worker \d \(process {first[0]}\) was killed by signal 9 ")
    wait_for(lambda: len(children(p.pid)) == 2 and first[0] not in children(p.pid))
    ask_many(p)
    assert first[1] in children(p.pid)


def test_a_worker_that_keeps_dying_is_started_ever_later(workers, upstream):
    p = workers(upstream)
    deaths = []
    stay = children(p.pid)[1]
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        for c in children(p.pid):
            if c != stay and alive(c):
                os.kill(c, signal.SIGKILL)
                deaths.append(time.monotonic())
                wait_for(lambda: not alive(c))
        time.sleep(0.005)
    assert 4 <= len(deaths) <= 8, deaths
    assert deaths[1] - deaths[0] < 0.09, "the first time it is started at once"
    assert 0.3 < deaths[-1] - deaths[-2] < 1.5, deaths
    assert alive(stay)


def test_no_connection_is_refused_while_a_worker_is_away(workers, upstream):
    """Its socket stays open in the parent: connections wait for the next worker."""
    p = workers(upstream)
    victim = children(p.pid)[0]
    os.kill(victim, signal.SIGKILL)
    ask_many(p, 60)


def test_term_ends_all_of_them(workers, upstream):
    p = workers(upstream, 3)
    all_ = children(p.pid)
    p.signal(signal.SIGTERM)
    assert p.wait_end(3) == 0
    assert not any(alive(c) for c in all_)
    p.wait_log(r"info ending after \d+ connections")


def test_term_drains_and_a_second_one_does_not(workers, scripted):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(20)
    p = workers(scripted(handler), server={"drain_timeout": "30"})
    streams = [p.connect().send(post(STREAM)) for _ in range(6)]
    for c in streams:
        c.response_head()
        c.chunk()
    p.signal(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        streams[0].more(0.3)
    with pytest.raises(OSError):
        httpraw.connect(p.port)
    p.signal(signal.SIGINT)
    assert p.wait_end(3) == 0


def test_counters_are_summed_up(workers, upstream):
    p = workers(upstream, log={"level": "info"})
    ask_many(p, 30)
    p.signal(signal.SIGTERM)
    p.wait_end()
    ending = p.wait_log(r"ending after (\d+) connections, (\d+) requests")
    connections, requests = map(int, ending.groups())
    assert requests == 30 and connections >= 30


def test_workers_end_when_the_parent_is_killed(workers, upstream):
    p = workers(upstream)
    p.may_be_killed = True
    all_ = children(p.pid)
    p.signal(signal.SIGKILL)
    wait_for(lambda: not any(alive(c) for c in all_))
    p.wait_log("error the parent process is gone")


def test_orphans_still_end_at_once_when_told_to(workers, scripted):
    p = workers(scripted(streaming(20)), server={"drain_timeout": "30"})
    p.may_be_killed = True
    all_, streams = children(p.pid), begun(p, 6)
    p.signal(signal.SIGKILL)
    p.wait_log("draining(?:.|\n)*draining")
    assert any(alive(c) for c in all_)
    for c in all_:
        with contextlib.suppress(ProcessLookupError):
            os.kill(c, signal.SIGTERM)
    wait_for(lambda: not any(alive(c) for c in all_), 3)
    assert len(streams) == 6


def test_usr1_reaches_all(workers, upstream, tmp_path):
    path, old = tmp_path / "log", tmp_path / "log.1"
    path.touch()
    p = workers(upstream, log={"file": path}, log_path=path)
    ask_many(p, 20)
    time.sleep(0.2)
    path.rename(old)
    p.signal(signal.SIGUSR1)
    wait_for(path.exists)
    time.sleep(0.2)
    size = old.stat().st_size
    ask_many(p, 40)
    time.sleep(0.3)
    assert old.stat().st_size == size and path.read_text().count("status=200") == 40


def reload(p, base, expect="done", **sections):
    p.write_ini(base, {"server": {"workers": "2"}, **sections})
    seen = len(re.findall(r"reload: (?:done|nothing was changed)", p.log()))
    p.signal(signal.SIGHUP)
    p.wait_log(r"(?:reload: (?:done|nothing was changed)(?:.|\n)*){%d}" % (seen + 1))
    assert re.findall(r"reload: (done|nothing was changed)", p.log())[-1] == expect, p.log()
    time.sleep(0.2)


def test_reload_reaches_all(workers, scripted, tmp_path):
    first, second = scripted(answering(ok(b"1"))), scripted(answering(ok(b"2")))
    p = workers(first)
    kept = [p.connect() for _ in range(8)]
    assert {c.send(post()).response().body for c in kept} == {b"1"}
    all_ = children(p.pid)
    other, path = procs.free_port(), tmp_path / "sock"
    reload(p, second.url,
           server={"workers": "2", "listen": f"127.0.0.1:{p.port}, 127.0.0.1:{other}, unix:{path}"})
    assert children(p.pid) == all_, "no process was started for it"
    assert {c.send(post()).response().body for c in kept} == {b"2"}
    assert {p.ask(post()).body for _ in range(20)} == {b"2"}
    for _ in range(20):
        c = httpraw.connect(other)
        assert c.send(post()).response().body == b"2"
        c.close()
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    assert Conn(s).send(post()).response().body == b"2"
    s.close()
    assert len(re.findall(r"reload: done", p.log())) == 1, "said once"
    os.kill(all_[0], signal.SIGKILL)
    wait_for(lambda: len(children(p.pid)) == 2 and all_[0] not in children(p.pid))
    time.sleep(0.2)
    assert {p.ask(post()).body
            for _ in range(20)} == {b"2"}, "a worker that is started again has the new settings"
    reload(p, second.url, server={"workers": "2", "listen": f"127.0.0.1:{other}"})
    with pytest.raises(ConnectionRefusedError):
        p.connect()
    assert not path.exists()
    p.port = other
    ask_many(p, 10)


def test_a_bad_file_reaches_none(workers, upstream):
    p = workers(upstream)
    reload(p, "nonsense", expect="nothing was changed")
    for shares in (False, True):
        with socket.create_server(("127.0.0.1", 0), reuse_port=shares) as taken:
            reload(p, upstream.url, expect="nothing was changed",
                   server={"workers": "2",
                           "listen": f"127.0.0.1:{p.port}, 127.0.0.1:{taken.getsockname()[1]}"})
    ask_many(p, 20)


def test_an_address_that_goes_may_come_back_at_once(workers, upstream):
    p = workers(upstream)
    other = procs.free_port()
    both = f"127.0.0.1:{p.port}, 127.0.0.1:{other}"
    for listen in (both, f"127.0.0.1:{p.port}", both) * 5:
        reload(p, upstream.url, server={"workers": "2", "listen": listen})
    p.port = other
    ask_many(p, 10)


def test_a_local_socket_that_cannot_be_reaches_none(workers, upstream, tmp_path):
    """Only one of the workers would find out."""
    p = workers(upstream, api_keys={"old-key-1": "real-1"})
    reload(p, upstream.url, expect="nothing was changed", api_keys={"new-key-1": "real-1"},
           server={"workers": "2", "listen": f"127.0.0.1:{p.port}, unix:{tmp_path}/no/s"})
    p.wait_log("error reload: .*cannot listen on unix:.*No such file")
    for key, status in (("old", 200), ("new", 401)):
        assert {p.ask(post("{}", f"Authorization: Bearer {key}-key-1")).status
                for _ in range(20)} == {status}


def test_the_number_of_workers_may_change(workers, upstream):
    p = workers(upstream)
    reload(p, upstream.url, server={"workers": "4"})
    wait_for(lambda: len(children(p.pid)) == 4)
    ask_many(p)
    reload(p, upstream.url, server={"workers": "2"})
    wait_for(lambda: len(children(p.pid)) == 2)
    ask_many(p)
    reload(p, upstream.url, server={"workers": "1"})
    wait_for(lambda: len(children(p.pid)) == 1)
    ask_many(p)
    reload(p, upstream.url, server={"workers": "3"})
    wait_for(lambda: len(children(p.pid)) == 3)
    ask_many(p)


def test_one_process_does_not_become_several(proxy, upstream):
    p = proxy(upstream, server={"workers": "1"})
    reload(p, upstream.url, expect="nothing was changed")
    p.wait_log(r"workers cannot change from one to several")
    assert p.ask(post()).status == 200


def test_fewer_workers_leave_no_socket_behind_that_nobody_serves(workers, upstream):
    p = workers(upstream, 4)
    for n in ("2", "4", "3"):
        reload(p, upstream.url, server={"workers": n})
        wait_for(lambda: len(children(p.pid)) == int(n))
        time.sleep(0.3)
        ask_many(p)
    assert "error" not in p.log()


def test_workers_that_retire_finish_whatever_else_is_reloaded(workers, scripted):
    u = scripted(streaming(1.5))
    p = workers(u, 4, server={"drain_timeout": "30"})
    streams = begun(p, 16)
    for _ in range(3):
        reload(p, u.url, server={"workers": "2", "drain_timeout": "30"})
    assert whole(streams)
    p.signal(signal.SIGTERM)
    assert p.wait_end(5) == 0


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_is_one_signal(workers, scripted, which):
    """A terminal's Ctrl-C, and a service manager that ends a control group, signal the workers as
    well as the parent."""
    p = workers(scripted(streaming(1)), 3, server={"drain_timeout": "30"})
    streams = begun(p, 12)
    group = children(p.pid)
    for pid in [group[0], p.pid, *group[1:]]:
        with contextlib.suppress(ProcessLookupError):   # a worker without a stream may have ended
            os.kill(pid, which)
    assert whole(streams)
    assert p.wait_end(5) == 0
    assert " error " not in p.log()


def test_reloads_under_load(workers, upstream):
    p = workers(upstream)
    stop, failures, asked = threading.Event(), [], [0]

    def load(fresh):
        c = p.connect()
        while not stop.is_set():
            try:
                if fresh:
                    c = httpraw.connect(p.port)
                assert c.send(post()).response().status == 200
                asked[0] += 1
                if fresh:
                    c.close()
            except Exception as e:
                failures.append(e)
                return
    threads = [threading.Thread(target=load, args=(i % 2 == 1,)) for i in range(4)]
    for t in threads:
        t.start()
    for _ in range(100):
        p.signal(signal.SIGHUP)
        time.sleep(0.01)
    stop.set()
    for t in threads:
        t.join()
    assert not failures, failures
    assert asked[0] > 100


def test_a_local_socket_is_shared_and_removed(workers, upstream, tmp_path):
    path = tmp_path / "s"
    p = workers(upstream, server={"listen": f"unix:{path} mode=0600, 127.0.0.1:{{port}}"})
    for _ in range(20):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(path))
        assert Conn(s).send(head("GET", "/healthz")).response("GET").status == 200
        s.close()
    os.kill(children(p.pid)[0], signal.SIGKILL)
    time.sleep(0.05)
    assert path.exists()
    p.stop()
    assert not path.exists()


def test_orphans_are_reaped(workers, upstream):
    """As the first process of a container, the parent inherits children that it did not start; here
    in a pid namespace."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-pf", "--mount-proc", "true"],
                                           stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no process namespaces here")
    p = workers(upstream)
    script = f"exec {procs.BINARY} -c {p.ini.with_name('pid1.ini')}"
    text = p.ini.read_text().replace(f":{p.port}", f":{procs.free_port()}", 1)
    p.ini.with_name("pid1.ini").write_text(text)
    q = subprocess.Popen(["unshare", "-pf", "--mount-proc", "sh", "-c", script],
                         stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        inner = None
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not inner:
            inner = next(iter(children(q.pid)), None)
            time.sleep(0.02)
        wait_for(lambda: len(children(inner)) == 2)
        for _ in range(5):
            subprocess.run(["nsenter", "-t", str(inner), "-p", "-m", "sh", "-c",
                            "(sh -c 'sleep 0.1' &)"], check=True)
        time.sleep(0.5)
        assert [c for c in children(inner) if not alive(c)] == []
        os.kill(inner, signal.SIGTERM)
        assert q.wait(5) == 0
    finally:
        q.kill()
        q.wait()
        q.stderr.close()
