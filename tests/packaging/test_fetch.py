"""scripts/fetch-debian, with a stand-in for apt-get whose mirror the test fills and breaks."""
import os
import subprocess

import pytest

from conftest import ROOT

APT = r"""#!/bin/sh
mirror=${0%/*}/mirror
echo "$*" >>"${0%/*}/asked"
for last; do :; done
case " $* " in
*' indextargets '*) ;;
*' update '*) [ -e "$mirror/up" ] || { echo 'E: Could not resolve host'; exit 100; } ;;
*' source '* | *' download '*)
    ls "$mirror/$last" >/dev/null 2>&1 || { echo "E: Unable to find $last"; exit 100; }
    cp -R "$mirror/$last/." . ;;
esac
"""


class Mirror:
    def __init__(self, folder):
        self.folder = folder
        self.out = folder / "out"
        (folder / "mirror").mkdir()
        (folder / "apt-get").write_text(APT)
        (folder / "apt-get").chmod(0o755)
        self.up()

    def up(self, yes=True):
        flag = self.folder / "mirror" / "up"
        flag.touch() if yes else flag.unlink()

    def has(self, package, name):
        for old in (self.folder / "mirror" / package).glob("*"):
            old.unlink()
        (self.folder / "mirror" / package).mkdir(exist_ok=True)
        (self.folder / "mirror" / package / name).touch()

    def fetch(self, *packages, kind="source"):
        env = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "FETCH_PAUSE": "0",
               "CACHE": str(self.folder / "cache")}
        return subprocess.run(["sh", ROOT / "scripts/fetch-debian", kind, self.out, "trixie",
                               *packages], env=env, capture_output=True, text=True, timeout=30)

    def asked(self, what):
        return (self.folder / "asked").read_text().count(what)

    def age(self):
        """A day and more goes by."""
        for path in [*self.out.glob(".*"), *(self.folder / "cache").rglob("updated")]:
            os.utime(path, (0, 0))

    def there(self):
        return sorted(p.name for p in self.out.iterdir() if not p.name.startswith("."))


@pytest.fixture
def mirror(tmp_path):
    if not os.path.exists("/usr/share/keyrings/debian-archive-keyring.gpg"):
        pytest.skip("this is no Debian")
    return Mirror(tmp_path)


def test_what_was_fetched_today_is_not_asked_for(mirror):
    mirror.has("musl", "musl_1.dsc")
    mirror.has("inih", "inih_1.dsc")
    assert mirror.fetch("musl", "inih").returncode == 0
    assert mirror.there() == ["inih_1.dsc", "musl_1.dsc"] and mirror.asked(" update") == 1
    mirror.up(False)
    assert mirror.fetch("musl", "inih").returncode == 0
    assert mirror.asked(" update") == 1 and mirror.asked(" source ") == 2


def test_a_newer_version_takes_the_place_of_the_older(mirror):
    mirror.has("musl", "musl_1.dsc")
    mirror.has("inih", "inih_1.dsc")
    mirror.fetch("musl", "inih")
    mirror.has("musl", "musl_2.dsc")
    mirror.age()
    assert mirror.fetch("musl", "inih").returncode == 0
    assert mirror.there() == ["inih_1.dsc", "musl_2.dsc"]


def test_three_tries_and_a_plain_message(mirror):
    mirror.up(False)
    r = mirror.fetch("musl")
    assert r.returncode == 1 and mirror.asked(" update") == 3 and mirror.there() == []
    assert "Could not resolve host" in r.stderr
    assert "could not fetch musl (source) of Debian trixie from http://" in r.stderr
    mirror.up()
    r = mirror.fetch("musl", kind="mipsel")
    assert r.returncode == 1 and mirror.asked(" download musl") == 3
    assert "Unable to find musl" in r.stderr and "musl (mipsel)" in r.stderr


def test_old_sources_stay_where_nobody_answers(mirror):
    mirror.has("musl", "musl_1.dsc")
    mirror.fetch("musl")
    mirror.age()
    mirror.up(False)
    r = mirror.fetch("musl")
    assert r.returncode == 0 and mirror.there() == ["musl_1.dsc"]
    assert "what was fetched before stays" in r.stderr


def test_security_is_asked_for_what_is_shipped(mirror):
    mirror.has("musl", "musl_1.dsc")
    mirror.fetch("musl")
    lists = (mirror.folder / "cache/apt/trixie-source/sources.list").read_text()
    assert lists.count("deb-src [signed-by=") == 2 and " trixie-security main" in lists
    mirror.has("busybox", "busybox_1.deb")
    mirror.fetch("busybox", kind="mipsel")
    lists = (mirror.folder / "cache/apt/trixie-mipsel/sources.list").read_text()
    assert lists.count("\n") == 1 and " trixie main" in lists
    assert mirror.asked("APT::Architecture=mipsel") == 2
