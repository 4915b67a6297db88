"""The programs under test as child processes: the proxy with a proxy.ini of its own, and the sample
upstream.

A proxy that does not exit with 0 on TERM, or that a sanitizer complained about, fails its test.
"""
import collections
import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

import httpraw

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("OCP_BINARY", ROOT / "build" / "openai-chat-proxy")).resolve()
UPSTREAM = pathlib.Path(os.environ.get("OCP_UPSTREAM",
                                       ROOT / "build" / "sample-upstream")).resolve()
COMPLAINTS = re.compile(r"AddressSanitizer|LeakSanitizer|MemorySanitizer|ThreadSanitizer|runtime "
                        r"error:")


def is_linked_with(name):
    return BINARY.exists() and name in BINARY.read_bytes()


def sanitized():
    """True if the binary was built with a sanitizer, or for coverage: these have memory, time and
    system calls of their own."""
    return is_linked_with(b"__asan_init") or is_linked_with(b"__gcov_init")


def is_glibc():
    """True if the binary is linked with glibc, at run time."""
    return b"libc.so.6" in BINARY.read_bytes()


def preload_library(source, folder):
    """Builds a library for LD_PRELOAD from C source. Skips the test where that is impossible."""
    cc = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not cc or is_linked_with(b"__asan_init") or not is_glibc():
        pytest.skip("this takes a compiler, glibc and a program that is linked with it")
    path = folder / "preload.c"
    path.write_text(source)
    subprocess.run([cc, "-shared", "-fPIC", "-O1", "-o", str(path.with_suffix(".so")), str(path)],
                   check=True)
    return path.with_suffix(".so")


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def wait_for(condition, wait=httpraw.WAIT):
    """Waits until condition() is true; fails if it does not come."""
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


reserved = collections.deque(maxlen=64)


def free_port(host="127.0.0.1"):
    """A port that nobody listens on. It stays bound here for a while, so that the kernel gives it
    to nobody else in the meantime; who asks for it by number and with SO_REUSEADDR gets it."""
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, 0))
    reserved.append(s)
    return s.getsockname()[1]


def children(pid):
    """The processes that this one has started and that have not been reaped, in order."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return sorted(found)


def alive(pid):
    """Whether a process exists and is no zombie. ESRCH: it was reaped between open and read;
    ENOENT: before."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


ESTABLISHED, LISTENING = "01", "0A"


def sockets_of(pid, state):
    """The TCP sockets of a process that are in this state, as (own port, peer's port)."""
    inodes = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            inodes.add(os.readlink(fd).removeprefix("socket:[").rstrip("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}")]
    return [tuple(int(end.rpartition(":")[2], 16) for end in r[1:3])
            for r in rows if r[3] == state and r[9] in inodes]


def descriptors(pid):
    """How many a process has open. Root alone may look."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        pytest.skip("only root may look into the process")


def ports_of(pid):
    """The TCP ports that the process and its children listen on."""
    return {own for p in (pid, *children(pid)) for own, _ in sockets_of(p, LISTENING)}


def clean_env(**extra):
    """The environment without the variables that change the proxy's configuration."""
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")
           and not k.startswith("OPENAI_")}
    return {**env, **extra}


def ini_text(sections):
    """{"server": {"listen": …}, …} as an INI file."""
    out = []
    for name, values in sections.items():
        out.append(f"[{name}]")
        out += [f"{k} = {v}" for k, v in values.items()]
    return "\n".join(out) + "\n"


def run(*args, env=None, cwd=None, wait=10):
    """Runs the proxy to its end. Returns the process, with stdout and stderr as text."""
    return subprocess.run([str(BINARY), *map(str, args)], env=env or clean_env(), cwd=cwd,
                          timeout=wait, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace")


running = []        # proxies that have not been stopped


class Proxy:
    """One running proxy, perhaps under a program that watches it. Its connections are closed when
    it is stopped."""

    def __init__(self, folder, base, sections, env=None, preload=None, under=()):
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / "stderr"
        self.ini = folder / "proxy.ini"
        self.conns = []
        self.may_be_killed = False
        self.command = [*under, str(BINARY), "-c", str(self.ini)]
        env = clean_env(**(env or {}))
        if preload:
            env["LD_PRELOAD"] = str(preload)
        for _ in range(3):
            self.port = free_port()
            self.write_ini(base, sections)
            self.start(env)
            if self.wait_up():
                running.append(self)
                return
        raise AssertionError(f"the proxy did not start: exit {self.process.poll()}\n{self.log()}")

    def write_ini(self, base, sections):
        all_ = {"server": {"listen": f"127.0.0.1:{self.port}", "drain_timeout": "1"},
                "upstream": {"base_url": base, "proxy": "none"}}
        for name, values in sections.items():
            all_[name] = {**all_.get(name, {}), **values}
        self.ini.write_text(ini_text(all_).replace("{port}", str(self.port)))

    def start(self, env):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.pid = self.process.pid

    def wait_up(self):
        deadline = time.monotonic() + httpraw.WAIT
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return False

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, wait=3.0):
        """Waits for a regular expression in the log. Returns the match."""
        deadline = time.monotonic() + wait
        while True:
            m = re.search(pattern, self.log(), re.M)
            if m or time.monotonic() > deadline:
                assert m, f"no {pattern!r} in the log:\n{self.log()}"
                return m
            time.sleep(0.02)

    def rss(self):
        """Resident bytes."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024

    def cpu(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self, **how):
        c = httpraw.connect(self.port, **how)
        self.conns.append(c)
        return c

    def ask(self, request, method="POST", **how):
        """One request on a connection of its own."""
        c = self.connect(**how)
        r = c.send(request).response(method)
        c.close()
        return r

    def signal(self, which):
        self.process.send_signal(which)

    def wait_end(self, wait=httpraw.WAIT):
        return self.process.wait(wait)

    def stop(self):
        if self in running:
            running.remove(self)
        for c in self.conns:
            c.close()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the proxy did not end on TERM\n{self.log()}") from None
        log = self.log()
        assert not COMPLAINTS.search(log), log
        code = self.process.returncode
        assert code == 0 or self.may_be_killed, f"exit {code}\n{log}"


class Sample:
    """A running sample upstream."""

    def __init__(self, *args):
        self.process = subprocess.Popen([str(UPSTREAM), *args], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                        text=True)
        line = self.process.stdout.readline()
        self.port = int(line.rpartition(":")[2])
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, request):
        """The upstream's response without a proxy in between."""
        c = httpraw.connect(self.port)
        r = c.send(request).response()
        c.close()
        return r

    def stop(self):
        self.process.terminate()
        self.process.wait(5)
        self.process.stdout.close()
        assert self.process.returncode == 0
