"""The reference programs of `perf/` come to the same results with every contender, so their times can be compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perf.catalogue import JOBS
from perf.contenders import COMPILED, DRIVER, REFERENCE, Contender
from perf.job import Job, Measurement, measure
from perf.marks import COMPILED_MARKS, LINEAR_MARKS, marks_of
from perf.runner import JobResult
from perf.world import World

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


def test_marks_name_jobs_that_exist() -> None:
    assert {*COMPILED_MARKS, *LINEAR_MARKS, *(smaller for smaller, _ in LINEAR_MARKS.values())} <= set(JOBS)


def test_a_mark_is_missed_when_the_ratio_of_medians_is_past_it() -> None:
    result = JobResult(JOBS["insert"], count=10)
    result.measurements["session"] = [Measurement(value, value, [1]) for value in (0.9, 0.4, 0.3)]
    result.measurements["sqlalchemy.orm"] = [Measurement(1.0, 1.0, [1])]

    compiled, pure = marks_of(result, {"insert": result})

    assert compiled.measured == 0.4
    assert compiled.missed
    assert not pure.missed


def test_contenders_that_disagree_are_found_out() -> None:
    result = JobResult(JOBS["insert"], count=10)
    result.measurements["session"] = [Measurement(1.0, 1.0, [1])]
    assert result.checks_agree

    result.measurements["by-hand"] = [Measurement(1.0, 1.0, [2])]
    assert not result.checks_agree
