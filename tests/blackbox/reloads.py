"""A proxy whose file is changed and read again."""
import re
import signal

import pytest


class Reloading:
    """A proxy whose file can be changed and reloaded."""

    def __init__(self, proxy, base, env=None, **sections):
        self.proxy = proxy(base, env=env, **sections)
        self.base = base if isinstance(base, str) else base.url
        self.sections, self.count = sections, 0

    def __getattr__(self, name):
        return getattr(self.proxy, name)

    def reload(self, base=None, text=None, expect="done", **sections):
        """Writes the file again with the given sections replaced, and waits for the log to tell the
        outcome."""
        self.sections = {**self.sections, **sections}
        self.base = base or self.base
        self.proxy.write_ini(self.base, self.sections)
        if text is not None:
            self.ini.write_text(text)
        self.count += 1
        before = len(re.findall(r"reload: (?:done|nothing was changed)", self.log()))
        self.signal(signal.SIGHUP)
        self.wait_log(r"(?:reload: (?:done|nothing was changed)(?:.|\n)*){%d}" % (before + 1))
        assert re.findall(r"reload: (done|nothing was changed)",
                          self.log())[-1] == expect, self.log()


@pytest.fixture
def reloading(proxy):
    return lambda base, **sections: Reloading(proxy, base, **sections)
