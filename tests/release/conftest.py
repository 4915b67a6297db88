"""The fixtures are those of tests/blackbox."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "blackbox"))
pytest_plugins = ["shared_fixtures", "tlspeers"]


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: watches memory or time, so nothing runs beside it")
