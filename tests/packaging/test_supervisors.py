"""runit, s6 and supervisord run the program with the lines of the manual page: it starts, reads its
file again, is started again after a kill, and stopped in order. Wants root, to become somebody."""
import os
import pwd
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

from conftest import ROOT, need
from procs import BINARY, clean_env, free_port

PAGE = (ROOT / "docs/openai-chat-proxy.8").read_text()
LINES = re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed\n", PAGE, re.S)
CONFIGURATION = "/etc/openai-chat-proxy/proxy.ini"


def lines_with(word):
    (found,) = [text for text in LINES if word in text]
    return found


class Service:
    """A folder with a configuration and a log; a supervisor that is told by commands."""

    def __init__(self, folder, text):
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log"
        self.ini = folder / "proxy.ini"
        self.ini.write_text(f"[server]\nlisten = 127.0.0.1:{self.port}\ndrain_timeout = 5\n")
        shutil.copy(BINARY, folder / "openai-chat-proxy")
        me = pwd.getpwuid(os.geteuid()).pw_name
        self.text = text.replace(CONFIGURATION, str(self.ini)).replace(
            "user=openai-chat-proxy", f"user={me}").replace(
            "-u openai-chat-proxy ", f"-u {me} ").replace(
            "setuidgid openai-chat-proxy ", f"setuidgid {me} ")
        self.env = clean_env(PATH=f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin")

    def supervise(self, *command):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.env, cwd=self.folder)

    def tell(self, *command):
        done = subprocess.run([str(c) for c in command], env=self.env, capture_output=True,
                              text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr

    def pid(self):
        """Of the program, by its path."""
        for folder in os.listdir("/proc"):
            try:
                if folder.isdigit() and os.readlink(f"/proc/{folder}/exe") == str(
                        self.folder / "openai-chat-proxy"):
                    return int(folder)
            except OSError:
                pass
        return None

    def is_well(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as r:
                return r.status == 200
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def soon(condition, wait=15):
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def script(folder, text):
    folder.mkdir()
    (folder / "run").write_text(text)
    (folder / "run").chmod(0o755)
    return folder


def runit(folder):
    need("runsv")
    s = Service(folder, lines_with("chpst"))
    at = script(folder / "service", s.text)
    s.supervise("runsv", at)
    s.reload, s.down = ("sv", "hup", at), ("sv", "-w", "45", "stop", at)
    return s


def s6(folder):
    need("s6-supervise")
    s = Service(folder, lines_with("s6-setuidgid"))
    at = script(folder / "service", s.text)
    s.supervise("s6-supervise", at)
    s.reload, s.down = ("s6-svc", "-h", at), ("s6-svc", "-wD", "-T", "45000", "-d", at)
    return s


def supervisord(folder):
    need("supervisord")
    s = Service(folder, lines_with("[program:"))
    ini = folder / "supervisord.conf"
    ini.write_text(f"[supervisord]\nnodaemon=true\npidfile={folder}/pid\nlogfile={folder}/slog\n"
                   f"[unix_http_server]\nfile={folder}/sock\n"
                   "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = "
                   "supervisor.rpcinterface:make_main_rpcinterface\n"
                   f"[supervisorctl]\nserverurl=unix://{folder}/sock\n"
                   f"{s.text}stdout_logfile={s.log}\n")
    s.supervise("supervisord", "-c", ini)
    control = ("supervisorctl", "-c", ini)
    s.reload = (*control, "signal", "HUP", "openai-chat-proxy")
    s.down = (*control, "stop", "openai-chat-proxy")
    return s


@pytest.mark.parametrize("supervisor", [runit, s6, supervisord], ids=lambda f: f.__name__)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody")
def test_it_is_supervised(supervisor, tmp_path):
    s = supervisor(tmp_path)
    try:
        soon(s.is_well)
        before = s.pid()
        s.ini.write_text(s.ini.read_text().replace("= 5", "= 6"))
        s.tell(*s.reload)
        soon(lambda: "drain_timeout = 6 (was 5)" in s.log.read_text())
        assert s.pid() == before
        os.kill(before, 9)
        soon(lambda: s.pid() not in (None, before) and s.is_well())
        s.tell(*s.down)
        assert s.pid() is None and not s.is_well()
        assert "ending after" in s.log.read_text()
    finally:
        s.stop()
