"""The baseline: what a Python's instruction counts and ratios were when somebody last looked, in `baselines/`.

In: counts, ratios, the environment. Out: a file; and later, for each job, what has changed. Next on the way:
`check.py`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from perf.contenders import COMPILED, REFERENCE
from perf.instructions import Count
from perf.marks import Ratios

FOLDER = Path(__file__).with_name("baselines")

MARGIN = 0.03
"""Share by which a count may grow in the environment of the baseline, beside the spread that was seen there."""

ELSEWHERE = 0.15
"""Share by which the ratio of counts, `session` to `sqlalchemy.orm`, may grow in another environment."""

Counts = Mapping[str, Count]


@dataclass(frozen=True)
class Baseline:
    """What is in the file.

    Parameters:
        environment: where it was measured, as `perf.instructions.environment` says.
        counts: contender -> job -> count; compiled `session` and `sqlalchemy.orm`.
        ratios: contender -> job -> ratio of CPU time to `sqlalchemy.orm`, at the scale of the gate.
    """

    environment: Mapping[str, str]
    counts: Mapping[str, Counts]
    ratios: Mapping[str, Ratios]

    def differs(self, environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """What is another in `environment`: name -> (value of the baseline, value there)."""
        names = {*self.environment, *environment}
        pairs = {name: (self.environment.get(name, ""), environment.get(name, "")) for name in sorted(names)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Change:
    """One figure of one job, then and now.

    Parameters:
        job: its name.
        what: `"small run"` or `"each more"`.
        before: the baseline's, or None when the job is new.
        now: instructions, or the ratio of counts.
        margin: the share by which it may grow.
    """

    job: str
    what: str
    before: float | None
    now: float
    margin: float

    @property
    def growth(self) -> float:
        """Share by which it has grown; below 0, it is faster."""
        return self.now / self.before - 1 if self.before else 0.0

    @property
    def slower(self) -> bool:
        """Whether it has grown past its margin."""
        return self.growth > self.margin

    @property
    def faster(self) -> bool:
        """Whether it has shrunk by more than its margin, so that the baseline says too little."""
        return self.growth < -self.margin


def path_of(folder: Path = FOLDER) -> Path:
    """The file for this Python."""
    major, minor, _ = platform.python_version_tuple()
    return folder / f"{platform.python_implementation().lower()}-{major}.{minor}.json"


def read(path: Path) -> Baseline | None:
    """The baseline in a file; None when there is no such file."""
    if not path.exists():
        return None
    plain = json.loads(path.read_text(encoding="utf-8"))
    counts = {who: {job: Count(**one) for job, one in jobs.items()} for who, jobs in plain["counts"].items()}
    return Baseline(plain["environment"], counts, plain["ratios"])


def save(baseline: Baseline, path: Path) -> None:
    """Write a baseline to a file."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(baseline), indent=1) + "\n", encoding="utf-8")


def compare(baseline: Baseline, now: Counts) -> list[Change]:
    """What has changed in compiled `session`, in the environment of the baseline."""
    known = baseline.counts[COMPILED.name]
    changes = []
    for job, count in now.items():
        before = known.get(job)
        margin = MARGIN + (before.spread if before else 0.0)
        changes.append(Change(job, "small run", before and before.small, count.small, margin))
        changes.append(Change(job, "each more", before and before.each, count.each, margin))
    return changes


def compare_ratios(baseline: Baseline, now: Counts, reference: Counts) -> list[Change]:
    """What has changed in the ratio of compiled `session` to `sqlalchemy.orm`, both counted in another environment."""
    known, known_reference = baseline.counts[COMPILED.name], baseline.counts[REFERENCE.name]
    changes = []
    for job, count in now.items():
        before = known[job].each / known_reference[job].each if job in known and job in known_reference else None
        changes.append(Change(job, "each more / orm", before, count.each / reference[job].each, ELSEWHERE))
    return changes
