"""Runs the jobs: for each job, for each repeat, every contender in turn, so that noise falls on all alike.

In: names of jobs and contenders, a `Plan`, databases. Out: `JobResult`s. Next on the way: `marks.py` judges them,
`table.py` shows them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from perf.catalogue import JOBS
from perf.contenders import CONTENDERS
from perf.databases import UrlOf
from perf.job import Job, Measurement
from perf.worker import WorkerError, WorkerProcess

WARM_UP = 20
"""Things that an unmeasured first run of each job works on, to fill caches."""

Clock = Literal["cpu", "wall"]

Failures = dict[str, str]
Progress = Callable[[str, str], None]
Workers = dict[str, WorkerProcess]


@dataclass(frozen=True)
class Plan:
    """How jobs are measured.

    Parameters:
        scale: share of the full size of each job.
        repeat: measured runs of each contender.
        warm_up: runs at that size before them, for an interpreter that compiles while it runs.
    """

    scale: float = 1.0
    repeat: int = 5
    warm_up: int = 0


@dataclass
class JobResult:
    """All measurements of one job.

    `clock` says which time counts. `failures` says why a contender has no figures. `checks_agree` is false when
    contenders came to different results, in which case their times mean nothing.
    """

    job: Job
    count: int
    clock: Clock = "cpu"
    measurements: dict[str, list[Measurement]] = field(default_factory=dict)
    failures: Failures = field(default_factory=dict)

    def median(self, contender: str) -> float | None:
        """Median of a contender's values, in the unit of the job's meter; None when there are none."""
        values = self._values(contender)
        return statistics.median(values) if values else None

    def ratio(self, contender: str, against: str) -> float | None:
        """A contender's median divided by another's."""
        one, other = self.median(contender), self.median(against)
        return one / other if one is not None and other else None

    def at_best(self) -> JobResult:
        """The same with only the smallest measurement of each contender, which noise has changed least."""
        best = {who: [min(runs, key=self._value)] for who, runs in self.measurements.items()}
        return replace(self, measurements=best)

    @property
    def checks_agree(self) -> bool:
        """Whether every run of every contender came to the same result."""
        checks = [one.check for each in self.measurements.values() for one in each]
        return all(check == checks[0] for check in checks)

    def _values(self, contender: str) -> list[float]:
        values = map(self._value, self.measurements.get(contender, ()))
        return [value for value in values if not math.isnan(value)]

    def _value(self, measurement: Measurement) -> float:
        return measurement.wall if self.clock == "wall" and self.job.meter == "seconds" else measurement.value


Results = Mapping[str, JobResult]


@contextmanager
def started(contenders: Sequence[str], url_of: UrlOf) -> Iterator[tuple[Workers, Failures]]:
    """The workers that could be started, and why the others could not."""
    workers: Workers = {}
    failures: Failures = {}
    for name in contenders:
        try:
            workers[name] = WorkerProcess(CONTENDERS[name], url_of(name))
        except WorkerError as error:
            failures[name] = str(error)
    try:
        yield workers, failures
    finally:
        for worker in workers.values():
            worker.close()


def run(
    jobs: Iterable[str], workers: Workers, plan: Plan, *, clock: Clock = "cpu", progress: Progress = lambda *_: None
) -> dict[str, JobResult]:
    """Run `jobs` as planned in each of `workers`; `progress(job, contender)` is called after each run."""
    results: dict[str, JobResult] = {}
    for name in jobs:
        job = JOBS[name]
        result = results[name] = JobResult(job, job.scaled(plan.scale), clock)
        first = -1 - plan.warm_up
        for turn in range(first, plan.repeat):
            count = min(WARM_UP, result.count) if turn == first else result.count
            for contender, worker in _in_turn(workers, turn):
                measured = _run_once(result, contender, worker, count)
                if measured is not None and turn >= 0:
                    result.measurements.setdefault(contender, []).append(measured)
                progress(name, contender)
    return results


def _in_turn(workers: Workers, turn: int) -> list[tuple[str, WorkerProcess]]:
    """All workers, each repeat beginning with another one."""
    items = list(workers.items())
    first = turn % len(items) if items else 0
    return items[first:] + items[:first]


def _run_once(result: JobResult, contender: str, worker: WorkerProcess, count: int) -> Measurement | None:
    """One run, or None if there cannot be one; `failures` then has the reason."""
    at_most = result.job.at_most.get(contender, result.count)
    if contender in result.failures:
        return None
    if result.count > at_most:
        result.failures[contender] = f"takes too long with more than {at_most:,}"
        return None
    try:
        return worker.run(result.job.name, count)
    except WorkerError as error:
        result.failures[contender] = str(error)
        return None
