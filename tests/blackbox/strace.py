"""The system calls of a running process, counted by the strace program."""
import re
import shutil
import signal
import subprocess
import time

import pytest


class Strace:
    """Counts the system calls of a running process while the block runs."""

    def __init__(self, pid, out):
        self.pid, self.out = pid, out

    def __enter__(self):
        if not shutil.which("strace"):
            pytest.skip("there is no strace here")
        self.process = subprocess.Popen(["strace", "-c", "-f", "-o", str(self.out), "-p",
                                         str(self.pid)], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.process.wait(5)
            pytest.skip(f"strace may not attach here: {line.strip()}")
        return self

    def __exit__(self, *args):
        time.sleep(0.1)
        self.process.send_signal(signal.SIGINT)
        self.process.stderr.read()
        self.process.wait(10)
        self.process.stderr.close()
        self.calls = {}
        for line in self.out.read_text().splitlines():
            m = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if m and m[2] != "total":
                self.calls[m[2]] = int(m[1])
        print("\n", self.calls)

    def count(self, *names):
        return sum(self.calls.get(n, 0) for n in names)

    @property
    def reads(self):
        return self.count("read", "readv", "recvfrom", "recvmsg")

    @property
    def writes(self):
        return self.count("write", "writev", "sendto", "sendmsg")

    @property
    def others(self):
        return {n: k for n, k in self.calls.items() if n not in (
            "read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg",
            "epoll_wait", "epoll_pwait", "epoll_pwait2",
            "clock_gettime", "restart_syscall")}
