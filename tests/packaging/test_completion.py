"""Completion, asked in the shells themselves: every flag that -h names, and a file after -c."""
import os
import pty
import re
import select
import subprocess
import time

import pytest

from conftest import PACKAGING, ROOT, need

FOLDER = PACKAGING / "completion"
BINARY = os.environ.get("OCP_BINARY", str(ROOT / "build" / "openai-chat-proxy"))


def output(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def bash(words):
    script = f"""
        source {FOLDER}/openai-chat-proxy.bash
        COMP_WORDS=({' '.join(f"'{w}'" for w in words)})
        COMP_CWORD={len(words) - 1}
        _openai_chat_proxy
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return output([need("bash"), "--norc", "-c", script]).split()


def fish(words):
    line = " ".join(words)
    script = f"source {FOLDER}/openai-chat-proxy.fish; complete -C '{line}'"
    said = output([need("fish"), "--no-config", "-c", script])
    return [line.split("\t")[0] for line in said.splitlines()]


def zsh(words):
    """zsh completes in its line editor alone, so it gets a terminal, and a Tab."""
    zsh = need("zsh")
    pid, fd = pty.fork()
    if pid == 0:
        env = {**os.environ, "TERM": "dumb", "PS1": "", "COLUMNS": "200"}
        os.execvpe(zsh, ["zsh", "-f", "-i"], env)
    said = ""

    def until(pattern, wait=10):
        nonlocal said
        deadline = time.monotonic() + wait
        while not re.search(pattern, said):
            if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"zsh did not say {pattern!r}: {said!r}")
            said += os.read(fd, 65536).decode(errors="replace")

    # What Tab would offer is kept instead of shown.
    os.write(fd, f"""
        unsetopt zle_bracketed_paste
        fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -u -D
        compadd() {{
            builtin compadd -A found "$@"
            print -rl -- $found >>$PWD/offered
            builtin compadd "$@"
        }}
        print READY''
    """.encode())
    try:
        until("READY\r?\n")
        os.write(fd, (" ".join(words) + "\t").encode())
        deadline = time.monotonic() + 10
        while not os.path.exists("offered") and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        return open("offered").read().split()
    finally:
        os.close(fd)
        os.waitpid(pid, 0)


SHELLS = pytest.mark.parametrize("shell", [bash, zsh, fish], ids=lambda f: f.__name__)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.ini").write_text("")


@SHELLS
def test_every_flag_is_offered(shell):
    flags = set(re.findall(r"^ +(-[A-Za-z]|--[a-z]+)\b", output([BINARY, "-h"]), re.M))
    assert {"-c", "-t", "--healthcheck"} <= flags
    offered = set(shell(["openai-chat-proxy", "-"])) | set(shell(["openai-chat-proxy", "--"]))
    assert flags <= offered, f"not offered: {flags - offered}"


@SHELLS
def test_a_configuration_is_offered_after_c(shell):
    assert shell(["openai-chat-proxy", "-c", "pro"])[0] == "proxy.ini"
