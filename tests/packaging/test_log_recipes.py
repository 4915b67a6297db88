"""The commands of docs/fronts.md that read the log, on a log of the program's own."""
import json
import re
import subprocess

import pytest

from conftest import blocks, need
from httpraw import STREAM, post

RECIPES = blocks("fronts.md", "sh")


@pytest.fixture(scope="module")
def log(shared_proxy, upstream, tmp_path_factory):
    """A folder with proxy.log: three requests of key1, one of key2 and one that was cut."""
    p = shared_proxy(upstream, log={"format": "json"},
                     api_keys={"one": "sk-real-one", "two": "sk-real-two"})
    for key, query in (("one", "events=1"), ("one", "events=2"), ("two", "events=3"),
                       ("one", "events=5&cut=2")):
        p.ask(post(STREAM, f"Authorization: Bearer {key}", query=query))
    p.ask(post(STREAM, "Authorization: Bearer wrong"))
    p.wait_log('"status":401')
    folder = tmp_path_factory.mktemp("log")
    (folder / "proxy.log").write_text(p.log())
    return folder


def run(folder, command, tool):
    need(tool)
    need("jq")
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True,
                          timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def recipe(word):
    (found,) = [r for r in RECIPES if word in r]
    return found


def test_what_each_key_has_cost(log):
    rows = [row.split("\t") for row in run(log, recipe("group_by"), "jq").splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows] == [("", "1", "0"), ("key1", "3", "1"),
                                                          ("key2", "1", "0")]
    assert all(int(row[2]) > 100 for row in rows)


def test_how_long_the_first_byte_took(log):
    found = json.loads(run(log, recipe("p99"), "jq"))
    assert 0 <= found["p50"] <= found["p99"] < 5000


def test_requests_that_did_not_end_well(log):
    command = recipe("tail -F").replace("tail -F", "cat")
    (line,) = run(log, command, "jq").splitlines()
    assert json.loads(line)["end"] == "upstream_lost"


def test_goaccess(log):
    need("goaccess")
    run(log, recipe("goaccess").rstrip() + " -o report.json --no-global-config\n", "goaccess")
    report = json.loads((log / "report.json").read_text())
    assert report["general"]["valid_requests"] == 5
    assert report["general"]["failed_requests"] == 0
    assert report["requests"]["data"][0]["data"] == "/v1/chat/completions"
    assert {s["data"][:3] for s in report["status_codes"]["data"]} == {"2xx", "4xx"}


def test_lnav(log, tmp_path):
    lnav = need("lnav")
    (tmp_path / "formats/installed").mkdir(parents=True)
    (tmp_path / "formats/installed/ours.json").write_text(blocks("fronts.md", "json")[0])
    query = re.search(r"'(;SELECT.*)'", recipe("lnav proxy.log"))[1]
    done = subprocess.run([lnav, "-I", tmp_path, "-n", "-c", query, "-c", ":write-csv-to -",
                           "proxy.log"], cwd=log, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = dict(line.split(",")[:2] for line in done.stdout.splitlines() if line.count(",") == 2)
    assert rows.get("key1") == "3" and rows.get("key2") == "1", done.stdout + done.stderr
