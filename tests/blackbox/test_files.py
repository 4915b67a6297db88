"""Files that would block or have no end, in the place of the configuration, of a key, of
certificates: a clear error at once, at the start and in a reload, and nobody waits meanwhile."""
import os
import re
import signal
import time

import pytest

import procs
from httpraw import head, post

KINDS = {"fifo": "neither a file nor a folder", "device": "neither a file nor a folder",
         "folder": "directory", "huge": "File too large"}


def make(kind, path):
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with open(path, "wb") as f:
            f.truncate(10 << 30)
    return path


PLACES = {"key": ("[upstream]", "api_key = file:{}"), "ca_file": ("[upstream]", "ca_file = {}"),
          "client's key": ("[key alice]", "key = file:{}\nupstream_key = real-1")}


def put_in(text, place, path):
    section, line = PLACES[place]
    return text + f"{section}\n{line.format(path)}\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["configuration", *PLACES])
def test_an_error_at_the_start(tmp_path, kind, place):
    path, ini = make(kind, tmp_path / "odd"), tmp_path / "proxy.ini"
    ini.write_text(put_in("[server]\nlisten = 127.0.0.1:1\n", place, path)
                   if place in PLACES else "")
    r = procs.run("-t", "-c", ini if place in PLACES else path, wait=2)
    assert r.returncode == 1
    assert str(path) in r.stderr and KINDS[kind] in r.stderr, r.stderr


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["configuration", *PLACES])
def test_an_error_in_a_reload(proxy, upstream, tmp_path, kind, place, workers):
    p = proxy(upstream, server={"workers": str(workers)})
    path, text = make(kind, tmp_path / "odd"), p.ini.read_text()
    if place in PLACES:
        p.ini.write_text(put_in(text, place, path))
    else:
        p.ini.unlink()
        path.rename(p.ini)
    start = time.monotonic()
    p.signal(signal.SIGHUP)
    p.wait_log("reload: nothing was changed")
    assert time.monotonic() - start < 1
    assert re.search(f"error reload: .*{KINDS[kind]}", p.log())
    assert p.ask(post()).status == 200
    assert p.ask(head("GET", "/healthz"), "GET").status == 200
