"""The gate of `perf.check` lets pass what is as fast as the baseline, and fails for what is slower."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import session
from perf import baseline as baselines
from perf import check
from perf.baseline import Baseline
from perf.contenders import COMPILED
from perf.instructions import COUNTED, ROOT, CannotCount, Count, count, environment
from perf.job import Measurement
from perf.runner import JobResult

JOB = "get_hit"

can_count = pytest.mark.skipif(
    session.implementation() != "compiled" or not shutil.which("valgrind"),
    reason="counts instructions of the compiled modules with valgrind",
)


def a_baseline(**counts: Count) -> Baseline:
    reference = {job: replace(one, each=one.each * 10) for job, one in counts.items()}
    return Baseline(environment(), {"session": counts, "sqlalchemy.orm": reference}, {})


def a_console() -> Console:
    return Console(file=io.StringIO(), width=120)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# -- comparing --------------------------------------------------------------------------------------


def test_a_count_may_grow_by_the_margin_and_the_spread_that_was_seen() -> None:
    baseline = a_baseline(load=Count(1000, 100.0, spread=0.01))

    def slower(small: float, each: float) -> list[bool]:
        return [change.slower for change in baselines.compare(baseline, {"load": Count(small, each)})]

    assert slower(1035, 103.5) == [False, False]
    assert slower(1045, 100.0) == [True, False]
    assert slower(1000, 104.5) == [False, True]


def test_what_became_faster_is_no_failure_but_asks_for_a_new_baseline() -> None:
    small, each = baselines.compare(a_baseline(load=Count(1000, 100.0)), {"load": Count(900, 50.0)})
    assert (small.slower, small.faster, each.slower, each.faster) == (False, True, False, True)


def test_a_job_that_the_baseline_does_not_have_is_no_failure() -> None:
    changes = baselines.compare(a_baseline(), {"load": Count(1000, 100.0)})
    assert [(change.before, change.slower, change.faster) for change in changes] == [(None, False, False)] * 2


def test_elsewhere_the_ratio_to_the_reference_counts_with_a_wider_margin() -> None:
    baseline = a_baseline(load=Count(1000, 100.0))

    def slower(ours: float, reference: float) -> bool:
        now, then = {"load": Count(9, ours)}, {"load": Count(9, reference)}
        [change] = baselines.compare_ratios(baseline, now, then)
        return change.slower

    assert not slower(200.0, 2000.0)
    assert not slower(110.0, 1000.0)
    assert slower(120.0, 1000.0)


def test_a_baseline_comes_back_from_its_file_and_knows_where_it_was_made(tmp_path: Path) -> None:
    baseline = a_baseline(load=Count(1000, 100.0, 0.01))
    path = baselines.path_of(tmp_path / "baselines")

    assert baselines.read(path) is None
    baselines.save(baseline, path)

    assert baselines.read(path) == baseline
    here = environment()
    assert baseline.differs(here) == {}
    assert baseline.differs({**here, "sqlite": "9.9"}) == {"sqlite": (here["sqlite"], "9.9")}


def test_without_a_baseline_it_says_that_nothing_was_compared() -> None:
    console = a_console()
    assert check.counts_hold(console, None, [JOB])
    assert "NOT COMPARED" in said(console)
    assert check.HOW_TO_RENEW in said(console)


@pytest.mark.parametrize(("ours", "holds"), [(0.2, True), (0.7, False)])
def test_times_fail_far_past_the_target_and_are_measured_again_before(
    ours: float, holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[list[str]] = []

    def time(jobs: list[str], plan: object) -> dict[str, JobResult]:
        measured.append(list(jobs))
        result = JobResult(check.JOBS["load"], 10)
        for name, value in (("session", ours), ("pure", ours), ("sqlalchemy.orm", 1.0)):
            result.measurements[name] = [Measurement(value, value, [1])]
        return {"load": result}

    monkeypatch.setattr(check, "_time", time)

    assert check.times_hold(a_console(), None, ["load"]) is holds
    assert measured == [["load"]] * (1 if holds else 2)


def test_each_baseline_that_is_committed_counts_jobs_that_exist() -> None:
    for path in baselines.FOLDER.glob("*.json"):
        known = baselines.read(path)
        assert known is not None
        assert set(known.counts["session"]) == set(known.counts["sqlalchemy.orm"]) <= {*COUNTED}


# -- counting -----------------------------------------------------------------------------------------


@can_count
def test_counting_again_comes_to_the_same_and_a_slowdown_is_seen(tmp_path: Path) -> None:
    """The slowdown is one more call around `Session.get`, put into a copy of the package."""
    for part in ("session", "perf", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    known = a_baseline(**count(COMPILED, [JOB], root=tmp_path))

    assert not any(change.slower for change in baselines.compare(known, count(COMPILED, [JOB], root=tmp_path)))

    with (tmp_path / "session" / "sessions.py").open("a") as file:
        file.write(SLOWDOWN)
    assert all(change.slower for change in baselines.compare(known, count(COMPILED, [JOB], root=tmp_path)))


@pytest.mark.parametrize(("share", "holds"), [(1.0, True), (0.98, True), (0.9, False)])
def test_a_doctored_baseline_fails_what_did_not_change(
    share: float, holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {JOB: Count(1000, 100.0)}
    monkeypatch.setattr(check, "count", lambda *_, **__: measured)
    known = a_baseline(**{JOB: Count(1000 * share, 100.0 * share)})
    console = a_console()

    assert check.counts_hold(console, known, [JOB]) is holds
    assert ("SLOWER" in said(console)) is not holds


SLOWDOWN = """

def _slower(get):
    def slower_get(self, entity, key):
        return get(self, entity, key)

    return slower_get


Session.get = _slower(Session.get)
"""


@can_count
def test_a_program_that_fails_is_named() -> None:
    with pytest.raises(CannotCount, match="no_such_job"):
        count(COMPILED, ["no_such_job"])
