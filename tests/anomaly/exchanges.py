"""An exchange of each kind, with an upstream that knows which bytes it has to see, and a client
that knows which it has to get.

Each request has a name of its own (the field x-nonce), and so do both bodies: bytes of another
exchange are seen wherever they turn up.
"""
import hashlib
import os
import socket
import threading
import time

import certs
import httpraw
import procs
from httpraw import Broken, Response
from outproxies import HttpProxy, Socks
from peers import DONE, FINISH, Scripted, chunk, delta
from tlspeers import TlsScripted

from faults import ALLOCATIONS
from series import Process, Wrong, is_harmless, settles

LIMIT = 2.0         # seconds; a fault may hold an exchange up for one, and the machine may be busy
KEY, REAL = "front-key", "sk-real-key"
OWN_STATUS = (500, 502, 503, 504)


def pattern(nonce, n):
    """n bytes that belong to this exchange alone."""
    block = hashlib.sha256(nonce.encode()).hexdigest().encode()
    return (block * (n // len(block) + 1))[:n]


class Upstream:
    """The handler of an upstream. seen: the names of the requests that came whole."""

    def __init__(self, kind):
        self.kind = kind
        self.seen = {}
        self.wrong = []
        self.under_way = {}         # connection: whether it is within a request
        self.lock = threading.Lock()

    def handle(self, conn, n):
        try:
            while conn.buf or conn.more(30):
                self.under_way[conn] = True
                if not self.serve(conn):
                    return
                self.under_way[conn] = False
        except (Broken, OSError, ValueError):
            return
        finally:
            self.under_way.pop(conn, None)

    def serve(self, conn):
        r = conn.request(wait=30)
        if not r.complete:
            return False
        nonce = r.get("x-nonce")
        if r.body != self.kind.forwarded(nonce) or r.get("authorization") != f"Bearer {REAL}":
            self.wrong.append(f"the upstream got {r.raw!r} {r.body[:300]!r}")
        with self.lock:
            self.seen[nonce] = self.seen.get(nonce, 0) + 1
        last = r.has("x-last")
        for part in self.kind.response(nonce, last):
            conn.send(part)
        return not last


class Kind:
    """An exchange: two requests on one connection. The first one finds no connection to the
    upstream, the second one finds that of the first."""
    name = "plain"
    sections = {}
    declined = False

    def __init__(self, folder, page):
        self.page = page
        self.folder = folder
        self.things = []
        self.number = 0

    # What goes over the wire.

    def sent(self, nonce):
        return b'{"model":"m","messages":[{"role":"user","content":"%s"}]}' % nonce.encode()

    def forwarded(self, nonce):
        return self.sent(nonce)

    def answer(self, nonce):
        return b'{"id":"%s","object":"chat.completion","text":"%s"}' % (nonce.encode(),
                                                                     pattern(nonce, 200))

    def response(self, nonce, last):
        body = self.answer(nonce)
        end = "Connection: close\r\n" if last else ""
        yield (f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{end}"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    def is_beginning(self, body, nonce):
        return self.answer(nonce).startswith(body)

    def is_whole(self, r, nonce):
        return r.complete and r.body == self.answer(nonce)

    # What takes part.

    def start(self):
        self.upstream = Upstream(self)
        self.serve_upstreams()
        self.start_proxy()

    def serve_upstreams(self):
        self.server = Scripted(self.upstream.handle)
        self.things.append(self.server)
        self.base = self.server.url

    def settings(self):
        return {"server": {"drain_timeout": "1"}, "api_keys": {KEY: REAL},
                "log": {"file": str(self.folder / "log")}, **self.sections}

    def start_proxy(self):
        self.proxy = procs.Proxy(self.folder, self.base, self.settings(),
                                 env=self.page.env(**self.env()))
        self.process = Process(self.proxy.pid)

    def env(self):
        return {}

    def stop(self):
        self.page.disarm()
        self.proxy.stop()
        for t in self.things:
            t.stopping = True
            t.failures.clear()
            t.stop()
        if self.upstream.wrong:
            raise Wrong(self.upstream.wrong[0])

    def counted(self, what):
        """How often each call was made within the exchange, since the page was armed."""
        return self.page.seen if what == ALLOCATIONS else self.page.counts()

    def needs_restart(self):
        return False

    def restart_proxy(self):
        self.page.disarm()
        self.proxy.stop()
        self.start_proxy()

    # One exchange.

    def exchange(self, fault=None):
        """Two requests, or one if the connection ends with it. fault: what may fail; None: nothing
        may. Returns how they ended."""
        if fault:
            self.page.arm(fault)
        c = httpraw.connect(self.proxy.port)
        endings = []
        try:
            for last in (False, True):
                self.number += 1
                nonce = f"n{os.getpid():x}x{self.number:x}"
                endings.append(self.ask(c, nonce, last))
                if endings[-1][0] != "right" or c.eof:
                    break
        finally:
            c.close()
        if fault:
            settles(lambda: self.page.fired, 0.03)
            self.page.disarm(fault)
        for ending in endings:
            self.judge(fault, *ending)
        return [e[0] for e in endings]

    def request(self, nonce, last):
        body = self.sent(nonce)
        fields = ["x-nonce: " + nonce, "Authorization: Bearer " + KEY] + ["x-last: 1"] * last
        yield httpraw.post(body, *fields)

    def ask(self, c, nonce, last):
        """Returns ("right"|"refused"|"cut"|"nothing", response, nonce)."""
        begun = time.monotonic()
        try:
            for part in self.request(nonce, last):
                c.send(part)
        except ConnectionError:
            pass        # a response may be there all the same
        try:
            r = self.read(c, nonce)
        except TimeoutError:
            raise Wrong(f"nothing more came in {LIMIT} s; there was {c.buf[:300]!r}") from None
        self.slowest = max(getattr(self, "slowest", 0), time.monotonic() - begun)
        return (*r, nonce)

    def read(self, c, nonce):
        deadline = time.monotonic() + LIMIT
        while b"\r\n\r\n" not in c.buf:
            if not c.more(deadline - time.monotonic()):
                if b"HTTP/1.1 ".startswith(c.buf[:9]) or c.buf.startswith(b"HTTP/1.1 "):
                    return ("cut" if c.buf else "nothing"), None
                raise Wrong(f"not a response: {c.buf!r}")
        r = Response(c.take(c.buf.index(b"\r\n\r\n") + 4))
        c.read_body(r, "close", LIMIT)
        if r.status in OWN_STATUS:
            return ("refused" if r.complete else "cut"), r
        if r.status != 200:
            raise Wrong(f"{r.raw!r} {r.body!r}")
        if self.is_whole(r, nonce):
            return "right", r
        if r.complete or not self.is_beginning(r.body, nonce):
            raise Wrong(f"wrong bytes: {r.raw!r} {r.body[:2000]!r}")
        return "cut", r

    def judge(self, fault, how, r, nonce):
        """Whether the fault explains the ending."""
        said = r and (r.raw, r.body)
        if how == "right":
            return
        if fault is None or not fault.hit:
            raise Wrong(f"{how} although nothing failed: {said}")
        if is_harmless(fault):
            raise Wrong(f"{how} after a fault that harms nothing: {said}")
        if how == "nothing" and not fault.is_allocation() and fault.ports[0] != self.proxy.port:
            raise Wrong("closed without a word, but the client's side was sound")
        if how == "refused":
            self.judge_refusal(r, nonce)

    def judge_refusal(self, r, nonce):
        if not r.error["code"] or not r.complete or b"(null)" in r.body:
            raise Wrong(f"no error body: {r.raw!r} {r.body!r}")
        hint = r.get("x-should-retry")
        if nonce in self.upstream.seen and hint != "false":
            raise Wrong(f"the request went out, and the client is told to retry: {r.raw!r}")
        if r.status != 500 and hint not in ("true", "false"):
            raise Wrong(f"no x-should-retry: {r.raw!r}")

    def is_quiet(self):
        """No upstream is within a request."""
        return not any(list(self.upstream.under_way.values()))

    def asked_twice(self):
        return [n for n, times in self.upstream.seen.items() if times > 1]


class Sse(Kind):
    name = "sse"

    def sent(self, nonce):
        return b'{"model":"m","stream":true,"user":"%s"}' % nonce.encode()

    def events(self, nonce):
        return [delta(pattern(nonce, 40).decode()) for _ in range(3)] + [FINISH, DONE]

    def answer(self, nonce):
        return b"".join(self.events(nonce))

    def response(self, nonce, last):
        end = "Connection: close\r\n" if last else ""
        yield (f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{end}"
               "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk(self.events(nonce)[0])
        time.sleep(0.001)
        for e in self.events(nonce)[1:]:
            yield chunk(e)
        yield b"0\r\n\r\n"

    def read(self, c, nonce):
        try:
            return super().read(c, nonce)
        except Wrong as e:
            if self.told(c, nonce, e):
                return "cut", None
            raise

    def is_beginning(self, body, nonce):
        """An error event may follow what has come."""
        at = body.find(b'\n\ndata: {"error":')
        return self.answer(nonce).startswith(body if at < 0 else body[:at])

    def is_whole(self, r, nonce):
        self.last_body = r.body if r.complete else b""
        return super().is_whole(r, nonce)

    def told(self, c, nonce, e):
        """True if the stream was cut with an error event."""
        body = getattr(self, "last_body", b"")
        at = body.find(b'\n\ndata: {"error":')
        if at < 0 or not self.answer(nonce).startswith(body[:at]) or b"[DONE]" in body[at:]:
            return False
        httpraw.error_of(body[at + 8:].strip())
        return True


class Pieces(Kind):
    """Heads and bodies that come in parts."""
    name = "pieces"

    def parts(self, text):
        at = text.index(b"\r\n\r\n")
        for cut in (text[:at - 10], text[at - 10:at + 20], text[at + 20:]):
            yield cut
            time.sleep(0.001)

    def response(self, nonce, last):
        yield from self.parts(next(super().response(nonce, last)))

    def request(self, nonce, last):
        yield from self.parts(next(super().request(nonce, last)))


class Aliases(Kind):
    name = "aliases"
    sections = {"field_aliases": {"model": "model_id"}, "defaults": {"temperature": "0.6"}}

    def forwarded(self, nonce):
        body = self.sent(nonce).replace(b'"model"', b'"model_id"')
        return body[:-1] + b',"temperature":0.6}'


class Large(Kind):
    """Bodies that go from socket to socket through a pipe."""
    name = "large"

    def sent(self, nonce):
        return b'{"model":"m","text":"%s"}' % pattern(nonce, 300000)

    def answer(self, nonce):
        return b'{"text":"%s"}' % pattern(nonce, 300000)


class LargeAliases(Aliases):
    name = "large-aliases"

    def sent(self, nonce):
        return b'{"model":"m","text":"%s"}' % pattern(nonce, 200000)


class Fallback(Kind):
    """Two upstreams: the first one, chosen by the model, declines each request."""
    name = "fallback"
    sections = {"upstream": {"fallback": "second", "retry_buffer": "256k", "models": "m",
                             "api_key": REAL}}

    def serve_upstreams(self):
        self.first = Upstream(self)
        self.first.serve = self.decline
        self.declines = Scripted(self.first.handle)
        super().serve_upstreams()
        self.things.append(self.declines)

    def decline(self, conn):
        r = conn.request(wait=30)
        if not r.complete:
            return False
        if r.body != self.forwarded(r.get("x-nonce")):
            self.upstream.wrong.append(f"the first upstream got {r.body!r}")
        conn.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n"
                  b"x-declined: 1\r\n\r\n{}")
        self.declined = True
        return True

    def settings(self):
        mine = {"base_url": self.declines.url}
        return {**super().settings(),
                "upstream": {**self.sections["upstream"], **mine},
                "upstream second": {"base_url": self.server.url, "api_key": REAL}}

    def judge_refusal(self, r, nonce):
        if not r.has("x-declined"):
            super().judge_refusal(r, nonce)

    def needs_restart(self):
        """An upstream that could not be reached is passed over for a while."""
        asked, self.declined = self.declined, False
        return not asked

    def is_quiet(self):
        return super().is_quiet() and not any(list(self.first.under_way.values()))


class Tls(Kind):
    name = "tls"

    def serve_upstreams(self):
        self.authority = certs.Authority(self.folder)
        cert = self.authority.issue("good", ["localhost"], ["127.0.0.1"])
        self.server = TlsScripted(self.upstream.handle, cert, host="127.0.0.1")
        self.things.append(self.server)
        self.base = self.server.url

    def settings(self):
        return {**super().settings(),
                "upstream": {"ca_file": self.authority.file, **self.outgoing()}}

    def outgoing(self):
        return {}


class Connect(Tls):
    name = "connect"

    def serve_upstreams(self):
        super().serve_upstreams()
        self.way = HttpProxy()
        self.things.append(self.way)

    def outgoing(self):
        return {"proxy": f"http://user:pass@127.0.0.1:{self.way.port}"}


class ThroughSocks(Kind):
    name = "socks"

    def serve_upstreams(self):
        super().serve_upstreams()
        self.way = Socks(password=(b"user", b"pass"))
        self.things.append(self.way)

    def settings(self):
        return {**super().settings(),
                "upstream": {"proxy": f"socks5h://user:pass@127.0.0.1:{self.way.port}"}}


class Syslog(Kind):
    name = "syslog"

    def start(self):
        self.daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.daemon.bind(str(self.folder / "syslog"))
        threading.Thread(target=self.drain, daemon=True).start()
        super().start()

    def drain(self):
        while True:
            try:
                self.daemon.recv(65536)
            except OSError:
                return

    def env(self):
        return {"OCP_FAULTS_SYSLOG": str(self.folder / "syslog")}

    def settings(self):
        return {**super().settings(), "log": {"file": "syslog"}}

    def stop(self):
        super().stop()
        self.daemon.close()


class Bodies(Kind):
    name = "bodies"

    def settings(self):
        return {**super().settings(),
                "log": {"file": str(self.folder / "log"), "log_requests": "yes",
                        "log_responses": "yes"}}


KINDS = [Kind, Pieces, Sse, Aliases, Large, LargeAliases, Fallback, Tls, Connect, ThroughSocks,
         Syslog, Bodies]
