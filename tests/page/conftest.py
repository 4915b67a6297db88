"""The page at /status in a browser, which OCP_PICTURES may name a folder for, to look at what it
draws."""
import os
import pathlib
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/blackbox"))
pytest_plugins = ["shared_fixtures", "streams"]


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: watches memory or time, so nothing runs beside it")


@pytest.fixture
def browser():
    """browser(lang) starts a browser whose user speaks that."""
    from browser import Browser, program
    if not program():
        pytest.skip("there is no Chromium here")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        things = []

        def start(lang="en-US"):
            things.append(Browser(f"{folder}/{len(things)}", lang))
            return things[-1]
        yield start
        for b in things:
            b.stop()


@pytest.fixture
def pictures(tmp_path):
    folder = pathlib.Path(os.environ.get("OCP_PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
