"""Many objects in one Session, at growing sizes: `python -m perf.scale --help`.

Each operation at each size has a process of its own: `python -m perf.scale --one OPERATION COUNT CONTENDER URL` runs
in it. Shown are CPU time and the highest memory of the measured part, both for each object, and how time grew
from size to size; where it is not in proportion, the table says so.

In: the command line. Out: a table, and a JSON file for `plots.py`. Next on the way: `programs/scale.py`.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from perf import environment, memory
from perf.contenders import COMPILED, CONTENDERS
from perf.databases import IN_FILES, databases
from perf.job import finish
from perf.programs.scale import SCALE_JOBS
from perf.world import OrmWorld

SIZES = (10_000, 100_000, 1_000_000)
IN_PROPORTION = 2.5
"""The largest growth of time for each object from one size to the next that counts as linear; caches of the processor
show in it."""

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Figure:
    """What one operation took at one size: CPU seconds, bytes at the highest above the start, or why there is none."""

    count: int
    seconds: float = math.nan
    peak_bytes: float = math.nan
    check: list[int] | None = None
    failure: str | None = None


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m perf.scale", description="Many objects in one Session.")
    parser.add_argument("--jobs", nargs="+", choices=SCALE_JOBS, default=list(SCALE_JOBS), metavar="JOB")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=[COMPILED.name])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="numbers of objects, growing")
    parser.add_argument("--longest", type=float, default=120, help="seconds; what would take longer is left out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def main() -> int:
    """Measure and show; hand back 1 if an operation failed or is not in proportion."""
    if sys.argv[1:2] == ["--one"]:
        name, count, contender, url = sys.argv[2:]
        run_one(name, int(count), contender, url)
        return 0
    options = arguments().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    figures: dict[str, dict[str, list[Figure]]] = {}
    for contender in options.contenders:
        for name in options.jobs:
            measured = list(_growing(name, contender, options.sizes, options.longest))
            figures.setdefault(contender, {})[name] = measured
            _say(console, contender, name, measured)
        console.print(_table(contender, figures[contender], options.sizes))
    if options.json:
        options.json.write_text(json.dumps(as_json(figures), indent=1) + "\n")
    return 1 if any(verdict(each) for jobs in figures.values() for each in jobs.values()) else 0


def run_one(name: str, count: int, contender: str, url: str) -> None:
    """Run one operation in this process, after a small one to fill caches, and print its figure as JSON."""
    world = CONTENDERS[contender].world(url)
    assert isinstance(world, OrmWorld)
    program = SCALE_JOBS[name].program
    for size in (20, count):
        world.clean()
        steps = program(world, size)
        next(steps)
        gc.collect()
        with memory.highest() as highest:
            began = time.process_time()
            next(steps)
            seconds = time.process_time() - began
            peak = highest()
        check = finish(steps)
    print(json.dumps(asdict(Figure(count, seconds, peak, check))))


def _growing(name: str, contender: str, sizes: list[int], longest: float) -> Iterator[Figure]:
    """The figures of one operation; the first failure, or a size that promises to take too long, is the last one."""
    before: list[Figure] = []
    for count in sizes:
        if len(before) > 1 and before[-1].seconds ** 2 / before[-2].seconds > longest:
            yield Figure(count, failure="left out: would take too long")
            return
        figure = _in_a_process(name, count, contender)
        yield figure
        if figure.failure:
            return
        before.append(figure)


def _in_a_process(name: str, count: int, contender: str) -> Figure:
    with databases(IN_FILES) as url_of:
        ended = subprocess.run(
            [sys.executable, "-m", "perf.scale", "--one", name, str(count), contender, url_of(contender)],
            cwd=ROOT,
            env={**os.environ, **CONTENDERS[contender].environment},
            capture_output=True,
            text=True,
        )
    if ended.returncode:
        last_line = ended.stderr.strip().rpartition("\n")[2]
        return Figure(count, failure=last_line or f"ended with {ended.returncode}")
    return Figure(**json.loads(ended.stdout))


def verdict(figures: list[Figure]) -> str:
    """What is wrong with an operation: a failure, or growth past proportion; empty if nothing is."""
    for figure in figures:
        if figure.failure:
            return f"{figure.count:,}: {figure.failure}"
    for smaller, larger in itertools.pairwise(figures):
        growth = larger.seconds / smaller.seconds / (larger.count / smaller.count)
        if growth > IN_PROPORTION:
            return f"time for each object grows {growth:.1f} times to {larger.count:,}"
    return ""


def _say(console: Console, contender: str, name: str, figures: list[Figure]) -> None:
    each = ", ".join(figure.failure or f"{figure.count:,}: {figure.seconds:.3f} s" for figure in figures)
    console.print(f"{contender} {name}: {each}", markup=False, highlight=False)


def _table(contender: str, jobs: dict[str, list[Figure]], sizes: list[int]) -> Table:
    title = f"{contender}: CPU microseconds, and highest memory in bytes, for each object"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    table.add_column("operation", no_wrap=True)
    for size in sizes:
        table.add_column(f"us\n{size:,}", justify="right")
    for size in sizes:
        table.add_column(f"bytes\n{size:,}", justify="right")
    table.add_column("out of proportion")
    for name, figures in jobs.items():
        by_size = {figure.count: figure for figure in figures}
        found = [by_size.get(size, Figure(size)) for size in sizes]
        table.add_row(SCALE_JOBS[name].title, *cells(found), verdict(figures))
    return table


def cells(figures: list[Figure]) -> list[str]:
    """Microseconds for each object at each size, then bytes."""
    return [
        *(_figure(figure.seconds * 1e6 / figure.count, ".2f") for figure in figures),
        *(_figure(figure.peak_bytes / figure.count, ",.0f") for figure in figures),
    ]


def _figure(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def as_json(figures: dict[str, dict[str, list[Figure]]]) -> dict[str, Any]:
    """Everything that was measured, for a file."""
    return {
        "environment": environment.here(),
        "contenders": {
            contender: {name: [asdict(figure) for figure in each] for name, each in jobs.items()}
            for contender, jobs in figures.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
