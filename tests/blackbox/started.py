"""A proxy that is started by hand: its environment, descriptors, limits and user are the test's."""
import os
import subprocess
import time

import pytest

import httpraw
import procs
from httpraw import head

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


class Started:
    """A proxy started with options that procs.Proxy does not have."""

    def __init__(self, folder, text, before=(), binary=procs.BINARY, ini=None, **how):
        self.ini = ini or folder / "proxy.ini"
        if not ini:
            self.ini.write_text(text)
        self.log_path = folder / "stderr"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*before, str(binary), "-c", str(self.ini)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
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
    return (f"[server]\nlisten = {listen}\n" if listen
            else "") + f"[upstream]\nbase_url = {upstream}\nproxy = none\n" + more


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


@pytest.fixture
def public(tmp_path):
    """A folder that everybody may enter, with the program, which everybody may run."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder) != "/":
            folder.chmod(folder.stat().st_mode | 0o055)
    binary = tmp_path / "binary"
    binary.write_bytes(procs.BINARY.read_bytes())
    binary.chmod(0o755)
    return binary
