"""The fixtures are those of tests/blackbox."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "blackbox"))
pytest_plugins = ["shared_fixtures", "tlspeers"]
