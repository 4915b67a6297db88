"""Whatever call fails within a reload, requests get the old settings or the new ones, the log says
which, and the next reload succeeds."""
import re
import signal
import time

import pytest

import httpraw
import procs
from exchanges import KEY, REAL, Kind
from faults import ALLOCATIONS, CALLS, Page
from series import WAYS, Series, Wrong, all_faults, is_harmless, settles, some_of

PART = {1: 40, 2: 25}
OUTCOME = re.compile(r"reload: (done|nothing was changed)")


class Reload(Kind):
    """Each generation of settings has a key of its own. Every second one has another log file, a
    second address to listen on, a second upstream, and aliases."""
    name = "reload"
    workers = 1
    generation = 0

    def start(self):
        self.second_port = procs.free_port()
        super().start()

    def sent(self, nonce):
        return b'{"model":"m","user":"%s"}' % nonce.encode()

    def forwarded(self, nonce):
        """What the settings that are served make of it."""
        return self.sent(nonce).replace(b'"user"', b'"name"' if self.before % 2 else b'"user"')

    def key(self, generation):
        return f"key-of-{generation}"

    def settings(self):
        s = super().settings()
        odd = self.generation % 2
        s["api_keys"] = {KEY: REAL, self.key(self.generation): REAL}
        s["server"]["workers"] = str(self.workers)
        s["log"] = {"file": str(self.folder / f"log-{odd}")}
        if odd:
            s["upstream second"] = {"base_url": self.server.url, "api_key": REAL, "models": "other"}
            s["field_aliases"] = {"user": "name"}
        return s

    def log(self):
        return "".join(p.read_text(errors="replace") for p in sorted(self.folder.glob("log-*"))) + \
            self.proxy.log()

    def outcomes(self):
        """How many reloads succeeded, and how many did not."""
        found = OUTCOME.findall(self.log())
        return found.count("done"), found.count("nothing was changed")

    def next_generation(self):
        self.generation += 1
        s = self.settings()
        if self.generation % 2:
            s["server"]["listen"] = f"127.0.0.1:{self.proxy.port}, 127.0.0.1:{self.second_port}"
        self.proxy.write_ini(self.base, s)

    def counted(self, what):
        """The exchanges after a reload do not belong to it."""
        return self.within[what]

    def takes(self, key):
        """Whether requests with this key are let in; all connections have to agree."""
        found = set()
        for _ in range(1 if self.workers == 1 else 4):
            c = httpraw.connect(self.proxy.port)
            try:
                c.send(httpraw.head("GET", "/v1/models", "Authorization: Bearer " + key))
                found.add(c.response("GET", wait=3).status != 401)
            finally:
                c.close()
        if len(found) > 1:
            raise Wrong(f"some connections know {key} and some do not")
        return found.pop()

    def serves(self):
        """The generation that is served: this one or the one before."""
        old, new = self.takes(self.key(self.before)), self.takes(self.key(self.generation))
        if old == new:
            raise Wrong(f"the old key is {'taken' if old else 'refused'}, and the new one too")
        return self.generation if new else self.before

    def reload(self, fault=None):
        """Returns what the log says of it, or None where a fault may have hit the log."""
        self.next_generation()
        told = self.outcomes()
        if fault:
            self.page.arm(fault)
        self.proxy.signal(signal.SIGHUP)
        came = settles(lambda: self.outcomes() != told, 3)
        settles(lambda: fault and self.page.fired, 0.03)
        self.within = {what: super(Reload, self).counted(what) for what in (ALLOCATIONS, CALLS)}
        if fault:
            self.page.disarm(fault)
        if came:
            return self.outcomes()[0] > told[0]
        if fault and fault.name == "write":
            return None
        raise Wrong("the log does not say how the reload has ended")

    def exchange(self, fault=None):
        """A reload with the fault, and one without."""
        self.before = getattr(self, "before", 0)
        done = self.reload(fault)
        serves = self.serves()
        if done is not None and done != (serves == self.generation):
            raise Wrong(f"the log says {'done' if done else 'nothing was changed'}, and generation "
                        f"{serves} of {self.generation} is served")
        self.before = serves
        super().exchange()
        if not fault:
            if not done:
                raise Wrong("a reload without a fault fails")
            return ["done"]
        if serves != self.generation and fault.hit and is_harmless(fault):
            raise Wrong("the reload fails by a fault that harms nothing")
        return ["done" if serves == self.generation else "unchanged"]


class ReloadOfWorkers(Reload):
    name = "reload of two workers"
    workers = 2

    def is_complete(self):
        return len(procs.children(self.proxy.pid)) == 2


class ReloadSeries(Series):
    """What is held is counted in one process alone."""

    def settle(self):
        if self.kind.workers == 1:
            return super().settle()
        if not settles(self.kind.is_complete, 3):
            raise Wrong("a worker is missing, or one too many")
        return settles(lambda: self.kind.process.descriptors() <= self.tops["descriptors"], 0.5)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", [Reload, ReloadOfWorkers], ids=["alone", "workers"])
def test_a_reload_survives(tmp_path, kind, how):
    k = kind(tmp_path, Page(tmp_path))
    k.start()
    try:
        series = ReloadSeries(k, how)
        faults = all_faults(how, series.warm_up())
        chosen = some_of(faults, PART[k.workers])
        begun = time.monotonic()
        series.run(chosen)
        print(f"\n{k.name}, {how}: {len(faults)} faults, {len(chosen)} tried, {series.hit} hit: "
              f"{series.endings}; {time.monotonic() - begun:.1f} s in all")
        assert not series.complaints, "\n".join(series.complaints)
        assert series.hit
    finally:
        k.stop()
