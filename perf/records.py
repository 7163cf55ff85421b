"""Results in a file, and back.

In: a `Run`. Out: JSON. Next on the way: `table.py` shows a run, `readme.py` and `plots.py` take the committed ones.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from perf import environment
from perf.catalogue import JOBS
from perf.job import Measurement
from perf.runner import Clock, Failures, JobResult, Plan


@dataclass
class Run:
    """All that one run of the table came to.

    Parameters:
        database: `"sqlite"` or another kind of database.
        place: where it was, in words.
        clock: which time counts.
        plan: how it was measured.
        contenders: names of those who took part, in the order of the columns.
        environment: what the figures depend on besides the code.
        failures: contender -> why it did not start.
        results: job -> its result.
    """

    database: str
    place: str
    clock: Clock
    plan: Plan
    contenders: list[str]
    environment: dict[str, str] = field(default_factory=environment.here)
    failures: Failures = field(default_factory=dict)
    results: dict[str, JobResult] = field(default_factory=dict)


def save(run: Run, path: Path) -> None:
    """Write a run to a file."""
    plain = {**vars(run), "plan": asdict(run.plan), "results": {name: _plain(one) for name, one in run.results.items()}}
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Run:
    """A run from a file; jobs that are no more are left out."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    clock = plain["clock"]
    results = {name: _result(name, one, clock) for name, one in plain["results"].items() if name in JOBS}
    return Run(**{**plain, "plan": Plan(**plain["plan"]), "results": results})


def _plain(result: JobResult) -> dict[str, object]:
    return {
        "count": result.count,
        "unit": result.job.meter,
        "failures": result.failures,
        "measurements": {who: [asdict(one) for one in runs] for who, runs in result.measurements.items()},
    }


def _result(name: str, plain: dict[str, object], clock: Clock) -> JobResult:
    measurements = {who: [Measurement(**one) for one in runs] for who, runs in plain["measurements"].items()}  # type: ignore[attr-defined]
    return JobResult(JOBS[name], plain["count"], clock, measurements, plain["failures"])  # type: ignore[arg-type]
