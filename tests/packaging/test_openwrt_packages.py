"""What surrounds the scripts of the OpenWrt packages: the Makefile, in a build tree of stand-ins,
and the LuCI page."""
import json
import os
import re
import stat
import subprocess

import pytest

from conftest import PACKAGING, need
from router import STUBS

FEED = PACKAGING / "openwrt"
PAGE = FEED / "luci-app-openai-chat-proxy"
VIEW = PAGE / "htdocs/luci-static/resources/view/openai-chat-proxy.js"


def test_the_makefile_builds_and_installs(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    done = subprocess.run(["make", "-s", "-C", FEED / "openai-chat-proxy",
                           f"TOPDIR={STUBS / 'build-tree'}", f"OUT={tmp_path}"],
                          env={**env, "OUT": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "root"
    modes = {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode)
             for p in root.rglob("*") if p.is_file()}
    assert modes == {
        "usr/bin/openai-chat-proxy": 0o755,
        "etc/init.d/openai-chat-proxy": 0o755,
        "etc/config/openai-chat-proxy": 0o600,
        "etc/uci-defaults/90-openai-chat-proxy": 0o755,
        "usr/share/openai-chat-proxy/uci.sh": 0o644,
        "usr/share/openai-chat-proxy/proxy.ini.example": 0o644,
        "lib/upgrade/keep.d/openai-chat-proxy": 0o644,
    }
    assert (tmp_path / "conffiles").read_text().split() == ["/etc/config/openai-chat-proxy",
                                                            "/etc/openai-chat-proxy/"]
    compiled = (tmp_path / "compiled").read_text().splitlines()
    link = [line for line in compiled if "-linih" in line][-1]
    assert "-Os -pipe" in link and "-L/staging/usr/lib" in link
    # The compiler's own tree decides how hard it is made for an attacker.
    assert "-fstack-protector" not in link


def test_the_page_edits_what_the_program_knows(router):
    seen = json.loads(subprocess.run([need("node"), STUBS / "page.js", VIEW], check=True,
                                     capture_output=True, text=True).stdout)
    assert ["server server", "enabled"] in seen and ["key", "upstream_key"] in seen
    sections = {}
    for where, option in seen:
        sections.setdefault(where, []).append(option)
    values = {"listen": "127.0.0.1:8000", "max_connections": "10", "proxy": "http://127.0.0.1:3128",
              "base_url": "http://127.0.0.1", "proxy_url_path": "/chat", "level": "info",
              "field_aliases": "a=b", "defaults": "a=1", "log_requests": "1", "log_responses": "1",
              "ip_whitelist": "127.0.0.1", "ip_blacklist": "127.0.0.2", "enabled": "1"}
    lists = {"listen", "field_aliases", "defaults", "ip_whitelist", "ip_blacklist"}
    text = ""
    for where, options in sections.items():
        kind, _, name = where.partition(" ")
        text += f"config {kind} '{name or 'alice'}'\n"
        text += "".join(f"\t{'list' if o in lists else 'option'} {o} '{values.get(o, 'k-' + o)}'\n"
                        for o in options if not o.startswith("_"))
    router.set(text)
    assert router.run("check") == (0, "configuration OK\n", [])


def rights():
    return json.loads((PAGE / f"root/usr/share/rpcd/acl.d/{PAGE.name}.json").read_text())


def entries():
    return json.loads((PAGE / f"root/usr/share/luci/menu.d/{PAGE.name}.json").read_text())


def messages(path):
    return dict(re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', path.read_text(), re.M))


def test_the_page_speaks_chinese():
    words = set(re.findall(r"_\('([^']*)'\)", VIEW.read_text()))
    acl = rights()
    words |= {right["description"] for right in acl.values()}
    menu = entries()
    words |= {entry["title"] for entry in menu.values()}
    chinese = messages(PAGE / "po/zh_Hans/openai-chat-proxy.po")
    assert set(chinese) == set(messages(PAGE / "po/templates/openai-chat-proxy.pot")) == words
    assert all(chinese.values())


@pytest.mark.parametrize("path", ["po/zh_Hans/openai-chat-proxy.po",
                                  "po/templates/openai-chat-proxy.pot"])
def test_catalogues_are_sound(path):
    subprocess.run([need("msgfmt"), "-c", "-o", "/dev/null", PAGE / path], check=True)


def test_menu_and_rights_agree():
    acl = rights()
    menu = entries()
    (entry,) = menu.values()
    assert entry["depends"]["acl"] == list(acl)
    assert entry["action"]["path"] == VIEW.stem
