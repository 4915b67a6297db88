"""[server] user: what the workers lose, what the parent keeps, and reloads that need it."""
import pathlib
import pwd
import re
import signal
import subprocess
import time

import pytest

import certs
import httpraw
import procs
from httpraw import post
from peers import answering, ok
from started import NOBODY, ROOT_ONLY, healthy, ini


def ids(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return [set(re.search(rf"^{k}:\s+(.*)$", text, re.M)[1].split())
            for k in ("Uid", "Gid", "Groups")]


def dropped(parent, n):
    """The n workers, once all of them are nobody: each drops what it has before it accepts."""
    nobody = {str(pwd.getpwnam("nobody").pw_uid)}
    procs.wait_for(lambda: len(procs.children(parent)) == n
                   and all(ids(pid)[0] == nobody for pid in procs.children(parent)))
    return procs.children(parent)


@ROOT_ONLY
@pytest.mark.parametrize("workers", [1, 2])
def test_another_user(started, tmp_path, public, workers):
    """Ports below 1024 and the log are opened first. No privilege of root remains with a worker."""
    nobody = pwd.getpwnam("nobody")
    port, log = 980 + workers, tmp_path / "log"
    p = started(ini(f"127.0.0.1:{port}",
                    more=f"[server]\nuser = nobody\nworkers = {workers}\n[log]\nfile = {log}\n"))
    p.log_path = tmp_path / "stderr"
    healthy(port)
    for pid in dropped(p.process.pid, workers):
        assert ids(pid) == [{str(nobody.pw_uid)}, {str(nobody.pw_gid)}, {str(nobody.pw_gid)}]
    assert log.stat().st_uid == nobody.pw_uid
    p.process.send_signal(signal.SIGHUP)
    p.log_path = log
    p.wait_log("reload: done")
    healthy(port)


class Private:
    """A configuration with all that it names in a folder that root alone may enter."""

    def __init__(self, started, folder, binary, workers, ca):
        self.folder, self.workers, self.port = folder / "private", workers, procs.free_port()
        self.folder.mkdir(mode=0o700)
        self.folder.chmod(0o700)
        self.write("ca.pem", ca.read_text())
        self.started, self.binary, self.listen, self.log = started, binary, [], "log"

    def write(self, name, text):
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o600)

    def write_all(self, upstream, key, **more):
        self.write("key", key + "\n")
        self.write("proxy.ini", procs.ini_text({
            "server": {"listen": ", ".join(f"127.0.0.1:{n}" for n in [self.port, *self.listen]),
                       "user": "nobody", "workers": self.workers, "drain_timeout": 1},
            "upstream": {"base_url": upstream.url, "proxy": "none",
                         "ca_file": self.folder / "ca.pem", **more},
            "key alice": {"key": f"file:{self.folder}/key", "upstream_key": "real-1"},
            "log": {"file": self.folder / self.log}}))

    def start(self):
        p = self.started("", ini=self.folder / "proxy.ini", binary=self.binary)
        healthy(self.port)
        p.log_path = self.folder / self.log
        return p

    def status(self, key, port=None):
        c = httpraw.connect(port or self.port)
        status = c.send(post("{}", f"Authorization: Bearer {key}")).response().status
        c.close()
        return status


@pytest.fixture
def private(started, tmp_path, public, authority):
    """private(workers): see Private; its certificates are those of the authority."""
    return lambda workers: Private(started, tmp_path, public, workers, authority.file)


@ROOT_ONLY
@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_reads_what_root_alone_may_read(private, tls_upstream, good, workers):
    """So it does as the start did: the file, keys, certificates, ports below 1024, the log."""
    u = tls_upstream(answering(ok()), good)
    box = private(workers)
    box.write_all(u, "old-key-1")
    p = box.start()
    before = dropped(p.process.pid, workers)
    assert box.status("old-key-1") == 200
    low = 985 + workers
    box.listen, box.log = [low], "log2"
    box.write_all(u, "new-key-1", timeout="29")
    p.process.send_signal(signal.SIGHUP)
    p.log_path = box.folder / "log2"
    procs.wait_for(p.log_path.exists)
    p.wait_log("reload: done")
    for port in (box.port, low):
        assert {box.status("old-key-1", port) for _ in range(10)} == {401}
        assert {box.status("new-key-1", port) for _ in range(10)} == {200}
    p.wait_log("status=200")
    (box.folder / "log2").rename(box.folder / "log2.1")
    p.process.send_signal(signal.SIGUSR1)
    procs.wait_for((box.folder / "log2").exists)
    time.sleep(0.1)
    box.status("new-key-1")
    p.wait_log("status=200")
    procs.wait_for(lambda: procs.children(p.process.pid) == before)     # no worker was replaced


@ROOT_ONLY
def test_a_reload_reads_certificates_again(private, tls_upstream, good, authority, tmp_path):
    u = tls_upstream(answering(ok()), good)
    box = private(1)
    box.write_all(u, "key-1")
    p = box.start()
    assert box.status("key-1") == 200
    box.write("ca.pem", certs.Authority(tmp_path, "other").file.read_text())
    p.process.send_signal(signal.SIGHUP)
    p.wait_log("reload: done")
    assert box.status("key-1") == 502


@ROOT_ONLY
@pytest.mark.parametrize("user", ["nobody:daemon", "65534:1", "12345"])
def test_groups_and_numbers(started, user):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", more=f"[server]\nuser = {user}\n"))
    healthy(port)
    uid, gid, _ = ids(procs.children(p.process.pid)[0])
    assert (uid, gid) == (({"12345"}, {"12345"}) if user == "12345" else ({"65534"}, {"1"}))


@pytest.mark.parametrize("flag", ["-t", None])
@pytest.mark.parametrize("user, why", [("nosuchuser", "there is no such user"),
                                       ("root:nosuchgroup", "there is no such group")])
def test_users_that_do_not_exist(tmp_path, flag, user, why):
    (tmp_path / "proxy.ini").write_text(ini("127.0.0.1:1", more=f"[server]\nuser = {user}\n"))
    r = procs.run("-c", tmp_path / "proxy.ini", *([flag] if flag else []))
    assert r.returncode == 1 and re.search(rf"proxy\.ini:\d+: \[server\] user: '{user}': {why}",
                                           r.stderr)


@ROOT_ONLY
@pytest.mark.parametrize("options", [["-t"], []])
def test_a_log_that_may_not_be_written_is_named(tmp_path, public, options):
    (tmp_path / "mine").mkdir(0o755)
    text = ini("127.0.0.1:%d" % procs.free_port(), more=f"[log]\nfile = {tmp_path}/mine/log\n")
    (tmp_path / "proxy.ini").write_text(text)
    r = subprocess.run([public, *options, "-c", tmp_path / "proxy.ini"], stderr=subprocess.PIPE,
                       text=True, timeout=10, **NOBODY)
    assert r.returncode == 3
    assert (f"proxy.ini:7: [log] file: {tmp_path}/mine/log cannot be opened: Permission denied"
            in r.stderr)


def test_who_is_not_root_cannot_become_another(started, public):
    p = started(ini("127.0.0.1:1", more="[server]\nuser = daemon\n"), binary=public, **NOBODY)
    assert p.process.wait(5) == 1
    p.wait_log("user: 'daemon': only root can become another user")
