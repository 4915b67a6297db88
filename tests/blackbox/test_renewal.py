"""Certificates that are renewed without a signal. Their files are looked at each ten seconds, so
each test has several things to see in one look."""
import os
import signal

import pytest

import certs
from httpraw import STREAM, post
from procs import children, wait_for

pytestmark = pytest.mark.skipif(not certs.available(), reason="there is no openssl program here")
LOOKS = 40      # seconds for two looks at a busy time
RENEWED = "renewal: new connections get the certificates that are now in the files"


def served(secured, workers, upstream, cert, n):
    how = {"start": workers, "n": n} if n > 1 else {}
    return secured(upstream, cert, **how)


def shows(s, cert):
    """True if every worker, however many there are, shows cert."""
    return all(s.shown().strip() == cert.alone.read_text().strip() for _ in range(6))


def copied(cert, folder):
    """The same pair in a folder, under names that stay."""
    mine = certs.Cert(folder, "mine")
    for name in ("file", "key", "alone"):
        getattr(mine, name).write_bytes(getattr(cert, name).read_bytes())
    return mine


@pytest.mark.parametrize("n", [1, 2])
def test_a_link_that_is_swapped_renews_and_cuts_nothing(secured, workers, upstream, authority,
                                                        tmp_path, n):
    """As Kubernetes does with a mounted secret. What else has changed is not read."""
    old, new = (authority.issue(f"{which}-linked{n}", ["localhost"]) for which in ("old", "new"))
    for version, cert in (("1", old), ("2", new)):
        (tmp_path / version).mkdir()
        copied(cert, tmp_path / version)
    (tmp_path / "data").symlink_to("1")
    s = served(secured, workers, upstream, certs.Cert(tmp_path / "data", "mine"), n)
    raw = post(STREAM, query="events=300&pause=50")
    idle, stream = s.connect(), s.connect().send(raw)
    assert idle.send(post()).response().status == 200
    r = stream.response_head()
    assert shows(s, old)
    s.p.ini.write_text(s.p.ini.read_text() + "[nonsense]\n")
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "data")
    s.p.wait_log(RENEWED, LOOKS)
    wait_for(lambda: shows(s, new))
    assert idle.send(post()).response().status == 200
    assert stream.read_body(r, "close", 60).body == upstream.ask(raw).body and r.complete
    if n > 1:       # who starts later has it, too
        s.p.may_be_killed = True
        before = children(s.p.pid)
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(children(s.p.pid)) == n and children(s.p.pid) != before)
        wait_for(lambda: shows(s, new))
    assert "nonsense" not in s.p.log()
    assert s.p.log().count(RENEWED) == 1


@pytest.mark.parametrize("n", [1, 2])
def test_half_a_pair_changes_nothing_and_is_told_once(secured, workers, upstream, authority,
                                                      tmp_path, n):
    """The files are written where they lie, as acme.sh does."""
    old, new = (authority.issue(f"{which}-written{n}", ["localhost"]) for which in ("old", "new"))
    mine = copied(old, tmp_path)
    s = served(secured, workers, upstream, mine, n)
    mine.file.write_text(new.file.read_text())
    s.p.wait_log("renewal: the old certificates stay", LOOKS)
    assert "the key in" in s.p.log() and "does not belong to the certificate" in s.p.log()
    assert shows(s, old)
    mine.file.write_text(new.file.read_text()[:200])
    s.p.wait_log("holds no certificate that can be read|is damaged", LOOKS)
    assert shows(s, old) and s.ask(post()).status == 200
    mine.key.write_text(new.key.read_text())
    mine.file.write_text(new.file.read_text())
    s.p.wait_log(RENEWED, LOOKS)
    wait_for(lambda: shows(s, new))
    assert s.p.log().count("the old certificates stay") == 2
    s.p.signal(signal.SIGHUP)
    s.p.wait_log("reload: done, nothing has changed")
