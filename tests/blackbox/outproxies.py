"""Outgoing proxies made of a few lines of Python: HTTP's CONNECT and absolute-form requests, and
SOCKS5.

Each records in .seen the bytes that it could read, so that a test can look for secrets in them.
Real proxies are in test_outgoing.py.
"""
import select
import socket
import struct
import time

from httpraw import WAIT, Broken, Head
from peers import Scripted


def pump(a, b):
    """Carries bytes both ways until one side ends. select does not see what a TLS socket has
    buffered."""
    sides = {a: b, b: a}
    for s in sides:
        s.setblocking(True)
    while True:
        ready = [s for s in sides if getattr(s, "pending", lambda: 0)()]
        ready = ready or select.select(list(sides), [], [], 10)[0]
        if not ready:
            return
        for s in ready:
            data = s.recv(65536)
            if not data:
                return
            sides[s].sendall(data)


class HttpProxy(Scripted):
    """Answers CONNECT with `answer` (bytes, or a function of the connection), and tunnels if it is
    a 2xx.

    `where` maps "host:port" to a port on loopback; the default is the same port.
    """

    def __init__(self, answer=b"HTTP/1.1 200 Connection established\r\n\r\n", where=None):
        self.answer = answer
        self.where = where or {}
        self.heads, self.seen = [], []
        super().__init__(self.tunnel)
        self.url = f"http://127.0.0.1:{self.port}"

    def tunnel(self, conn, n):
        head = Head(conn.head_bytes())
        self.heads.append(head)
        self.seen.append(head.raw)
        method, target, _ = head.first.decode().split(" ")
        if method != "CONNECT":
            raise Broken(f"{head.first!r} instead of CONNECT")
        if callable(self.answer):
            self.answer(conn)
            return
        conn.send(self.answer)
        if b" 200" not in self.answer:
            conn.gone()
            return
        self.lead(conn, self.where.get(target, int(target.rpartition(":")[2])))

    def lead(self, conn, port):
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            upstream.sendall(conn.take(len(conn.buf)))
            pump(conn.sock, upstream)


class Socks4(Scripted):
    """SOCKS4 and 4A. reply: the code it answers the request with.

    What it was asked for is in .asked: ("4" or "4a", user, host, port).
    """

    def __init__(self, reply=90, where=None):
        self.reply, self.where = reply, where or {}
        self.asked = []
        super().__init__(self.serve_one)
        self.address = f"127.0.0.1:{self.port}"

    def text(self, conn):
        """A string that ends with a NUL."""
        got = b""
        while not got.endswith(b"\0"):
            byte = conn.exactly(1, time.monotonic() + WAIT)
            if not byte:
                raise ConnectionError("the client left")
            got += byte
        return got[:-1].decode()

    def serve_one(self, conn, n):
        head = conn.exactly(8, time.monotonic() + WAIT)
        if len(head) < 8 or head[:2] != b"\4\1":
            raise Broken(f"not a request to connect: {head!r}")
        port, user = struct.unpack("!H", head[2:4])[0], self.text(conn)
        by_name = head[4:7] == b"\0\0\0" and head[7] != 0
        host = self.text(conn) if by_name else socket.inet_ntoa(head[4:8])
        self.asked.append(("4a" if by_name else "4", user, host, port))
        conn.send(b"\0" + bytes([self.reply]) + b"\0" * 6)
        if self.reply != 90:
            conn.gone()
            return
        with socket.create_connection(("127.0.0.1", self.where.get(host, port))) as upstream:
            pump(conn.sock, upstream)


class Socks(Scripted):
    """SOCKS5 with or without a password. reply: its code for the request; broken: bytes that it
    sends instead of its first reply."""

    def __init__(self, password=None, reply=0, broken=None, where=None, bound=b"\x01\0\0\0\0\0\0"):
        self.password, self.reply, self.broken, self.bound = password, reply, broken, bound
        self.where = where or {}
        self.asked, self.seen = [], []
        super().__init__(self.serve_one)
        self.address = f"127.0.0.1:{self.port}"

    def take(self, conn, n):
        data = conn.exactly(n, time.monotonic() + WAIT)
        self.seen.append(data)
        if len(data) < n:
            raise ConnectionError("the client left")
        return data

    def text(self, conn):
        return self.take(conn, self.take(conn, 1)[0])

    def authenticate(self, conn):
        version, n = self.take(conn, 2)
        methods = self.take(conn, n)
        if version != 5 or 0 not in methods:
            raise Broken(f"version {version}, methods {methods}")
        if self.broken is not None:
            conn.send(self.broken)
            conn.gone()
            return False
        if self.password is None:
            conn.send(b"\5\0")
            return True
        if 2 not in methods:
            conn.send(b"\5\xff")
            return False
        conn.send(b"\5\2")
        if self.take(conn, 1) != b"\1":
            raise Broken("not RFC 1929")
        good = (self.text(conn), self.text(conn)) == self.password
        conn.send(b"\1\0" if good else b"\1\1")
        return good

    def target(self, conn):
        if self.take(conn, 3) != b"\5\1\0":
            raise Broken("not a request to connect")
        kind = self.take(conn, 1)[0]
        if kind == 3:
            host = self.text(conn).decode()
        else:
            family, n = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[kind]
            host = socket.inet_ntop(family, self.take(conn, n))
        return kind, host, struct.unpack("!H", self.take(conn, 2))[0]

    def serve_one(self, conn, n):
        if not self.authenticate(conn):
            conn.gone()
            return
        kind, host, port = self.target(conn)
        self.asked.append((kind, host, port))
        conn.send(b"\5" + bytes([self.reply]) + b"\0" + self.bound)
        if self.reply:
            conn.gone()
            return
        with socket.create_connection(("127.0.0.1", self.where.get(host, port))) as upstream:
            pump(conn.sock, upstream)
