"""Making one call of the proxy fail, by a library that is preloaded (faults.c).

A fault is chosen by its call and by how often that was made before, counted from the moment at
which the test arms the page that both map.
"""
import contextlib
import functools
import mmap
import pathlib
import re
import struct
import tempfile

import procs

SOURCE = pathlib.Path(__file__).resolve().with_suffix(".c").read_text()
OFF, ALLOCATIONS, CALLS = 0, 1, 2
FIELDS = ["armed", "call", "at", "on", "variant", "seen", "fired", "own_port", "peer_port", "live"]
CALLS_MAX = 64
SIZE = 4 * (len(FIELDS) + CALLS_MAX)
# The calls and what can become of each, in the order of the library.
KINDS = {name: what.split(", ")
         for name, what in re.findall(r"^    X\((\w+), ([^)]*)\)", SOURCE, re.M)}
NAMES = list(KINDS)


FOLDER = tempfile.TemporaryDirectory(prefix="faults-")


@functools.lru_cache(maxsize=None)
def library():
    """Built once for all tests of this process, and removed with it."""
    return procs.preload_library(SOURCE, pathlib.Path(FOLDER.name))


class Fault:
    """One fault: of the allocation number `at`, or of a call that is made for the at-th time. on:
    the allocations after it fail, too."""

    def __init__(self, name, what="ENOMEM", at=1, on=0):
        self.name, self.what, self.at, self.on = name, what, at, on
        self.hit = False
        self.ports = (0, 0)

    def is_allocation(self):
        return self.name == "allocation"

    def __str__(self):
        more = " and all after it" if self.on else ""
        where = f" on {self.ports[0]} to {self.ports[1]}" if any(self.ports) else ""
        return f"{self.name} {self.at}{more}: {self.what}{where}{'' if self.hit else ' (not hit)'}"


class Page:
    """The page that steers the library in the processes that were started with env()."""

    def __init__(self, folder):
        self.library = library()
        self.path = folder / "page"
        self.path.write_bytes(bytes(SIZE))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)

    def env(self, **more):
        return {"OCP_FAULTS": str(self.path), "LD_PRELOAD": str(self.library), **more}

    def __getattr__(self, name):
        if name not in FIELDS:
            raise AttributeError(name)
        return struct.unpack_from("i", self.map, 4 * FIELDS.index(name))[0]

    def put(self, **values):
        for name, value in values.items():
            struct.pack_into("i", self.map, 4 * FIELDS.index(name), value)

    def arm(self, fault):
        """fault: what is to come, or ALLOCATIONS or CALLS, to count these and no more."""
        what, f = fault, Fault("allocation", at=0)
        if isinstance(fault, Fault):
            what, f = ALLOCATIONS if fault.is_allocation() else CALLS, fault
        call = -1 if f.is_allocation() else NAMES.index(f.name)
        variant = 0 if f.is_allocation() else KINDS[f.name].index(f.what)
        self.put(call=call, at=f.at, on=f.on, variant=variant, seen=0, fired=0, own_port=0,
                 peer_port=0)
        struct.pack_into(f"{CALLS_MAX}i", self.map, 4 * len(FIELDS), *[0] * CALLS_MAX)
        self.put(armed=what)

    def disarm(self, fault=None):
        """Notes in fault whether it came, and which socket it hit."""
        self.put(armed=OFF)
        if fault:
            fault.hit = self.fired > 0
            fault.ports = (self.own_port, self.peer_port)

    @contextlib.contextmanager
    def armed(self, fault):
        """The fault has to come within the block."""
        self.arm(fault)
        try:
            yield
        finally:
            self.disarm(fault)
        assert fault.hit, fault

    def counts(self):
        """How often each call was made since the page was armed."""
        return dict(zip(NAMES, struct.unpack_from(f"{CALLS_MAX}i", self.map, 4 * len(FIELDS))))
