"""The sandbox from outside: what each process has given up, and what a reload still can. What is
refused inside of it is told by tests/unit/test_sandbox.c."""
import ctypes
import os
import pathlib
import re
import signal
import socket
import threading

import pytest

import procs
from httpraw import post
from started import NOBODY, ROOT_ONLY, healthy, ini

LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) if os.path.exists("/proc/self/status") else -1
pytestmark = pytest.mark.skipif(
    procs.sanitized() or "\nSeccomp_filters:" not in pathlib.Path("/proc/self/status").read_text(),
    reason="there is no sandbox here")
ALONE = 1 << 1 | 1 << 10        # CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE


def status(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s+(\S+)", text, re.M))


def capabilities(pid):
    return {k: int(status(pid)[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def confined(pid):
    s = status(pid)
    return s["NoNewPrivs"], s["Seccomp"]


def test_alone(proxy, upstream):
    p = proxy(upstream)
    assert p.ask(post()).status == 200
    assert confined(p.pid) == ("1", "2")
    assert not any(c & ~ALONE for k, c in capabilities(p.pid).items()
                   if k != "CapBnd" or os.geteuid() == 0)


def test_workers(workers, upstream):
    p = workers(upstream)
    assert p.ask(post()).status == 200
    procs.wait_for(lambda: all(confined(c) == ("1", "2") for c in procs.children(p.pid)))
    for c in procs.children(p.pid):
        assert not any(v for k, v in capabilities(c).items()
                       if k != "CapBnd" or os.geteuid() == 0)
    assert confined(p.pid) == ("0", status(os.getpid())["Seccomp"])


@ROOT_ONLY
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_of_another_user(started, workers):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}",
                    more=f"[server]\nuser = nobody\nworkers = {workers}\n"))
    healthy(port)
    procs.wait_for(lambda: len(procs.children(p.process.pid)) == workers)
    for c in procs.children(p.process.pid):
        procs.wait_for(lambda c=c: confined(c) == ("1", "2"))
        assert not any(capabilities(c).values())


def test_who_is_not_root(started, public):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}"), binary=public, **NOBODY)
    healthy(port)
    assert confined(p.process.pid) == ("1", "2")
    assert "sandbox" not in p.log() or LANDLOCK < 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_can_be_turned_off(proxy, upstream, workers):
    p = proxy(upstream, server={"sandbox": "no", "workers": workers})
    assert p.ask(post()).status == 200
    for pid in (p.pid, *procs.children(p.pid)):
        assert confined(pid) == ("0", status(os.getpid())["Seccomp"])
    p.wait_log("warning sandbox = no")
    assert len(re.findall("sandbox", p.log())) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_does_not_change_in_a_reload(proxy, upstream, workers):
    p = proxy(upstream, server={"workers": workers})
    p.ini.write_text(p.ini.read_text().replace("[server]", "[server]\nsandbox = no"))
    p.signal(signal.SIGHUP)
    p.wait_log("error reload: .*sandbox cannot change while the program runs")
    p.wait_log("reload: nothing was changed")


@ROOT_ONLY
@pytest.mark.skipif(LANDLOCK < 1, reason="this takes Landlock")
def test_a_reload_does_not_write_to_the_system(proxy, upstream):
    p = proxy(upstream)
    p.ini.write_text(p.ini.read_text() + "[log]\nfile = /etc/openai-chat-proxy-test.log\n")
    p.signal(signal.SIGHUP)
    p.wait_log("error reload: .*openai-chat-proxy-test.log cannot be opened: Permission denied")
    assert not os.path.exists("/etc/openai-chat-proxy-test.log")
    assert p.ask(post()).status == 200


@ROOT_ONLY
@pytest.mark.skipif(LANDLOCK < 1, reason="this takes Landlock")
def test_the_log_is_where_it_was_said_to_be(started, tmp_path):
    """Also in a folder of the system: it was named at the start."""
    port = procs.free_port()
    folder = pathlib.Path("/etc/openai-chat-proxy-test")
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    try:
        p = started(ini(f"127.0.0.1:{port}", more=f"[log]\nfile = {log}\n"))
        healthy(port)
        log.unlink()
        p.process.send_signal(signal.SIGUSR1)
        procs.wait_for(log.exists)
    finally:
        log.unlink(missing_ok=True)
        folder.rmdir()


def answer_locally(path):
    """An upstream at a socket that its owner alone may connect to."""
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    path.chmod(0o600)
    s.listen(8)

    def serve():
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            c.recv(65536)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            c.close()
    threading.Thread(target=serve, daemon=True).start()
    return s


def test_an_upstream_at_a_private_socket(proxy, upstream, tmp_path):
    """Workers that have given up what they may do as root are replaced by others in a reload."""
    p = proxy(upstream, server={"workers": "2"})
    assert p.ask(post()).status == 200
    before = procs.children(p.pid)
    s = answer_locally(tmp_path / "private")
    p.ini.write_text(p.ini.read_text().replace("[upstream]",
                                               f"[upstream]\nsocket = {tmp_path}/private"))
    p.signal(signal.SIGHUP)
    p.wait_log("reload: done")
    procs.wait_for(lambda: len(procs.children(p.pid)) == 2)
    for _ in range(10):
        r = p.ask(post())
        assert (r.status, r.body) == (200, b"{}")
    if os.geteuid() == 0:
        assert not set(before) & set(procs.children(p.pid))
    s.close()
