"""What `make bench` says of goals, and where it writes."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "gateway"))
import render  # noqa: E402

MEMORY = render.Goal("memory", "KiB", 1.0)
TWO = render.Goal("two workers", "times", 1.9)


def result(ours, haproxy, relay, goals=(1.0, None, 1.1), name="row"):
    figures = {"this proxy": ours, "HAProxy": haproxy, "relay": relay}
    return render.Result(name, "µs", goals, {n: sorted(f)[len(f) // 2] for n, f in figures.items()},
                         figures, {})


def test_the_ratio_is_that_within_a_round():
    """The machine was slow in the second one."""
    r = result([10, 30, 11], [10, 30, 10], [10, 30, 10])
    assert render.ratio(r, "relay") == 1.0 and render.ratio(r, "nginx") is None
    assert "1.00 (goal 1.10)" in render.line(r) and "nginx" not in render.line(r)


def test_a_goal_may_be_missed_by_five_percent():
    assert render.missed([result([104] * 3, [100] * 3, [100] * 3)], {}, MEMORY, TWO) == []
    bad = render.missed([result([117] * 3, [100] * 3, [100] * 3)], {}, MEMORY, TWO)
    assert bad == ["row: 1.17 x HAProxy, goal 1.00", "row: 1.17 x relay, goal 1.10"]


def test_memory_and_workers_have_goals():
    held = render.Result("memory", "KiB", (), {"this proxy": 1.2}, {}, {})
    workers = {1: {"cost": 10, "rate": 1, "share": 1}, 2: {"cost": 10, "rate": 2, "share": 0.7}}
    assert len(render.missed([held], workers, MEMORY, TWO)) == 2
    workers[2]["share"] = 0.5
    held.medians["this proxy"] = 1.0
    assert render.missed([held], workers, MEMORY, TWO) == []


def test_a_folder_without_a_page_gets_one(tmp_path):
    out = tmp_path / "new" / "folder"
    render.check(out)
    render.write(out, [result([1] * 3, [2] * 3, [1] * 3)], {}, MEMORY, ["- Here."])
    page = (out / "performance.md").read_text()
    assert "| row | µs |" in page and "0.50 (goal 1.00)" in page
    assert (out / "performance.svg").read_text().startswith("<svg")
    render.check(out)
    (out / "performance.md").write_text("# Something else\n")
    with pytest.raises(SystemExit, match="no marks"):
        render.check(out)
