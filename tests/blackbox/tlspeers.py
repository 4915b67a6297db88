"""Upstreams that speak TLS, by Python's ssl, and the fixtures around them.

Knows the raw socket below and the certificates of certs.py. Who is trusted, and what is said of who is not, is tested in test_tls.py.
"""
import ssl

import pytest

import certs
import procs
from peers import Scripted

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def has_tls13():
    return "2.28" not in procs.run("-V").stdout


class TlsScripted(Scripted):
    """An upstream whose handler speaks through TLS. What each handshake came to is kept in .sessions, or .refused."""

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
        self.names, self.sessions, self.refused = [], [], []
        super().__init__(handler)
        self.url = f"https://{host}:{self.port}"

    def named(self, sock, name, context):
        self.names.append(name)

    def serve(self, conn, n):
        try:
            conn.sock.settimeout(8)
            conn.raw = conn.sock
            conn.sock = self.context.wrap_socket(conn.sock, server_side=True, suppress_ragged_eofs=False)
        except (ssl.SSLError, OSError) as e:
            self.refused.append(e)
            conn.close()
            return
        with self.changed:
            self.sessions.append((conn.sock.version(), conn.sock.session_reused, conn.sock.selected_alpn_protocol()))
            self.changed.notify_all()
        super().serve(conn, n)


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
    """A proxy in front of an upstream, with the test's authority as its CA file."""
    def start(target, **sections):
        mine = {"ca_file": authority.file, **sections.pop("upstream", {})}
        return proxy(target, upstream=mine, **sections)
    return start
