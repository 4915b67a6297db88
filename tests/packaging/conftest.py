"""Tests of what surrounds the program: completions, scripts of packages, programs in front of it.
The proxy and its upstream are started by the fixtures of tests/blackbox."""
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"

# Behind this folder, whose conftest is meant by `import conftest`.
sys.path.append(str(ROOT / "tests/blackbox"))
pytest_plugins = ["shared_fixtures", "router"]


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: watches memory or time, so nothing runs beside it")


def need(tool):
    """The path of a tool, in the folders of the system's programs too; the test is skipped where it
    is not installed."""
    path = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"{tool} is not installed")
    return path


def blocks(page, language):
    """The blocks of code in a page of docs/ that are marked with the language, in order."""
    parts = (ROOT / "docs" / page).read_text().split("\n```")
    return [p.partition("\n")[2] + "\n" for p in parts[1::2] if p.partition("\n")[0] == language]
