"""The targets: how large a share of `sqlalchemy.orm`'s time each job may take, and how far past that a gate lets go.

In: the results of a run. Out: for each job, the marks with what was measured. Next on the way: `table.py` shows them,
`check.py` and `python -m perf.table --gate` fail past their limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perf.contenders import COMPILED, PURE, REFERENCE
from perf.runner import JobResult, Results

Ratios = Mapping[str, float]

TARGETS: Mapping[str, Ratios] = {
    "sqlite": {
        "insert": 0.12,
        "insert_children": 0.10,
        "update": 0.15,
        "cascade_delete": 0.12,
        "merge": 0.25,
        "rollback": 0.25,
        "load": 0.22,
        "load_again": 0.15,
        "selectin": 0.20,
        "joined": 0.20,
        "lazy": 0.12,
        "lazy_peers": 0.03,
        "reload": 0.25,
        "memory": 0.55,
        "get_miss": 0.12,
        "get_hit": 0.05,
        "select_fresh": 0.40,
        "select_prebuilt": 0.20,
        "refresh": 0.15,
        "construct": 0.10,
        "attribute_get": 0.20,
        "attribute_set": 0.10,
        "tree_20000": 0.12,
        "sort_random": 0.20,
    },
    "postgresql": {"insert": 0.15, "load": 0.22, "get_miss": 0.40, "update": 0.18},
}
"""Database -> job -> the ratio of compiled `session` to `sqlalchemy.orm`: of CPU time, on a server of the wall's."""

SECONDS = {"sort_chain": 0.1}
"""Job -> seconds of compiled `session`, where the time of `sqlalchemy.orm` is no measure."""

PURE_TARGET = 1.0
"""The ratio of pure `session` to `sqlalchemy.orm`, in every job."""

LINEAR = {"chain_20000": ("chain_2000", 15.0)}
"""Job -> a job of a tenth of its size, and the ratio of the two within one contender."""

WIDE = 1.5
PURE_WIDE = 1.25
"""A noisy machine may show a ratio this many times the target without a gate failing."""


@dataclass(frozen=True)
class Mark:
    """One target and what was measured for it.

    Parameters:
        what: whose mark it is, and against what.
        target: what is aimed at.
        limit: what a gate lets pass.
        measured: None when a side has no figures.
    """

    what: str
    target: float
    limit: float
    measured: float | None

    @property
    def missed(self) -> bool:
        """Whether the measured value is past the target."""
        return self.measured is not None and self.measured > self.target

    @property
    def broken(self) -> bool:
        """Whether it is past the limit too."""
        return self.measured is not None and self.measured > self.limit


def marks_of(
    result: JobResult, results: Results, database: str = "sqlite", known: Mapping[str, Ratios] | None = None
) -> list[Mark]:
    """The marks that were set for this job.

    Parameters:
        result: the job's.
        results: those of all jobs of the run.
        database: name of the kind of database, a key of `TARGETS`.
        known: contender -> job -> the ratio that is known; where it is past the target, the limit goes from there.
    """
    name = result.job.name
    known_of = {who: (known or {}).get(who, {}).get(name, 0.0) for who in (COMPILED.name, PURE.name)}
    marks = []
    target = TARGETS.get(database, {}).get(name)
    if target is not None:
        limit = max(target, known_of[COMPILED.name]) * WIDE
        marks.append(Mark(COMPILED.name, target, limit, result.ratio(COMPILED.name, REFERENCE.name)))
    if name in SECONDS:
        marks.append(Mark(f"{COMPILED.name}, s", SECONDS[name], SECONDS[name] * WIDE, result.median(COMPILED.name)))
    pure = result.ratio(PURE.name, REFERENCE.name)
    marks.append(Mark(PURE.name, PURE_TARGET, max(PURE_TARGET, known_of[PURE.name]) * PURE_WIDE, pure))
    if name in LINEAR:
        smaller, target = LINEAR[name]
        for contender in (COMPILED.name, PURE.name):
            measured = _growth(result, results.get(smaller), contender)
            marks.append(Mark(f"{contender} / {smaller}", target, target * WIDE, measured))
    return marks


def _growth(result: JobResult, smaller: JobResult | None, contender: str) -> float | None:
    if smaller is None:
        return None
    large, small = result.median(contender), smaller.median(contender)
    return large / small if large is not None and small else None
