"""The marks to hold: how large a share of another time a job may take. `python -m perf.table --gate` fails past them.

In: the results of a run. Out: for each job, the marks with what was measured. Next on the way: `table.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from perf.contenders import COMPILED, PURE, REFERENCE
from perf.runner import JobResult, Results

COMPILED_MARKS = {
    "insert": 0.35,
    "load": 0.40,
    "load_again": 0.30,
    "get_miss": 0.35,
    "get_hit": 0.10,
    "attribute_get": 0.30,
    "attribute_set": 0.20,
    "construct": 0.20,
    "update": 0.40,
    "cascade_delete": 0.45,
    "chain_2000": 0.10,
    "memory": 0.75,
}
"""Job -> the largest ratio of compiled `session` to `sqlalchemy.orm`."""

PURE_MARK = 1.25
"""The largest ratio of pure `session` to `sqlalchemy.orm`, in every job."""

LINEAR_MARKS = {"chain_20000": ("chain_2000", 15.0)}
"""Job -> a job of a tenth of its size, and the largest ratio of the two within one contender."""


@dataclass(frozen=True)
class Mark:
    """One mark and what was measured for it; `measured` is None when a side has no figures."""

    what: str
    at_most: float
    measured: float | None

    @property
    def missed(self) -> bool:
        """Whether the measured ratio is past the mark."""
        return self.measured is not None and self.measured > self.at_most


def marks_of(result: JobResult, results: Results) -> list[Mark]:
    """The marks that were set for this job."""
    name = result.job.name
    marks = []
    if name in COMPILED_MARKS:
        measured = result.ratio(COMPILED.name, REFERENCE.name)
        marks.append(Mark(COMPILED.name, COMPILED_MARKS[name], measured))
    marks.append(Mark(PURE.name, PURE_MARK, result.ratio(PURE.name, REFERENCE.name)))
    if name in LINEAR_MARKS:
        smaller, at_most = LINEAR_MARKS[name]
        for contender in (COMPILED.name, PURE.name):
            measured = _growth(result, results.get(smaller), contender)
            marks.append(Mark(f"{contender} / {smaller}", at_most, measured))
    return marks


def _growth(result: JobResult, smaller: JobResult | None, contender: str) -> float | None:
    if smaller is None:
        return None
    large, small = result.median(contender), smaller.median(contender)
    return large / small if large is not None and small else None
