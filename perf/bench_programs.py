"""The programs under pytest-benchmark: `pytest perf/bench_programs.py`, grouped by job.

One process holds all three contenders here, so `session` is what `SESSION_PURE_PYTHON` makes of it; the table of
`perf.table` is where compiled and pure stand side by side. `PERF_SCALE` and `PERF_ROUNDS` set size and number of runs,
`PERF_DB` the database, as `--db` does for the table. On a server the time of the wall counts, else that of the CPU.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from perf.catalogue import JOBS
from perf.contenders import COMPILED, CONTENDERS, DRIVER, REFERENCE
from perf.databases import IN_FILES, UrlOf, databases
from perf.job import Job, Steps, finish
from perf.world import World

SCALE = float(os.environ.get("PERF_SCALE", "0.1"))
ROUNDS = int(os.environ.get("PERF_ROUNDS", "3"))
DATABASE = os.environ.get("PERF_DB", IN_FILES)
TIMED = [job for job in JOBS.values() if job.meter == "seconds"]


@pytest.fixture(scope="module")
def url_of() -> Iterator[UrlOf]:
    with databases(DATABASE) as url_of:
        yield url_of


@pytest.fixture(scope="module", params=[COMPILED.name, REFERENCE.name, DRIVER.name])
def world(request: pytest.FixtureRequest, url_of: UrlOf) -> Iterator[World]:
    """The world of one contender."""
    world = CONTENDERS[request.param].world(url_of(request.param))
    yield world
    world.close()


@pytest.mark.parametrize("job", TIMED, ids=lambda job: job.name)
@pytest.mark.benchmark(timer=time.process_time if DATABASE.startswith("sqlite") else time.perf_counter)
def test_program(benchmark: BenchmarkFixture, world: World, job: Job, request: pytest.FixtureRequest) -> None:
    contender = request.node.callspec.params["world"]
    count = job.scaled(SCALE)
    if count > job.at_most.get(contender, count):
        pytest.skip(f"{contender} needs minutes for {count:,}")
    benchmark.group = job.title

    def set_up() -> tuple[tuple[Steps], dict[str, object]]:
        world.clean()
        steps = job.steps(world, count)
        next(steps)
        gc.collect()
        return (steps,), {}

    pedantic: Callable[..., None] = benchmark.pedantic
    pedantic(next, setup=set_up, teardown=finish, rounds=ROUNDS, warmup_rounds=1)
