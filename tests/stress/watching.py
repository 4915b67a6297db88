"""Looking at the processes of a proxy from outside: memory and descriptors."""
import contextlib
import os
import pathlib
import re
import statistics
import threading
import time

from procs import children

KIB = 1024


def resident(pid):
    """Bytes; 0 once the process is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        m = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(m[1]) * KIB if m else 0
    except (FileNotFoundError, ProcessLookupError):
        return 0


def files(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError):
        return 0


def family(pid):
    """The process and those it has started."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [pid, *children(pid)]
    return [pid]


class Watch:
    """Samples the proxy's processes while the block runs.

    samples: (time, bytes of all, descriptors of all); most: the most bytes that one process had.
    """

    def __init__(self, pid, every=0.05):
        self.pid, self.every = pid, every
        self.samples, self.most = [], 0

    def __enter__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        while True:
            pids = family(self.pid)
            sizes = [resident(p) for p in pids]
            self.most = max(self.most, *sizes)
            self.samples.append((time.monotonic(), sum(sizes), sum(files(p) for p in pids)))
            if self.over.wait(self.every):
                return

    def __exit__(self, *args):
        self.over.set()
        self.thread.join()

    def quarter(self, n):
        """The medians of bytes and descriptors in a quarter of the time, 1 to 4."""
        start, end = self.samples[0][0], self.samples[-1][0]
        part = [s for s in self.samples
                if n - 1 <= (s[0] - start) / max(end - start, 1e-9) * 4 <= n]
        return statistics.median(s[1] for s in part), statistics.median(s[2] for s in part)
