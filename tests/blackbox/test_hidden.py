"""What other processes see of keys: neither the environment, nor the memory, nor a core."""
import os
import pathlib
import resource
import signal
import subprocess

import pytest

import procs
from httpraw import post
from peers import ok
from started import NOBODY, ROOT_ONLY, healthy, ini

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/environ"),
                                reason="this looks into /proc")
SECRET = "sk-from-the-environment"


@ROOT_ONLY
@pytest.mark.parametrize("workers", [1, 2])
def test_the_environment_is_hidden(proxy, scripted, workers):
    """But it is still there for a reload."""
    seen = []

    def handler(conn, n):
        seen.append(conn.request().get("authorization"))
        conn.send(ok())
    p = proxy(scripted(handler), env={"MY_KEY": SECRET, "OTHER": SECRET[::-1], "TZ": "UTC"},
              server={"workers": str(workers)}, upstream={"api_key": "${MY_KEY}"})
    for pid in (p.pid, *procs.children(p.pid)):
        shown = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        assert shown.strip(b"\0") == b"", shown
    assert p.ask(post()).status == 200
    p.ini.write_text(p.ini.read_text().replace("MY_KEY", "OTHER"))
    p.signal(signal.SIGHUP)
    p.wait_log("reload: done")
    assert p.ask(post()).status == 200
    assert seen == [f"Bearer {SECRET}", f"Bearer {SECRET[::-1]}"]


@ROOT_ONLY
@pytest.mark.skipif(procs.sanitized(), reason="the sanitizer looks into the process itself")
@pytest.mark.parametrize("what", ["environ", "maps", "mem", "fd/0"])
def test_another_process_of_the_user_does_not_see_the_memory(started, public, what):
    port = procs.free_port()
    p = started(ini(f"127.0.0.1:{port}", more="[server]\nworkers = 2\n"), binary=public, **NOBODY)
    healthy(port)
    for pid in (p.process.pid, *procs.children(p.process.pid)):
        r = subprocess.run(["cat", f"/proc/{pid}/{what}"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, **NOBODY)
        assert r.returncode != 0 and "Permission denied" in r.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_no_core(tmp_path, upstream, workers):
    (tmp_path / "proxy.ini").write_text(ini(f"unix:{tmp_path}/s", upstream.url,
                                            f"api_key = {SECRET}\n[server]\nworkers = {workers}\n"))
    p = subprocess.Popen([str(procs.BINARY), "-c", "proxy.ini"], cwd=tmp_path,
                         env=procs.clean_env(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)))
    procs.wait_for((tmp_path / "s").exists)
    procs.wait_for(lambda: len(procs.children(p.pid)) == (workers if workers > 1 else 0))
    for pid in [*procs.children(p.pid), p.pid]:
        os.kill(pid, signal.SIGABRT)
    _, status = os.waitpid(p.pid, 0)
    p.returncode = 0
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status)
    assert not list(tmp_path.glob("*core*"))
