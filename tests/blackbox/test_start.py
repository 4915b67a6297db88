"""The start: sockets handed over, the service manager told, another user, the limit of open files, modes of local sockets, -t on all of it."""
import contextlib
import os
import pathlib
import pwd
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

import httpraw
import procs
from httpraw import Conn, head, post

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


class Started:
    """A proxy started by hand, with more say in how."""

    def __init__(self, folder, text, before=(), binary=procs.BINARY, **how):
        self.ini = folder / "proxy.ini"
        self.ini.write_text(text)
        self.log_path = folder / "stderr"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*before, str(binary), "-c", str(self.ini)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            **{"env": procs.clean_env(), **how})

    log = procs.Proxy.log
    wait_log = procs.Proxy.wait_log

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(5)
        assert not procs.COMPLAINTS.search(self.log()), self.log()
        return code


@pytest.fixture
def started(tmp_path):
    things = []

    def start(text, **how):
        things.append(Started(tmp_path, text, **how))
        return things[-1]
    yield start
    for t in things:
        t.stop()


def ini(listen=None, upstream="http://127.0.0.1:9", more=""):
    return (f"[server]\nlisten = {listen}\n" if listen else "") + f"[upstream]\nbase_url = {upstream}\nproxy = none\n" + more


# Socket activation.

@pytest.fixture
def activated(started):
    """activated(text, sockets…): they are the proxy's descriptors from 3 on, and the variables say so; only a shell knows its own process in time."""
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


def healthy(port):
    deadline = time.monotonic() + 3
    while True:
        try:
            c = httpraw.connect(port)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert c.send(head("GET", "/healthz")).response("GET").status == 200
    c.close()


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
        with pytest.raises(OSError):
            httpraw.connect(8000)
        p.process.send_signal(signal.SIGHUP)
        p.wait_log("reload: done")
        healthy(port)
        with pytest.raises(OSError):
            httpraw.connect(8000)
        assert p.stop() == 0
        assert (tmp_path / "s").exists(), "its file is who handed it over's"


@pytest.mark.parametrize("workers", [1, 2])
def test_listen_adds_to_what_is_handed_over(activated, workers):
    with listening() as a:
        other = procs.free_port()
        activated(ini(f"127.0.0.1:{a.getsockname()[1]}, 127.0.0.1:{other}", more=f"[server]\nworkers = {workers}\n"), a)
        healthy(a.getsockname()[1])
        healthy(other)


def test_more_workers_for_what_is_handed_over(activated):
    """The built-in address is not listened on, so it is nothing to them that another program does."""
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
        p = activated(ini(listen, upstream.url, more + "[api_keys]\nfront-key-1 = sk-secret-1\n"), a)
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
        p = started(ini(f"127.0.0.1:{port}", more=f"[server]\nworkers = {workers}\n"), env=procs.clean_env(NOTIFY_SOCKET=path.replace("\0", "@")))
        assert manager.recv(200) == b"READY=1"
        healthy(port)
        p.process.send_signal(signal.SIGHUP)
        assert re.match(rb"RELOADING=1\nMONOTONIC_USEC=\d+$", manager.recv(200))
        assert manager.recv(200) == b"READY=1"
        p.process.terminate()
        assert manager.recv(200) == b"STOPPING=1"


# Users.

@pytest.fixture
def public(tmp_path):
    """A folder that everybody may enter, with a program in it that everybody may run."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder) != "/":
            folder.chmod(folder.stat().st_mode | 0o055)
    binary = tmp_path / "binary"
    binary.write_bytes(procs.BINARY.read_bytes())
    binary.chmod(0o755)
    return binary


NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def ids(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return [set(re.search(rf"^{k}:\s+(.*)$", text, re.M)[1].split()) for k in ("Uid", "Gid", "Groups")]


@ROOT_ONLY
@pytest.mark.parametrize("workers", [1, 2])
def test_another_user(started, tmp_path, public, workers):
    """Ports below 1024 and the log are opened before, and nothing of root is left."""
    nobody = pwd.getpwnam("nobody")
    port, log = 987, tmp_path / "log"
    p = started(ini(f"127.0.0.1:{port}", more=f"[server]\nuser = nobody\nworkers = {workers}\n[log]\nfile = {log}\n"))
    p.log_path = tmp_path / "stderr"
    healthy(port)
    pids = [p.process.pid]
    pids += [int(c) for c in pathlib.Path(f"/proc/{p.process.pid}/task/{p.process.pid}/children").read_text().split()]
    assert len(pids) == (1 if workers == 1 else 3)
    for pid in pids:
        assert ids(pid) == [{str(nobody.pw_uid)}, {str(nobody.pw_gid)}, {str(nobody.pw_gid)}]
    assert log.stat().st_uid == nobody.pw_uid
    p.process.send_signal(signal.SIGHUP)
    p.log_path = log
    p.wait_log("reload: done")
    healthy(port)


@ROOT_ONLY
@pytest.mark.parametrize("user", ["nobody:daemon", "65534:1", "12345"])
def test_groups_and_numbers(started, user):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", more=f"[server]\nuser = {user}\n"))
    healthy(port)
    uid, gid, _ = ids(p.process.pid)
    assert (uid, gid) == (({"12345"}, {"12345"}) if user == "12345" else ({"65534"}, {"1"}))


@pytest.mark.parametrize("flag", ["-t", None])
@pytest.mark.parametrize("user, why", [("nosuchuser", "there is no such user"), ("root:nosuchgroup", "there is no such group")])
def test_users_that_do_not_exist(tmp_path, flag, user, why):
    (tmp_path / "proxy.ini").write_text(ini("127.0.0.1:1", more=f"[server]\nuser = {user}\n"))
    r = procs.run("-c", tmp_path / "proxy.ini", *([flag] if flag else []))
    assert r.returncode == 1 and re.search(rf"proxy\.ini:\d+: \[server\] user: '{user}': {why}", r.stderr)


@ROOT_ONLY
@ROOT_ONLY
@pytest.mark.parametrize("options", [["-t"], []])
def test_a_log_that_may_not_be_written_is_named(tmp_path, public, options):
    (tmp_path / "mine").mkdir(0o755)
    (tmp_path / "proxy.ini").write_text(ini("127.0.0.1:%d" % procs.free_port(), more=f"[log]\nfile = {tmp_path}/mine/log\n"))
    r = subprocess.run([public, *options, "-c", tmp_path / "proxy.ini"], stderr=subprocess.PIPE, text=True, timeout=10, **NOBODY)
    assert r.returncode == 3 and f"proxy.ini:7: [log] file: {tmp_path}/mine/log cannot be opened: Permission denied" in r.stderr


def test_who_is_not_root_cannot_become_another(started, public):
    p = started(ini("127.0.0.1:1", more="[server]\nuser = daemon\n"), binary=public, **NOBODY)
    assert p.process.wait(5) == 1
    p.wait_log("user: 'daemon': only root can become another user")


# Limits.

def limited(soft, hard):
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}


def soft_limit(pid):
    return int(re.search(r"^Max open files\s+(\d+)", pathlib.Path(f"/proc/{pid}/limits").read_text(), re.M)[1])


def test_the_limit_of_open_files_is_raised(started):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", more="connection_limit = 100\n[server]\nmax_connections = 500\n"), **limited(256, 4096))
    healthy(port)
    assert 600 < soft_limit(p.process.pid) <= 1000 and "files may be open" not in p.log()


def test_a_limit_that_cannot_be_raised_is_told_of(started, public):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", more="[server]\nmax_connections = 5000\n"), binary=public, **limited(256, 300), **NOBODY)
    healthy(port)
    p.wait_log(r"warning only 300 files may be open, and max_connections = 5000 may need \d+: raise the limit")


def test_running_out_of_files_is_survived(started, upstream, public):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", upstream.url), binary=public, **limited(40, 40), **NOBODY)
    healthy(port)
    clients = [httpraw.connect(port) for _ in range(60)]
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


def test_a_reload_without_a_file_is_no_trouble(tmp_path, upstream):
    port = 8000
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip("port 8000 is taken")
    p = subprocess.Popen([str(procs.BINARY)], cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                         env=procs.clean_env(OPENAI_API_KEY="sk-env-1", OPENAI_BASE_URL=upstream.url))
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
