"""Runs the jobs: for each job, for each repeat, every contender in turn, so that noise falls on all alike.

In: names of jobs and contenders, a scale, a number of repeats, a database URL. Out: `JobResult`s. Next on the
way: `marks.py` judges them, `table.py` shows them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from perf.catalogue import JOBS
from perf.contenders import CONTENDERS
from perf.job import Job, Measurement
from perf.worker import WorkerError, WorkerProcess

WARM_UP = 20
"""Things that an unmeasured first run of each job works on, to fill caches."""

Failures = dict[str, str]
Progress = Callable[[str, str], None]
Workers = dict[str, WorkerProcess]


@dataclass
class JobResult:
    """All measurements of one job.

    `failures` says why a contender has no figures. `checks_agree` is false when contenders came to different
    results, in which case their times mean nothing.
    """

    job: Job
    count: int
    measurements: dict[str, list[Measurement]] = field(default_factory=dict)
    failures: Failures = field(default_factory=dict)

    def median(self, contender: str) -> float | None:
        """Median of a contender's values, in the unit of the job's meter."""
        measurements = self.measurements.get(contender)
        return statistics.median(one.value for one in measurements) if measurements else None

    def ratio(self, contender: str, against: str) -> float | None:
        """A contender's median divided by another's."""
        one, other = self.median(contender), self.median(against)
        return one / other if one is not None and other else None

    @property
    def checks_agree(self) -> bool:
        """Whether every run of every contender came to the same result."""
        checks = [one.check for each in self.measurements.values() for one in each]
        return all(check == checks[0] for check in checks)


Results = Mapping[str, JobResult]


@contextmanager
def started(contenders: Sequence[str], url: str) -> Iterator[tuple[Workers, Failures]]:
    """The workers that could be started, and why the others could not."""
    workers: Workers = {}
    failures: Failures = {}
    for name in contenders:
        try:
            workers[name] = WorkerProcess(CONTENDERS[name], url)
        except WorkerError as error:
            failures[name] = str(error)
    try:
        yield workers, failures
    finally:
        for worker in workers.values():
            worker.close()


def run(
    jobs: Iterable[str], workers: Workers, *, scale: float, repeat: int, progress: Progress
) -> dict[str, JobResult]:
    """Run `jobs` `repeat` times in each of `workers`; `progress(job, contender)` is called after each run."""
    results: dict[str, JobResult] = {}
    for name in jobs:
        job = JOBS[name]
        result = results[name] = JobResult(job, job.scaled(scale))
        for turn in range(-1, repeat):
            for contender, worker in _in_turn(workers, turn):
                _run_once(result, contender, worker, warm_up=turn < 0)
                progress(name, contender)
    return results


def _in_turn(workers: Workers, turn: int) -> list[tuple[str, WorkerProcess]]:
    """All workers, each repeat beginning with another one."""
    items = list(workers.items())
    first = turn % len(items) if items else 0
    return items[first:] + items[:first]


def _run_once(result: JobResult, contender: str, worker: WorkerProcess, *, warm_up: bool) -> None:
    job = result.job
    if contender in result.failures:
        return
    if result.count > job.at_most.get(contender, result.count):
        result.failures[contender] = f"takes too long with more than {job.at_most[contender]:,}"
        return
    try:
        measured = worker.run(job.name, min(WARM_UP, result.count) if warm_up else result.count)
    except WorkerError as error:
        result.failures[contender] = str(error)
        return
    if not warm_up:
        result.measurements.setdefault(contender, []).append(measured)
