"""Upstreams in a few lines of Python, for responses that are awkward byte by byte.

An exception in a handler fails the test that started it. The sample upstream has the ordinary
responses.
"""
import socket
import threading
import time

from httpraw import WAIT, Conn


class Scripted:
    """Listens on loopback and gives each connection to handler(conn, n) in a thread; n counts
    connections from 0.

    A connection is a Conn. The requests that read() has read are in .requests, in order.
    """

    def __init__(self, handler, host="127.0.0.1", port=0):
        self.handler = handler
        self.conns = []
        self.requests = []
        self.failures = []
        self.stopping = False           # later failures come from closed connections
        self.changed = threading.Condition()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            conn = Conn(sock)
            with self.changed:
                n = len(self.conns)
                self.conns.append(conn)
                self.changed.notify_all()
            threading.Thread(target=self.serve, args=(conn, n), daemon=True).start()

    def serve(self, conn, n):
        try:
            self.handler(conn, n)
        except OSError as e:
            if isinstance(e, TimeoutError) and not self.stopping:
                self.failures.append(e)
        except Exception as e:      # the test has to see every exception
            if not self.stopping:
                self.failures.append(e)
        finally:
            conn.close()

    def read(self, conn):
        """Reads a request and keeps it."""
        r = conn.request()
        with self.changed:
            self.requests.append(r)
            self.changed.notify_all()
        return r

    def wait_conns(self, n, wait=WAIT):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.conns) >= n,
                                         wait), f"{len(self.conns)} connections, not {n}"

    def stop(self):
        self.stopping = True
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for c in self.conns:
            c.close()
        if self.failures:
            raise self.failures[0]


def ok(body=b"{}", *fields, status="200 OK"):
    """A whole response with a Content-Length."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}",
             *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


SSE_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def delta(text, end="\n\n"):
    """An event with a chat completion chunk."""
    return ('data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,'
            '"delta":{"content":"%s"},"finish_reason":null}]}%s' % (text, end)).encode()


FINISH = (b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},'
          b'"finish_reason":"stop"}]}\n\n')
DONE = b"data: [DONE]\n\n"


def answering(answer, times=1000):
    """A handler that reads each request whole and sends the same response."""
    def handler(conn, n):
        for _ in range(times):
            if not conn.buf and not conn.more():
                return
            conn.request()
            conn.send(answer)
    return handler


class BlackHole:
    """An address on loopback that neither accepts nor refuses a connection: its queue is full."""

    def __init__(self, host="127.0.0.1", port=0):
        self.listener = socket.socket()
        self.listener.bind((host, port))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.fill = []
        for _ in range(8):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((host, self.port))
            self.fill.append(s)
        time.sleep(0.05)

    def stop(self):
        for s in self.fill:
            s.close()
        self.listener.close()
