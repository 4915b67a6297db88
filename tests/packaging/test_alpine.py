"""The APKBUILD, run as far as that goes without Alpine: its functions, by busybox ash, in a folder
that collect puts together."""
import os
import re
import subprocess

import pytest

from conftest import PACKAGING, ROOT, need

APKBUILD = PACKAGING / "alpine/APKBUILD"
# Without the make around these tests.
ENV = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
FAKE = ROOT / "tests/packaging/openwrt/build-tree/target-cc"


@pytest.fixture
def collected(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("collect packs what is committed")
    subprocess.run([PACKAGING / "alpine/collect", tmp_path], check=True, env=ENV)
    return tmp_path


def ash(folder, script):
    done = subprocess.run([need("busybox"), "ash", "-ec", f". ./APKBUILD\n{script}"], cwd=folder,
                          env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_every_source_is_there(collected):
    sources = ash(collected, "echo $source $install")
    assert len(sources) == 4
    assert sorted(sources + ["APKBUILD"]) == sorted(p.name for p in collected.iterdir())


def test_package_installs_everything(collected):
    """With a compiler that only makes files, and without the group, which is not there."""
    ash(collected, f"""
        export OUT=$PWD
        srcdir=$PWD/src pkgdir=$PWD/pkg
        make() {{ command make -s CC={FAKE} AR='{FAKE} -o' "$@"; }}
        install() {{ command install $(echo " $* " | sed 's/ -g [^ ]*//'); }}
        mkdir src && tar -xzf $pkgname-$pkgver.tar.gz -C src && cp $pkgname.*d src/
        cd src/$pkgname-$pkgver
        build
        package
    """)
    pkg = collected / "pkg"
    files = {str(p.relative_to(pkg)) for p in pkg.rglob("*") if p.is_file()}
    assert {"usr/bin/openai-chat-proxy", "etc/openai-chat-proxy/proxy.ini",
            "etc/init.d/openai-chat-proxy", "etc/conf.d/openai-chat-proxy",
            "usr/share/man/man5/proxy.ini.5",
            "usr/share/bash-completion/completions/openai-chat-proxy"} <= files
    assert "etc/openai-chat-proxy/proxy.ini.example" not in files


def test_users_are_those_of_the_service():
    user = re.search(r'^pkgusers="(.*)"', APKBUILD.read_text(), re.M)[1]
    script = (PACKAGING / "openrc/openai-chat-proxy.initd").read_text()
    assert f"command_user:={user}:{user}" in script
    assert f" {user} " in (PACKAGING / "alpine/openai-chat-proxy.pre-install").read_text()
