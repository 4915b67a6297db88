"""Whatever call fails at the start, the program serves, or ends at once with the exit code that
goes with it and a sentence about it."""
import re
import signal
import subprocess
import time

import pytest

import httpraw
import procs
import certs
from exchanges import KEY, REAL, Kind
from faults import ALLOCATIONS, OFF, Fault, Page
from series import WAYS, Wrong, all_faults, is_harmless, settles, some_of

PART = 20
# What a fault of these calls is: configuration, network, files or memory. Which of them it is
# depends on the file, or the errno, where there are two.
CODES = {"bind": {2}, "listen": {2}, "socket": {2, 3}, "setsockopt": {2, 3}, "open": {1, 3},
         "read": {1, 3}, "fstat": {1, 3}, "stat": {1, 3}, "access": {1, 3}}
ALL_CODES = {1, 2, 3}


class Start(Kind):
    """Settings of all kinds, with keys and a CA in files of their own."""
    name = "start"
    workers = 1

    def settings(self):
        (self.folder / "key").write_text(REAL + "\n")
        return {"server": {"drain_timeout": "1", "workers": str(self.workers)},
                "upstream": {"api_key": f"file:{self.folder / 'key'}"},
                "upstream second": {"base_url": "https://localhost:1", "ca_file": self.ca,
                                    "models": "other", "api_key": "k1, k2"},
                "field_aliases": {"user": "name"}, "defaults": {"temperature": "0.6"},
                "key alice": {"key": KEY, "models": "m, n"},
                "access": {"ip_blacklist": "10.0.0.0/8, 2001:db8::/32"},
                "log": {"file": str(self.folder / "log"), "log_requests": "yes"}}

    def start_proxy(self):
        self.ca = certs.Authority(self.folder).file
        super().start_proxy()
        self.command = self.proxy.command
        self.variables = procs.clean_env(**self.page.env())
        self.proxy.stop()

    def forwarded(self, nonce):
        return self.sent(nonce)[:-1] + b',"temperature":0.6}'

    def launch(self, fault):
        """Starts the program with the fault. Returns its exit code, or None if it serves."""
        self.page.arm(fault)
        with open(self.proxy.log_path, "wb") as log:
            self.running = subprocess.Popen(self.command, env=self.variables, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        if settles(self.is_decided, 0.5):
            settles(lambda: self.page.fired or self.running.poll() is not None, 0.03)
        self.page.disarm(isinstance(fault, Fault) and fault)
        if not settles(self.is_decided, 5):
            raise Wrong("it neither serves nor ends, although nothing fails any more")
        return self.running.poll()

    def is_decided(self):
        if self.running.poll() is not None:
            return True
        try:
            c = httpraw.connect(self.proxy.port)
            try:
                c.send(httpraw.head("GET", "/healthz"))
                return c.response("GET", wait=1).status == 200
            finally:
                c.close()
        except (OSError, httpraw.Broken):
            return False

    def judge_end(self, fault, code):
        text = self.proxy.log() + (self.folder / "log").read_text(errors="replace")
        short = fault.what in ("ENOMEM", "EMFILE", "ENFILE") and fault.name not in CODES
        wanted = {3} if fault.is_allocation() or short else CODES.get(fault.name, ALL_CODES)
        if code not in wanted:
            raise Wrong(f"exit {code}, not {wanted}: {text[-600:]}")
        if "(null)" in text or \
                not re.search(r"openai-chat-proxy: |error |\[\w+|cannot be read", text):
            raise Wrong(f"exit {code} without a reason: {text[-600:]}")
        if is_harmless(fault) and fault.name not in ("setsockopt", "fcntl", "poll", "pipe2"):
            raise Wrong(f"exit {code} by a fault that harms nothing: {text[-600:]}")

    def one(self, fault):
        (self.folder / "log").write_text("")
        try:
            code = self.launch(fault)
            if code is None:
                self.exchange()
                self.running.send_signal(signal.SIGTERM)
                code = self.running.wait(4)
                if code != 0:
                    raise Wrong(f"exit {code} at the end: {self.proxy.log()[-600:]}")
                return "serves"
            if not isinstance(fault, Fault) or not fault.hit:
                raise Wrong(f"exit {code} without a fault: {self.proxy.log()[-600:]}")
            self.judge_end(fault, code)
            return f"exit {code}"
        finally:
            self.page.put(armed=OFF)
            if self.running.poll() is None:
                self.running.kill()
                self.running.wait()

    def counts(self, what):
        """How often each call is made."""
        self.one(what)
        return self.page.seen if what == ALLOCATIONS else self.page.counts()

    def stop(self):
        for t in self.things:
            t.stop()


class StartOfWorkers(Start):
    name = "start of two workers"
    workers = 2


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", [Start, StartOfWorkers], ids=["one", "two"])
def test_a_start_succeeds_or_says_why(tmp_path, kind, how):
    if WAYS[how] == (ALLOCATIONS, 1) and procs.sanitized():
        pytest.skip("writing the counts takes memory, too")
    k = kind(tmp_path, Page(tmp_path))
    k.start()
    complaints, endings, hit = [], {}, 0
    begun = time.monotonic()
    try:
        faults = all_faults(how, k.counts(WAYS[how][0]))
        chosen = some_of(faults, PART)
        for fault in chosen:
            try:
                ending = k.one(fault)
                endings[ending] = endings.get(ending, 0) + 1
                hit += fault.hit
            except Exception as e:
                complaints.append(f"{fault}: {type(e).__name__} {e}")
    finally:
        k.stop()
    print(f"\n{k.name}, {how}: {len(faults)} faults, {len(chosen)} tried, {hit} hit: {endings}; "
          f"{time.monotonic() - begun:.1f} s in all")
    assert not complaints, "\n".join(complaints)
    assert hit
