"""A folder that stands for a router's root, with the OpenWrt package's shell in it, and stand-ins
for rc.common, procd and uci."""
import os
import pathlib
import re
import shutil
import subprocess
import textwrap

import pytest

from conftest import PACKAGING, ROOT, need

FILES = PACKAGING / "openwrt" / "openai-chat-proxy" / "files"
STUBS = pathlib.Path(__file__).parent / "openwrt"
BINARY = os.environ.get("OCP_BINARY", str(ROOT / "build" / "openai-chat-proxy"))


# The program, on a machine without a syslog daemon.
PROGRAM = f"""#!/bin/sh
if grep -q '^file = syslog' "$3"; then
    sed 's/^file = syslog/file = stderr/' "$3" >"${{0}}.ini"
    set -- "$1" "$2" "${{0}}.ini"
fi
exec {BINARY} "$@"
"""


class Router:
    """A folder that stands for a router's root."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "etc/config/openai-chat-proxy"
        self.ini = folder / "var/run/openai-chat-proxy/proxy.ini"
        self.calls = folder / "calls"
        self.init = folder / "etc/init.d/openai-chat-proxy"
        self.program = folder / "openai-chat-proxy"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        for name in ("etc/config", "etc/init.d", "var/run", "usr/share/openai-chat-proxy"):
            (folder / name).mkdir(parents=True)
        shutil.copy(FILES / "uci.sh", folder / "usr/share/openai-chat-proxy/")
        text = (FILES / "openai-chat-proxy.init").read_text()
        text = text.replace("PROG=/usr/bin/openai-chat-proxy", f"PROG={self.program}")
        for path in ("/var/run/", "/usr/share/"):
            text = re.sub(rf"(?<==){path}", f"{folder}{path}", text)
        self.init.write_text(text)

    def run(self, action, running=False):
        """Runs the script. Returns its status, what it said, and what procd was told."""
        self.calls.write_text("")
        env = {**os.environ, "CONFIG": str(self.config), "CALLS": str(self.calls),
               "RUNNING": "yes" if running else "no"}
        command = [need("busybox"), "ash", STUBS / "rc.common", self.init, action]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=20,
                              cwd=self.folder)
        return done.returncode, done.stdout + done.stderr, self.calls.read_text().splitlines()

    def set(self, text):
        self.config.write_text(textwrap.dedent(text))


@pytest.fixture
def router(tmp_path):
    return Router(tmp_path)


ENABLED = "config server 'server'\n\toption enabled '1'\n\tlist listen '127.0.0.1:8000'\n"
