"""The reference programs of `perf/` come to the same results with every contender, so their times can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perf import databases, records, scale, table
from perf.catalogue import JOBS
from perf.contenders import COMPILED, DRIVER, REFERENCE, Contender
from perf.job import Job, Measurement, finish, measure
from perf.marks import LINEAR, SECONDS, TARGETS, marks_of
from perf.programs.scale import SCALE_JOBS, ScaleJob
from perf.records import Run
from perf.runner import JobResult, Plan
from perf.world import OrmWorld, World

COUNT = 23


@pytest.fixture(scope="module")
def by_hand() -> Iterator[World]:
    world = DRIVER.world("sqlite://")
    yield world
    world.close()


@pytest.fixture(scope="module", params=[COMPILED, REFERENCE], ids=lambda contender: contender.orm_name)
def with_orm(request: pytest.FixtureRequest) -> Iterator[World]:
    contender: Contender = request.param
    world = contender.world("sqlite://")
    yield world
    world.close()


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_an_orm_comes_to_the_result_of_the_bare_driver(job: Job, with_orm: World, by_hand: World) -> None:
    expected = measure(job, by_hand, COUNT)

    measured = measure(job, with_orm, COUNT)

    assert measured.check == expected.check


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.name)
def test_a_program_can_run_again_in_the_same_world(job: Job, with_orm: World) -> None:
    assert measure(job, with_orm, 3).check == measure(job, with_orm, 3).check


@pytest.mark.parametrize("job", SCALE_JOBS.values(), ids=lambda job: job.name)
def test_a_program_for_many_objects_comes_to_the_same_result_on_both_orms(job: ScaleJob) -> None:
    checks = []
    for contender in (COMPILED, REFERENCE):
        world = contender.world("sqlite://")
        assert isinstance(world, OrmWorld)
        world.clean()
        steps = job.program(world, COUNT)
        next(steps)
        next(steps)
        checks.append(finish(steps))
        world.close()
    assert checks[0] == checks[1]


# -- marks ----------------------------------------------------------------------------------------


def insert_result(ours: list[float], reference: list[float], clock: str = "cpu") -> JobResult:
    result = JobResult(JOBS["insert"], 10, clock)  # type: ignore[arg-type]
    for name, values in (("session", ours), ("sqlalchemy.orm", reference)):
        result.measurements[name] = [Measurement(value, wall=2 * value, check=[1]) for value in values]
    return result


def test_marks_name_jobs_that_exist() -> None:
    named = {*LINEAR, *(smaller for smaller, _ in LINEAR.values()), *SECONDS}
    named.update(*(targets for targets in TARGETS.values()))
    assert named - {"lazy_peers"} <= set(JOBS)


def test_a_target_is_missed_when_the_ratio_of_medians_is_past_it_and_broken_only_far_past_it() -> None:
    target = TARGETS["sqlite"]["insert"]
    for share, missed, broken in ((0.9, False, False), (1.2, True, False), (2.0, True, True)):
        result = insert_result([9.0, target * share, 0.0], [1.0])

        compiled, pure = marks_of(result, {"insert": result})

        assert compiled.measured == target * share
        assert (compiled.missed, compiled.broken) == (missed, broken)
        assert not pure.missed


def test_a_limit_goes_from_what_is_known_to_be_reached_where_the_target_is_not() -> None:
    result = insert_result([0.5], [1.0])

    [compiled, _] = marks_of(result, {"insert": result}, known={"session": {"insert": 0.4}})

    assert compiled.missed
    assert not compiled.broken


def test_on_a_server_wall_clock_time_counts() -> None:
    assert insert_result([1.0], [1.0], "wall").median("session") == 2.0


def test_contenders_that_disagree_are_found_out() -> None:
    result = JobResult(JOBS["insert"], count=10)
    result.measurements["session"] = [Measurement(1.0, 1.0, [1])]
    assert result.checks_agree

    result.measurements["by-hand"] = [Measurement(1.0, 1.0, [2])]
    assert not result.checks_agree


# -- databases, files and tables --------------------------------------------------------------------


def test_each_contender_gets_a_file_that_is_gone_afterwards() -> None:
    with databases.databases(databases.IN_FILES) as url_of:
        world = DRIVER.world(url_of("by-hand"))
        world.clean()
        file = Path(world.engine.url.database or "")
        assert file.stat().st_size
        assert url_of("by-hand") != url_of("session")
        world.close()
    assert not file.parent.exists()


def a_run() -> Run:
    run = Run("sqlite", "a SQLite file", "cpu", Plan(0.1, 2), ["session", "sqlalchemy.orm"])
    run.results["insert"] = insert_result([0.01, 0.02], [1.0, 1.0])
    return run


def test_a_run_comes_back_from_its_file(tmp_path: Path) -> None:
    records.save(a_run(), tmp_path / "run.json")

    assert records.read(tmp_path / "run.json") == a_run()


def test_the_table_as_markdown_shows_figures_ratio_and_target() -> None:
    head, _, row = table.as_markdown(a_run()).splitlines()

    assert head == "| job | count | session | sqlalchemy.orm | session / sqlalchemy.orm | target |  |"
    assert row == "| insert | 10 | 0.0150 | 1.0000 | 0.015 | 0.12 | held |"


def test_time_that_grows_faster_than_the_number_of_objects_is_named() -> None:
    linear = [scale.Figure(10, 1.0), scale.Figure(100, 11.0)]
    assert scale.verdict(linear) == ""
    assert scale.verdict([*linear, scale.Figure(1000, 330.0)]) == "time for each object grows 3.0 times to 1,000"
    assert scale.verdict([*linear, scale.Figure(1000, failure="RecursionError")]) == "1,000: RecursionError"
