"""Runs sdk.test.mjs, the official client of the API, against the binary and the sample upstream.

The client is taken from node_modules beside this file, else installed once into build/sdk; without
node or a registry the test is skipped.
"""
import pathlib
import shutil
import subprocess

import pytest

import procs

HERE = pathlib.Path(__file__).resolve().parent
FILES = ["package.json", "package-lock.json", "sdk.test.mjs"]


def installed():
    """The folder to run in, with the client in its node_modules."""
    if not shutil.which("node"):
        pytest.skip("there is no node here")
    if (HERE / "node_modules" / "openai").is_dir():
        return HERE
    folder = procs.ROOT / "build" / "sdk"
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / FILES[1]
    same_lock = lock.exists() and lock.read_bytes() == (HERE / FILES[1]).read_bytes()
    for name in FILES:
        shutil.copy(HERE / name, folder / name)
    if same_lock and (folder / "node_modules" / "openai").is_dir():
        return folder
    if not shutil.which("npm"):
        pytest.skip("there is no npm here")
    try:
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
    except subprocess.TimeoutExpired:
        pytest.skip("npm ci took longer than a minute")
    if done.returncode:
        pytest.skip(f"npm ci did not work: {done.stdout.strip()[-200:]}")
    return folder


def test_the_official_client(proxy, upstream):
    folder = installed()
    keys = {"api_keys": {"front-key": "real-key"},
            "key limited": {"key": "limited-key", "upstream_key": "real-key",
                            "requests_per_minute": "1"},
            "key late": {"key": "expired-key", "upstream_key": "real-key",
                         "expires": "2001-01-01"}}
    p, usage = proxy(upstream, **keys), proxy(upstream, upstream={"include_usage": "yes"}, **keys)
    env = procs.clean_env(OCP_URL=f"http://127.0.0.1:{p.port}/v1", OCP_KEY="front-key",
                          OCP_USAGE_URL=f"http://127.0.0.1:{usage.port}/v1")
    run = subprocess.run(["node", "--test", "sdk.test.mjs"], cwd=folder, env=env, timeout=60,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True)
    assert run.returncode == 0, run.stdout
