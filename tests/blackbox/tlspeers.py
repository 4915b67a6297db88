"""Upstreams and clients that speak TLS through Python's ssl, and their fixtures.

The certificates come from certs.py. test_tls.py tests which of them are trusted, test_client_tls.py
what clients of the proxy see.
"""
import ssl

import pytest

import certs
import procs
from httpraw import WAIT, Conn
from peers import Scripted

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def has_tls13():
    return "2.28" not in procs.run("-V").stdout


class TlsScripted(Scripted):
    """An upstream whose handler speaks TLS. The outcome of each handshake is in .sessions or
    .refused."""

    def __init__(self, handler, cert, low=V12, high=None, host="localhost", old=False, picky=True):
        """picky: the server's order of preference decides, not the client's."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert.file, cert.key)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.context.sni_callback = self.named
        if not picky:
            self.context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        if old:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.context.minimum_version = low
        if high:
            self.context.maximum_version = high
        self.names, self.sessions, self.refused, self.ciphers = [], [], [], []
        super().__init__(handler)
        self.url = f"https://{host}:{self.port}"

    def named(self, sock, name, context):
        self.names.append(name)

    def serve(self, conn, n):
        try:
            conn.sock.settimeout(8)
            conn.raw = conn.sock
            conn.sock = self.context.wrap_socket(conn.sock, server_side=True,
                                                 suppress_ragged_eofs=False)
        except (ssl.SSLError, OSError) as e:
            self.refused.append(e)
            conn.close()
            return
        with self.changed:
            self.ciphers.append(conn.sock.cipher()[0])
            self.sessions.append((conn.sock.version(), conn.sock.session_reused,
                                  conn.sock.selected_alpn_protocol()))
            self.changed.notify_all()
        super().serve(conn, n)


class TlsConn(Conn):
    """A client's connection over TLS. cut: it ended without close_notify."""

    def __init__(self, sock, context, name="localhost", session=None):
        self.cut = False
        super().__init__(context.wrap_socket(sock, server_hostname=name, session=session,
                                             suppress_ragged_eofs=False))

    def more(self, wait=WAIT):
        try:
            return super().more(wait)
        except ssl.SSLEOFError:
            self.cut = self.eof = True
            return False


def client_context(authority=None, only=None):
    """What a client has: the authority it trusts, None: anybody; and its only version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(authority.file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if only:
        context.minimum_version = context.maximum_version = only
    return context


class Secured:
    """A proxy whose address speaks TLS, and connections to it."""

    def __init__(self, p, authority):
        self.p = p
        self.context = client_context(authority)

    def connect(self, name="localhost", context=None, session=None, **how):
        raw = self.p.connect(**how)
        c = TlsConn(raw.sock, context or self.context, name, session)
        self.p.conns[-1] = c
        return c

    def ask(self, request, method="POST", **how):
        c = self.connect(**how)
        r = c.send(request).response(method)
        c.close()
        return r

    def shown(self, name="localhost"):
        """The certificate that a client is shown who asks for that name."""
        c = self.connect(name, client_context())
        shown = ssl.DER_cert_to_PEM_cert(c.sock.getpeercert(True))
        c.close()
        return shown


def files_of(*certs_):
    """The settings for these certificates."""
    return {"certificate": ", ".join(str(c.file) for c in certs_),
            "certificate_key": ", ".join(str(c.key) for c in certs_)}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def good(authority):
    return authority.issue("good", ["localhost"])


@pytest.fixture
def tls_upstream():
    things = []

    def start(handler, cert, **how):
        things.append(TlsScripted(handler, cert, **how))
        return things[-1]
    yield start
    for t in things:
        t.stop()


@pytest.fixture
def trusting(proxy, authority):
    """A proxy in front of an upstream. Its CA file is the test's authority."""
    def start(target, **sections):
        mine = {"ca_file": authority.file, **sections.pop("upstream", {})}
        return proxy(target, upstream=mine, **sections)
    return start


@pytest.fixture
def secured(proxy, authority, good):
    """secured(upstream, …) starts a proxy as proxy does, with TLS for its clients."""
    def start(target, *mine, start=proxy, words="tls", **sections):
        server = {"listen": "127.0.0.1:{port} " + words, **files_of(*(mine or [good])),
                  **sections.pop("server", {})}
        return Secured(start(target, server=server, **sections), authority)
    return start
