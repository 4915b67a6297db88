"""Peers that vanish without a word: a connection that hears nothing any more, and a network that is
gone.

The first takes no privilege: a filter on the peer's socket drops all that comes in. The second
takes network namespaces, joined by a virtual cable, and skips the test where there are none.
"""
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

import pytest

SO_ATTACH_FILTER = 26
CLONE_NEWNET = 0x40000000

linux_only = pytest.mark.skipif(sys.platform != "linux",
                                reason="other systems do not tell what they heard")


def vanish(conn):
    """From now on the socket of conn hears nothing, so its kernel acknowledges nothing."""
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(drop_all))
    conn.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True, text=True)


def enter(path):
    """Moves this thread, and what it starts, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path) as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


class Cable:
    """A namespace for the test, with the address `near`, and another one for its peer, with the
    address `far`."""

    near, far = "10.213.0.1", "10.213.0.2"

    def __init__(self):
        self.names = [f"ocp-{os.getpid()}-{end}" for end in ("near", "far")]
        self.home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)

    def lay(self):
        near, far = self.names
        for name in self.names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", near, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far)
        for name, end, address in zip(self.names, ("near", "far"), (self.near, self.far)):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
        enter(f"/run/netns/{near}")

    def cut(self, end):
        ip("-n", self.names[end == "far"], "link", "set", end, "down")

    def from_far(self, fn):
        """What fn returns, run at the far end. Sockets that it opens stay there."""
        got = []

        def run():
            enter(f"/run/netns/{self.names[1]}")
            got.append(fn())
        t = threading.Thread(target=run)
        t.start()
        t.join()
        return got[0]

    def remove(self):
        enter(f"/proc/self/fd/{self.home}")
        os.close(self.home)
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


@pytest.fixture
def cable():
    if not shutil.which("ip"):
        pytest.skip("there is no ip(8) here")
    c = Cable()
    try:
        c.lay()
    except (OSError, subprocess.CalledProcessError) as e:
        c.remove()
        pytest.skip(f"no network namespaces here: {getattr(e, 'stderr', None) or e}")
    yield c
    c.remove()
