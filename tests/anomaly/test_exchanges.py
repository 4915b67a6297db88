"""Whatever call fails within an exchange, its client gets the right response or an honest error,
and the process goes on as if nothing had been."""
import time

import pytest

from exchanges import KINDS
from faults import Page
from series import WAYS, Series, all_faults, some_of

PART = 25           # of the faults of a kind, where not all are tried


@pytest.fixture
def kind(request, tmp_path):
    k = request.param(tmp_path, Page(tmp_path))
    k.start()
    yield k
    k.stop()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", KINDS, indirect=True, ids=[k.name for k in KINDS])
def test_an_exchange_survives(kind, how):
    series = Series(kind, how)
    faults = all_faults(how, series.warm_up())
    chosen = some_of(faults, PART)
    rss, begun = kind.process.rss(), time.monotonic()
    series.run(chosen)
    grown = kind.process.rss() - rss
    print(f"\n{kind.name}, {how}: {len(faults)} faults, {len(chosen)} tried, {series.hit} hit: "
          f"{series.endings}; slowest {kind.slowest:.2f} s, {time.monotonic() - begun:.1f} s in "
          f"all, {grown // 1024} KiB more")
    assert not series.complaints, "\n".join(series.complaints)
    assert series.hit
    assert grown < 4 << 20
    cpu = kind.process.cpu()
    time.sleep(0.2)
    assert kind.process.cpu() - cpu < 0.05, "it spins"
    assert not kind.asked_twice()
