"""HTTP/1.1 on a raw socket, for the client's and for the upstream's side, strict about every byte.

Knows no proxy and starts no process. Every wait is bounded by WAIT seconds. Processes are in
procs.py, upstreams in peers.py.
"""
import json
import re
import socket
import struct
import time

WAIT = 8.0
PATH = "/v1/chat/completions"
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class Broken(Exception):
    """The peer sent something that is not HTTP, or ended too early."""


class Head:
    """A message's head as it came: first line and fields, in order."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw[:-4].split(b"\r\n")
        self.first = lines[0]
        self.fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.match(name) or set(value) & set(b"\r\n\0"):
                raise Broken(f"bad field line {line!r}")
            self.fields.append((name.decode(), value.strip(b" \t").decode("latin-1")))

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        if len(values) > 1:
            raise Broken(f"{name} is there {len(values)} times: {values}")
        return values[0] if values else default

    def has(self, name):
        return bool(self.all(name))

    def has_token(self, name, token):
        return token in [t.strip().lower() for v in self.all(name) for t in v.split(",")]


class Message(Head):
    """A head and its body. complete: the body ended as its framing says."""

    def __init__(self, raw):
        super().__init__(raw)
        self.body = b""
        self.chunks = []
        self.times = []
        self.trailer = b""
        self.complete = False
        self.framing = None

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error object of an error response. Its shape is checked."""
        if self.get("content-type", "").split(";")[0] != "application/json":
            raise Broken(f"an error of type {self.get('content-type')}")
        return error_of(self.body)


class Response(Message):
    def __init__(self, raw):
        super().__init__(raw)
        m = re.match(rb"HTTP/1\.([01]) ([1-9][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)\Z", self.first)
        if not m:
            raise Broken(f"bad status line {self.first!r}")
        self.minor = int(m[1])
        self.status = int(m[2])
        self.reason = m[3].decode("latin-1")


class Request(Message):
    def __init__(self, raw):
        super().__init__(raw)
        m = re.match(rb"([!-~]+) ([!-~]+) HTTP/1\.1\Z", self.first)
        if not m:
            raise Broken(f"bad request line {self.first!r}")
        self.method = m[1].decode()
        self.target = m[2].decode()


def error_of(text):
    outer = json.loads(text)
    assert list(outer) == ["error"], outer
    error = outer["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str) and error["message"], error
    return error


class Conn:
    """One connected socket with a buffer."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = b""
        self.eof = False
        self.reset = False
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        self.sock.settimeout(WAIT)
        self.sock.sendall(data)
        return self

    def close(self, rst=False):
        if rst:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def finish(self):
        """Ends the sending direction."""
        self.sock.shutdown(socket.SHUT_WR)

    def more(self, wait=WAIT):
        """Reads once. False at the end of the connection; TimeoutError when nothing came."""
        if self.eof:
            return False
        self.sock.settimeout(max(wait, 0.001))
        try:
            data = self.sock.recv(262144)
        except ConnectionError:
            self.reset = True
            data = b""
        self.buf += data
        self.eof = not data
        return bool(data)

    def need(self, n, deadline):
        while len(self.buf) < n:
            if not self.more(deadline - time.monotonic()):
                return False
        return True

    def take(self, n):
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def exactly(self, n, deadline):
        """The next n bytes; fewer where the connection ends."""
        parts = []
        while n and (self.buf or self.more(deadline - time.monotonic())):
            parts.append(self.take(n))
            n -= len(parts[-1])
        return b"".join(parts)

    def skip(self, n, wait=60):
        """Reads n bytes away, keeping none of them."""
        deadline = time.monotonic() + wait
        while n and (self.buf or self.more(deadline - time.monotonic())):
            n -= len(self.take(n))
        if n:
            raise Broken(f"the connection ended {n} bytes early")

    def line(self, deadline):
        """A line without its CRLF, or None at the end of the connection."""
        while b"\n" not in self.buf:
            if not self.more(deadline - time.monotonic()):
                return None
        n = self.buf.index(b"\n") + 1
        line = self.take(n)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise Broken(f"bad line end {line[-20:]!r}")
        return line[:-2]

    def head_bytes(self, wait=WAIT):
        deadline = time.monotonic() + wait
        while b"\r\n\r\n" not in self.buf:
            if not self.more(deadline - time.monotonic()):
                raise Broken(f"the connection ended before a head; there was {self.buf!r}")
        return self.take(self.buf.index(b"\r\n\r\n") + 4)

    # Bodies, piece by piece.

    def chunk(self, wait=WAIT):
        """The next chunk's data; b"" for the last one, whose trailer is read; None where the
        connection ends."""
        deadline = time.monotonic() + wait
        line = self.line(deadline)
        if line is None:
            return None
        if not re.match(rb"[0-9A-Fa-f]{1,15}\Z", line):
            raise Broken(f"bad chunk size {line[:40]!r}")
        size = int(line, 16)
        if size == 0:
            trailer = self.line(deadline)
            if trailer is None:
                return None
            if trailer:
                raise Broken(f"trailer {trailer!r}")
            return b""
        data = self.exactly(size + 2, deadline)
        if len(data) < size + 2:
            self.partial = data[:size]
            return None
        if not data.endswith(b"\r\n"):
            raise Broken("no CRLF after a chunk")
        return data[:-2]

    def read_chunked(self, m, wait):
        m.framing = "chunked"
        self.partial = b""
        got = []
        while True:
            data = self.chunk(wait)
            if not data:
                m.complete = data is not None
                break
            got.append(data)
            m.times.append(time.monotonic())
        m.chunks = got
        m.body = b"".join(got) + self.partial

    def read_length(self, m, n, wait):
        m.framing = "length"
        m.body = self.exactly(n, time.monotonic() + wait)
        m.complete = len(m.body) == n

    def read_to_end(self, m, wait):
        m.framing = "close"
        m.body = self.exactly(1 << 60, time.monotonic() + wait)
        m.complete = not self.reset

    def read_body(self, m, otherwise, wait=WAIT):
        """Reads m's body. otherwise: the framing where the head names none, "none" or "close"."""
        if m.has("transfer-encoding") and m.has("content-length"):
            raise Broken("both Transfer-Encoding and Content-Length")
        if m.has("transfer-encoding"):
            if m.get("transfer-encoding").lower() != "chunked":
                raise Broken(f"transfer coding {m.get('transfer-encoding')}")
            self.read_chunked(m, wait)
        elif m.has("content-length"):
            if not re.match(r"[0-9]+\Z", m.get("content-length")):
                raise Broken(f"content length {m.get('content-length')}")
            self.read_length(m, int(m.get("content-length")), wait)
        elif otherwise == "close":
            self.read_to_end(m, wait)
        else:
            m.framing, m.complete = "none", True
        return m

    # Whole messages.

    def response_head(self, wait=WAIT, interim=False):
        """The next response's head. Interim responses are skipped unless interim is set."""
        while True:
            r = Response(self.head_bytes(wait))
            if interim or r.status >= 200:
                return r
            if r.has("content-length") or r.has("transfer-encoding"):
                raise Broken("an interim answer with framing")

    def response(self, method="POST", wait=WAIT):
        r = self.response_head(wait)
        if method == "HEAD" or r.status in (204, 304):
            if r.has("transfer-encoding") or (r.status == 204 and r.has("content-length")):
                raise Broken(f"framing in an answer without a body: {r.fields}")
            r.framing, r.complete = "none", True
            return r
        return self.read_body(r, "close", wait)

    def request(self, wait=WAIT):
        return self.read_body(Request(self.head_bytes(wait)), "none", wait)

    def closed(self, wait=WAIT):
        """Waits for the end of the connection. A byte before it is an error."""
        deadline = time.monotonic() + wait
        while self.more(deadline - time.monotonic()):
            pass
        if self.buf:
            raise Broken(f"bytes before the end: {self.buf[:200]!r}")
        return True

    def gone(self, wait=WAIT):
        """Waits for the end of the connection and ignores the bytes before it. Returns how long
        that took."""
        start = time.monotonic()
        while self.more(start + wait - time.monotonic()):
            self.buf = b""
        return time.monotonic() - start

    def silent(self, wait=0.2):
        """True if neither a byte nor the end comes in wait seconds."""
        if self.buf:
            return False
        try:
            self.more(wait)
        except TimeoutError:
            return True
        return False


def connect(port, rcvbuf=None, host="127.0.0.1", source=None):
    """source: the address on loopback that the connection comes from."""
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    s.settimeout(WAIT)
    if source:
        s.bind((source, 0))
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.connect((host, port))
    return Conn(s)


def head(method="POST", target=PATH, *fields, version="1.1"):
    """A request head; Host is added unless a field names it."""
    lines = [f"{method} {target} HTTP/{version}"]
    if not any(f.lower().startswith("host:") for f in fields):
        lines.append("Host: proxy.test")
    return ("\r\n".join(lines + list(fields)) + "\r\n\r\n").encode("latin-1")


def post(body=b"{}", *fields, query="", version="1.1", target=PATH):
    """A whole request with a Content-Length."""
    if isinstance(body, str):
        body = body.encode()
    if query:
        target += "?" + query
    return head("POST", target, "Content-Type: application/json", f"Content-Length: {len(body)}",
                *fields, version=version) + body


def post_chunked(chunks, *fields, query="", end=b"0\r\n\r\n"):
    """A whole request in chunks."""
    target = PATH + ("?" + query if query else "")
    body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
    return head("POST", target, "Content-Type: application/json", "Transfer-Encoding: chunked",
                *fields) + body + end


STREAM = b'{"model":"m","stream":true,"messages":[]}'
