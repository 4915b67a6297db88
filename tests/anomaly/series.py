"""A series of faults, and what each of them is looked at for: that the process lives, does not
spin, and keeps neither memory nor descriptors."""
import os
import pathlib
import re
import time

from faults import ALLOCATIONS, CALLS, KINDS, Fault

WAYS = {"an allocation": (ALLOCATIONS, 0), "all allocations from one on": (ALLOCATIONS, 1),
        "a system call": (CALLS, 0)}


class Wrong(Exception):
    """The proxy has broken a promise."""


def is_harmless(fault):
    """True if the program has to go on as if nothing had happened."""
    if fault.what in ("EAGAIN", "EINTR", "SHORT", "EVERYTHING_READY", "NOTHING_READY"):
        return fault.name not in ("connect", "getrandom", "pthread_create")
    return fault.name in ("close", "setsockopt", "shutdown", "ioctl", "poll", "fcntl", "pipe2",
                          "write")


def all_faults(way, counts):
    """Each fault of each call of an exchange that made these; counts: a number of allocations, or
    of each call."""
    what, on = WAYS[way]
    if what == ALLOCATIONS:
        return [Fault("allocation", at=n + 1, on=on) for n in range(counts)]
    return [Fault(name, f, n + 1) for name, times in counts.items() for n in range(times)
            for f in KINDS[name]]


def some_of(faults, most):
    """A part of the faults, another one each day, or that of OCP_ANOMALY_SEED. All of them if
    OCP_ANOMALIES is "all"."""
    seed = int(os.environ.get("OCP_ANOMALY_SEED", time.time() // 86400))
    if os.environ.get("OCP_ANOMALIES") == "all" or len(faults) <= most:
        return faults
    step = len(faults) / most
    first = seed * 0.6180339887 % 1 * step
    return [faults[int(first + i * step)] for i in range(most)]


def settles(condition, wait=1.0):
    """Whether condition() becomes true in time."""
    deadline = time.monotonic() + wait
    pause = 0.0002
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
    return True


class Process:
    """What a process holds and has used."""

    def __init__(self, pid):
        self.pid = pid

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self):
        """Seconds of processor time, of all threads."""
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
        return total / 1e9

    def rss(self):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024


class Series:
    """The faults of one kind of exchange, one after the other, in one process."""

    def __init__(self, kind, way):
        self.kind, self.way = kind, way
        self.endings = {}
        self.hit = 0
        self.complaints = []
        self.tops = {"blocks": 0, "descriptors": 0}

    def warm_up(self):
        """Counts the calls of an exchange, once all that is kept for the next one is there."""
        page, what = self.kind.page, WAYS[self.way][0]
        counts = []
        for _ in range(8):
            self.kind.exchange()
        for _ in range(3):
            page.arm(what)
            self.kind.exchange()
            settles(self.kind.is_quiet)
            time.sleep(0.03)
            page.disarm()
            self.raise_tops()
            counts.append(self.kind.counted(what))
        if what == ALLOCATIONS:
            return max(counts)
        return {name: max(c[name] for c in counts) for name in counts[0]}

    def held(self):
        return {"blocks": self.kind.page.live, "descriptors": self.kind.process.descriptors()}

    def raise_tops(self):
        self.tops = {k: max(v, self.tops[k]) for k, v in self.held().items()}

    def is_settled(self):
        return all(v <= self.tops[k] for k, v in self.held().items())

    def settle(self):
        if not settles(self.kind.is_quiet, 3):
            raise Wrong("the upstream's connection hangs within an exchange")
        return settles(self.is_settled, 0.2)

    def attempt(self, fault):
        """The exchange with the fault, and one after it that has to be right."""
        k = self.kind
        try:
            endings = k.exchange(fault)
        finally:
            k.page.disarm(fault)
        if k.proxy.process.poll() is not None:
            raise Wrong(f"the process has ended with {k.proxy.process.poll()}")
        k.exchange()
        return endings

    def grows(self, fault):
        """What a fault leaves behind each time, after all that may be kept for later."""
        before = self.held()
        for _ in range(6):
            self.attempt(fault)
            self.settle()
        after = self.held()
        self.raise_tops()
        return [k for k in before if after[k] >= before[k] + 6]

    def run_one(self, fault):
        begun, cpu = time.monotonic(), self.kind.process.cpu()
        endings = self.attempt(fault)
        if not self.settle():
            grown = self.grows(fault)
            if grown:
                raise Wrong(f"it leaves {grown} behind")
            cpu = self.kind.process.cpu()
        took, used = time.monotonic() - begun, self.kind.process.cpu() - cpu
        if used > 0.25:
            raise Wrong(f"{used:.2f} s of processor time in {took:.2f} s")
        if fault.hit:
            self.hit += 1
            for e in endings:
                self.endings[e] = self.endings.get(e, 0) + 1
        if self.kind.needs_restart():
            self.kind.restart_proxy()
            self.tops = {"blocks": 0, "descriptors": 0}
            self.warm_up()

    def run(self, faults):
        for fault in faults:
            try:
                self.run_one(fault)
            except Exception as e:
                self.complaints.append(f"{fault}: {type(e).__name__} {e}")
                if len(self.complaints) > 200 or self.kind.proxy.process.poll() is not None:
                    break
