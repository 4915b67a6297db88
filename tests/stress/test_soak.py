"""Hours in a nutshell: mixed traffic for SOAK_TIME seconds, with faults at random. Upstreams start
again, names move, the configuration changes, the log is rotated. Memory and descriptors stay flat,
and what clients get is right, or an error that says so.

SOAK_SEED repeats the choices of a run, though not its timing.
"""
import collections
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

import pytest

import certs
import httpraw
import procs
import soaking
from httpraw import post
from peers import ok
from soaking import ALICE, BOB, HEADER_TIMEOUT, KINDS, REAL, SECRETS, auth
from tlspeers import TlsScripted
from watching import Watch, family, files

TIME = float(os.environ.get("SOAK_TIME", "1800"))
SEED = int(os.environ.get("SOAK_SEED", time.time()))
CLIENTS = 10
PAUSE = 0.2         # of a client between two requests, in the mean
MIB = 1 << 20

pytestmark = [pytest.mark.alone,
              pytest.mark.skipif(os.geteuid() != 0, reason="root alone may look into the program"),
              pytest.mark.skipif(not certs.available(), reason="there is no openssl")]


class Restarting:
    """The sample upstream on a port of its own, at every address of loopback."""

    def __init__(self):
        self.port = procs.free_port()
        self.start()

    def start(self):
        self.sample = procs.Sample("-l", f"0.0.0.0:{self.port}")

    def again(self, rng):
        if rng.random() < 0.5:
            self.sample.process.kill()
            self.sample.process.wait()
            self.sample.process.stdout.close()
        else:
            self.sample.stop()
        time.sleep(rng.random() * 2)
        self.start()


class World:
    """The proxy, what stands around it, and what has come of the requests."""

    def __init__(self, folder, proxy, authority, server):
        self.folder, self.log_file = folder, folder / "log"
        self.hosts = folder / "hosts"
        self.hosts.write_text("127.0.0.1 localhost soak.test\n")
        self.upstream = Restarting()
        self.authority, self.tls = authority, server
        self.lock, self.tokens = threading.Lock(), 0
        self.counts, self.faults = collections.Counter(), collections.Counter()
        self.wrong, self.over = [], threading.Event()
        options = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1"
        self.p = proxy(self.base(), under=self.own_hosts(), env={"ASAN_OPTIONS": options},
                       **self.sections())
        assert self.p.ask(post("{}", auth())).status == 200

    def base(self):
        return f"http://{'soak.test' if self.own_hosts() else '127.0.0.1'}:{self.upstream.port}"

    def own_hosts(self):
        """A command that gives the proxy an /etc/hosts of its own; nothing where that is
        impossible."""
        can = ["unshare", "--mount", "mount", "--bind", str(self.hosts), "/etc/hosts"]
        if subprocess.run(can, stderr=subprocess.DEVNULL).returncode:
            return ()
        return ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"',
                str(self.hosts))

    def sections(self, **changes):
        plain = f"http://127.0.0.1:{self.upstream.port}"
        all_ = {
            "server": {"workers": "2", "header_timeout": HEADER_TIMEOUT, "body_timeout": "5",
                       "idle_timeout": "2", "max_header_size": "8k", "max_body_size": "8M",
                       "buffer_memory": "8M"},
            "upstream": {"api_key": f"{REAL[0]}, {REAL[1]}", "fallback": "second", "timeout": "2",
                         "response_timeout": "3", "idle_timeout": "3", "keepalive_timeout": "2",
                         "connection_max_age": "20"},
            "upstream second": {"base_url": plain, "api_key": REAL[2],
                                "models": "second-*, listed-1"},
            "upstream tls": {"base_url": self.tls.url, "api_key": REAL[3], "models": "tls-*",
                             "ca_file": self.authority.file},
            "field_aliases second": {"model": "model_id"},
            "defaults second": {"temperature": "0.6"},
            "key alice": {"key": ALICE},
            "key bob": {"key": BOB},
            "log": {"file": self.log_file},
        }
        for name, values in changes.items():
            all_[name] = values and {**all_[name], **values}
        return {name: values for name, values in all_.items() if values}

    def token(self):
        with self.lock:
            self.tokens += 1
            return f"token-{self.tokens:08d}-{os.getpid()}"

    def connect(self, **how):
        return httpraw.connect(self.p.port, **how)

    def client(self, seed):
        """One client: a kind of traffic, a pause, and so on."""
        rng = random.Random(seed)
        kinds, weights = list(KINDS), list(KINDS.values())
        while not self.over.is_set() and len(self.wrong) < 20:
            kind = rng.choices(kinds, weights)[0]
            try:
                came = kind(self, rng)
            except soaking.Busy:
                came = "busy"
            except Exception as e:      # whatever it is, it is not what should have come
                came = "WRONG"
                self.wrong.append((time.strftime("%T"), kind.__name__, repr(e)))
            with self.lock:
                self.counts[kind.__name__, came] += 1
            self.over.wait(rng.expovariate(1 / PAUSE))

    # What happens to the proxy.

    def log(self):
        return self.log_file.read_text(errors="replace")

    def reload(self, text, expect):
        """Reloads, and waits for the outcome."""
        before = len(re.findall("reload: (?:done|nothing)", self.log()))
        if isinstance(text, dict):
            self.p.write_ini(self.base(), text)
        else:
            self.p.ini.write_text(text)
        self.p.signal(signal.SIGHUP)
        procs.wait_for(lambda: len(re.findall("reload: (?:done|nothing)", self.log())) > before)
        assert re.findall("reload: (done|nothing)", self.log())[-1] == expect, self.log()[-2000:]

    def knows(self, key):
        return soaking.ask(self, post("{}", auth(key))).status != 401

    def revoke(self, rng):
        self.reload(self.sections(**{"key bob": None}), "done")
        assert not any(self.knows(BOB) for _ in range(4)), "a key that was revoked lives on"
        self.reload(self.sections(), "done")
        assert self.knows(BOB)

    def change(self, rng):
        self.reload(self.sections(log={"log_requests": rng.choice(["yes", "no"]),
                                       "log_responses": rng.choice(["yes", "no"]),
                                       "format": rng.choice(["text", "json"])},
                                  upstream={"connection_limit": rng.choice(["100", "200"])}),
                    "done")

    def break_file(self, rng):
        self.reload(rng.choice(["[server\n", "[server]\nlisten = none\n"]), "nothing")

    def rotate(self, rng):
        old = self.log_file.with_suffix(".old")
        self.log_file.rename(old)
        self.p.signal(signal.SIGUSR1)
        procs.wait_for(self.log_file.exists)
        time.sleep(0.2)
        text = old.read_text(errors="replace")
        assert not any(s in text for s in SECRETS), "a key is in the log"

    def restart(self, rng):
        self.upstream.again(rng)

    def move_name(self, rng):
        lines = rng.sample(["127.0.0.1 soak.test", "127.0.0.2 soak.test", "::1 soak.test", ""],
                           rng.randrange(1, 4))
        self.hosts.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")

    def trouble(self, rng, until):
        all_ = [self.revoke, self.change, self.change, self.break_file, self.rotate, self.restart,
                self.restart, self.move_name, self.move_name]
        while time.monotonic() < until and len(self.wrong) < 20:
            for what in rng.sample(all_, len(all_)):
                what(rng)
                self.faults[what.__name__] += 1
                time.sleep(max(min(rng.expovariate(1 / min(3, TIME / 15)),
                                   until - time.monotonic()), 0))

    def run(self):
        threads = [threading.Thread(target=self.client, args=(f"{SEED}-{i}",))
                   for i in range(CLIENTS)]
        for t in threads:
            t.start()
        try:
            self.trouble(random.Random(SEED), time.monotonic() + TIME)
        finally:
            self.over.set()
            for t in threads:
                t.join()

    def report(self, watch):
        for name in sorted({k for k, _ in self.counts}):
            print(f"  {name:10}", *(f"{came} {self.counts[name, came]}"
                                    for came in ("right", "error", "unjudged", "busy", "WRONG")))
        print("  meanwhile: ", dict(self.faults))
        for n in (1, 2, 3, 4):
            size, fds = watch.quarter(n)
            print(f"  quarter {n}: {size / 1024:.0f} KiB, {fds:.0f} descriptors")


def tls_echo(conn, n):
    while conn.buf or conn.more():
        conn.send(ok(conn.request().body))
        if len(conn.buf) == 0 and n % 7 == 6:
            return


@pytest.fixture
def world(tmp_path, proxy, authority, good):
    server = TlsScripted(tls_echo, good)
    w = World(tmp_path, proxy, authority, server)
    yield w
    server.stopping = True
    server.failures.clear()     # a client that leaves within a message is no failure here
    server.stop()
    w.upstream.sample.stop()


def settle(w):
    """Waits until only what lasts is open."""
    time.sleep(6)
    return sum(files(p) for p in family(w.p.pid))


def test_nothing_grows_and_nobody_is_told_wrong(world):
    print(f"\nSOAK_SEED={SEED} SOAK_TIME={TIME:.0f}, pid {world.p.pid}"
          f"{', sanitized' if procs.sanitized() else ''}")
    quiet = settle(world)
    with Watch(world.p.pid, 0.5) as watch:
        world.run()
    world.report(watch)
    assert not world.wrong, world.wrong[:20]
    assert pathlib.Path(f"/proc/{world.p.pid}").exists()
    text = world.log()
    assert not any(s in text for s in SECRETS), "a key is in the log"
    assert settle(world) <= quiet + 12, "descriptors stay open"     # pipes of splice, threads
    (rss2, fds2), (rss4, fds4) = watch.quarter(2), watch.quarter(4)
    if TIME >= 600:     # before that memory is still being touched for the first time
        assert rss4 <= rss2 * 1.03 + (4 * MIB if procs.sanitized() else MIB // 4), (rss2, rss4)
        assert fds4 <= fds2 * 1.1 + 4, (fds2, fds4)
