"""The start: inherited sockets, the service manager, descriptors, the limit of open files, modes of
local sockets, and -t on all of it."""
import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

import httpraw
import procs
from httpraw import STREAM, Conn, head, post
from started import NOBODY, healthy, ini


# Socket activation.

@pytest.fixture
def activated(started):
    """activated(text, sockets…) starts a proxy with the sockets as descriptors 3 and up. A shell
    sets LISTEN_PID: it knows its own process id before exec."""
    def start(text, *sockets):
        fds = [s.fileno() for s in sockets]

        def prepare():
            for i, fd in enumerate([os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]):
                os.dup2(fd, 3 + i)
        script = f'LISTEN_PID=$$ LISTEN_FDS={len(fds)} LISTEN_FDNAMES=a exec "$@"'
        return started(text, before=["sh", "-c", script, "sh"], preexec_fn=prepare, close_fds=False)
    return start


def listening(host="127.0.0.1"):
    return socket.create_server((host, 0))


@pytest.mark.parametrize("workers", [1, 2])
def test_sockets_that_are_handed_over(activated, tmp_path, workers):
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "s"))
    local.listen()
    with listening() as a, listening() as b, local:
        port = a.getsockname()[1]
        p = activated(ini(more=f"[server]\nworkers = {workers}\n"), a, b, local)
        healthy(port)
        healthy(b.getsockname()[1])
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(tmp_path / "s"))
        assert Conn(s).send(head("GET", "/healthz")).response("GET").status == 200
        s.close()
        assert 8000 not in procs.ports_of(p.process.pid)
        p.process.send_signal(signal.SIGHUP)
        p.wait_log("reload: done")
        healthy(port)
        assert 8000 not in procs.ports_of(p.process.pid)
        assert p.stop() == 0
        assert (tmp_path / "s").exists(), "its file is who handed it over's"


@pytest.mark.parametrize("workers", [1, 2])
def test_listen_adds_to_what_is_handed_over(activated, workers):
    with listening() as a:
        other = procs.free_port()
        activated(ini(f"127.0.0.1:{a.getsockname()[1]}, 127.0.0.1:{other}",
                      more=f"[server]\nworkers = {workers}\n"), a)
        healthy(a.getsockname()[1])
        healthy(other)


@pytest.mark.alone
def test_more_workers_for_what_is_handed_over(activated):
    """The built-in address is not bound, so another program may listen there."""
    with listening() as a, contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("0.0.0.0", 8000)))
        p = activated(ini(more="[server]\nworkers = 2\n"), a)
        healthy(a.getsockname()[1])
        p.ini.write_text(ini(more="[server]\nworkers = 3\n"))
        p.process.send_signal(signal.SIGHUP)
        p.wait_log("reload: done")
        healthy(a.getsockname()[1])


def test_variables_for_another_process_are_not_ours(started):
    port = procs.free_port()
    started(ini(f"127.0.0.1:{port}"), env=procs.clean_env(LISTEN_PID="1", LISTEN_FDS="1"))
    healthy(port)


def test_what_is_no_socket_is_refused(activated, tmp_path):
    with open(tmp_path / "file", "w") as f:
        p = activated(ini(), f)
        assert p.process.wait(5) == 1
        p.wait_log("descriptor 3 of LISTEN_FDS is no listening stream socket")


def test_a_handed_over_socket_gives_no_key_away(activated):
    with listening("0.0.0.0") as a:
        p = activated(ini("127.0.0.1:%d" % procs.free_port(), more="api_key = sk-secret-1\n"), a)
        assert p.process.wait(5) == 1
        p.wait_log(r"api_key: whoever can reach 0\.0\.0\.0:\d+, which LISTEN_FDS hands over")
        assert "sk-secret" not in p.log()


@pytest.mark.parametrize("workers", [1, 2])
def test_nor_does_it_after_a_reload(activated, upstream, tmp_path, workers):
    with listening("0.0.0.0") as a:
        port, more = a.getsockname()[1], f"[server]\nworkers = {workers}\n"
        listen = "127.0.0.1:%d" % procs.free_port()
        p = activated(ini(listen, upstream.url, more + "[api_keys]\nfront-key-1 = sk-secret-1\n"),
                      a)
        healthy(port)
        p.ini.write_text(ini(listen, upstream.url, "api_key = sk-secret-1\n" + more))
        p.process.send_signal(signal.SIGHUP)
        p.wait_log(r"api_key: whoever can reach 0\.0\.0\.0:\d+, which LISTEN_FDS hands over")
        p.wait_log("reload: nothing was changed")
        c = httpraw.connect(port)
        assert c.send(post()).response().status == 401
        c.close()


# The service manager.

@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told(started, tmp_path, workers, abstract):
    if abstract and not os.path.exists("/proc/self"):
        pytest.skip("no abstract sockets here")
    path = f"\0ocp-{os.getpid()}-{workers}" if abstract else str(tmp_path / "notify")
    port = procs.free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(5)
        p = started(ini(f"127.0.0.1:{port}", more=f"[server]\nworkers = {workers}\n"),
                    env=procs.clean_env(NOTIFY_SOCKET=path.replace("\0", "@")))
        assert manager.recv(200) == b"READY=1"
        healthy(port)
        p.process.send_signal(signal.SIGHUP)
        assert re.match(rb"RELOADING=1\nMONOTONIC_USEC=\d+$", manager.recv(200))
        assert manager.recv(200) == b"READY=1"
        p.process.terminate()
        assert manager.recv(200) == b"STOPPING=1"


# Descriptors.

@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_standard_descriptors_that_are_closed(started, upstream, tmp_path, closed):
    """No connection gets their numbers, so that nothing meant for them is written into one."""
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", upstream.url, f"[log]\nfile = {tmp_path}/log\n"),
                preexec_fn=lambda: [os.close(n) for n in closed])
    healthy(port)
    c = httpraw.connect(port)
    assert c.send(post()).response().status == 200
    for n in closed:
        assert os.readlink(f"/proc/{p.process.pid}/fd/{n}") == "/dev/null"
    c.close()


def test_a_log_that_goes_nowhere(started):
    port = procs.free_port()
    started(ini(f"127.0.0.1:{port}"), preexec_fn=lambda: os.close(2))
    healthy(port)


@pytest.mark.parametrize("name", ["stdout", "/dev/stdout", "/dev/stderr"])
def test_the_log_is_a_descriptor_that_is_a_socket(tmp_path, name):
    """So it is where the journal reads; by its path it cannot be opened."""
    port = procs.free_port()
    ours, theirs = socket.socketpair()
    (tmp_path / "proxy.ini").write_text(ini(f"127.0.0.1:{port}", more=f"[log]\nfile = {name}\n"))
    with ours, theirs:
        where = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, name[-6:]: theirs}
        p = subprocess.Popen([str(procs.BINARY), "-c", "proxy.ini"], cwd=tmp_path,
                             env=procs.clean_env(), **where)
        try:
            healthy(port)
            ours.settimeout(5)
            p.send_signal(signal.SIGUSR1)
            p.terminate()
            assert p.wait(5) == 0
            said = ours.recv(65536).decode()
        finally:
            p.kill()
            p.wait()
    assert "listening on" in said and "ending after" in said
    assert not (tmp_path / "stdout").exists()


# Limits.

def limited(soft, hard):
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}


def soft_limit(pid):
    return int(re.search(r"^Max open files\s+(\d+)",
                         pathlib.Path(f"/proc/{pid}/limits").read_text(), re.M)[1])


def test_the_limit_of_open_files_is_raised(started):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}",
                    more="connection_limit = 100\n[server]\nmax_connections = 500\n"),
                    **limited(256, 4096))
    healthy(port)
    assert 600 < soft_limit(p.process.pid) <= 1000 and "files may be open" not in p.log()


def test_a_limit_that_cannot_be_raised_is_told_of(started, public):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", more="[server]\nmax_connections = 5000\n"), binary=public,
                **limited(256, 300), **NOBODY)
    healthy(port)
    p.wait_log(r"warning only 300 files may be open, and max_connections = 5000 may need \d+: "
               r"109 clients are served at once; raise the limit")


def test_clients_leave_each_other_files_for_the_upstream(started, upstream, public):
    """However many there are: those beyond are refused."""
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", upstream.url), binary=public, **limited(100, 100),
                **NOBODY)
    healthy(port)
    clients = [httpraw.connect(port) for _ in range(110)]
    streams = clients[:22]      # (100 - 50 - 6) / 2
    for c in streams:
        c.send(post(STREAM, query="events=1&pause=60000"))
    assert {c.response_head().status for c in streams} == {200}
    assert clients[22].response().status == 503
    for c in clients:
        c.close()
    assert "Too many open files" not in p.log()


def test_running_out_of_files_is_survived(started, upstream, public):
    """With fewer than the program takes for itself and one request."""
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", upstream.url), binary=public, **NOBODY)
    healthy(port)
    n = procs.descriptors(p.process.pid) + 3
    p.stop()
    p = started(ini(f"127.0.0.1:{port}", upstream.url), binary=public, **limited(n, n), **NOBODY)
    healthy(port)
    clients = [httpraw.connect(port) for _ in range(5)]
    p.wait_log("error accepting connections on .* pauses: ")
    for c in clients:
        c.close()
    deadline = time.monotonic() + 5
    while True:
        c = httpraw.connect(port)
        status = c.send(post()).response().status
        c.close()
        if status == 200 or time.monotonic() > deadline:
            break
    assert status == 200


# Local sockets.

@pytest.mark.parametrize("option, mode", [("", 0o666), (" mode=0600", 0o600), (" mode=660", 0o660)])
def test_modes(started, tmp_path, option, mode):
    path = tmp_path / "s"
    started(ini(f"unix:{path}{option}"))
    deadline = time.monotonic() + 3
    while not path.exists() or path.stat().st_mode & 0o777 != mode:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("listen", ["unix:{path}", "0.0.0.0:{port}", "[::]:{port}"])
def test_the_health_check_asks_where_the_program_listens(started, tmp_path, listen):
    listen = listen.format(path=tmp_path / "s", port=procs.free_port())
    file = tmp_path / "health.ini"
    file.write_text(ini(listen))
    assert procs.run("--healthcheck", "-c", str(file)).returncode == 1
    started(ini(listen))
    procs.wait_for(lambda: procs.run("--healthcheck", "-c", str(file)).returncode == 0)


@pytest.mark.alone
def test_a_reload_without_a_file_is_no_trouble(tmp_path, upstream):
    port = 8000
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip("port 8000 is taken")
    p = subprocess.Popen([str(procs.BINARY)], cwd=tmp_path, stdin=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True,
                         env=procs.clean_env(OPENAI_API_KEY="sk-env-1",
                                             OPENAI_BASE_URL=upstream.url))
    try:
        healthy(port)
        p.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        c = httpraw.connect(port)
        assert c.send(post()).response().status == 200
        c.close()
    finally:
        p.terminate()
        log = p.communicate(timeout=5)[1]
    assert "reload: done, nothing has changed" in log and "sk-env" not in log
