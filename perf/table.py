"""The table of all jobs and contenders: `python -m perf.table --help`.

In: the command line. Out: a table on standard output, a JSON file if asked for, and with `--gate` an exit status of 1
when a mark is missed, a job fails, or contenders come to different results.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import sqlalchemy
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from perf.catalogue import JOBS
from perf.contenders import COMPILED, CONTENDERS, DRIVER, PURE, REFERENCE
from perf.marks import Mark, marks_of
from perf.runner import Failures, JobResult, Results, run, started

RATIOS = (
    (COMPILED.name, REFERENCE.name),
    (PURE.name, REFERENCE.name),
    (COMPILED.name, DRIVER.name),
    (REFERENCE.name, DRIVER.name),
)
WIDTH = 160
"""Columns of a table that goes to a file or a pipe."""


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m perf.table", description="Time session beside its peers.")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB", help=", ".join(JOBS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size of each job")
    parser.add_argument("--repeat", type=int, default=5, help="measured runs; the median counts")
    parser.add_argument("--db", default="sqlite", help="sqlite (in memory), or a URL: postgresql+psycopg2://...")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements there")
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a mark is missed")
    return parser


def main() -> int:
    """Measure, show, judge; hand back the exit status."""
    options = arguments().parse_args()
    url = "sqlite://" if options.db == "sqlite" else options.db
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    with started(options.contenders, url) as (workers, failures):
        total = len(options.jobs) * len(workers) * (options.repeat + 1)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=total)
            results = run(
                options.jobs,
                workers,
                scale=options.scale,
                repeat=options.repeat,
                progress=lambda job, contender: progress.update(task, advance=1, description=f"{job} ({contender})"),
            )
    show(console, results, failures, options.contenders)
    if options.json:
        options.json.write_text(json.dumps(as_json(results, failures, vars(options)), indent=1, default=str))
    return 1 if options.gate and not passes(results, failures) else 0


def show(console: Console, results: Results, failures: Failures, contenders: list[str]) -> None:
    """Print the table, and below it why figures are missing or wrong."""
    ratios = [pair for pair in RATIOS if set(pair) <= set(contenders)]
    table = Table(title="CPU seconds, medians; memory in bytes each", box=box.SIMPLE_HEAD)
    table.add_column("job", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    for name in (*contenders, *(_over(one, other) for one, other in ratios)):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("marks")
    for result in results.values():
        table.add_row(
            result.job.name,
            f"{result.count:,}",
            *(_figure(result, name) for name in contenders),
            *(_ratio(result.ratio(one, other)) for one, other in ratios),
            "\n".join(_mark(mark) for mark in marks_of(result, results) if _worth_showing(mark)),
        )
    console.print(table)
    for name, why in failures.items():
        console.print(f"{name} did not start: {why}", style="red", markup=False)
    for result in results.values():
        for name, why in result.failures.items():
            console.print(f"{result.job.name}, {name}: {why}", style="yellow", markup=False)
        if not result.checks_agree:
            console.print(f"{result.job.name}: contenders came to different results", style="red")


def _over(one: str, other: str) -> str:
    """The heading of a ratio, in lines short enough for its column."""
    return f"{one}\n/ {other}".replace(".", "\n.")


def _figure(result: JobResult, contender: str) -> str:
    median = result.median(contender)
    if median is None:
        return "-"
    return f"{median:,.0f} B" if result.job.meter == "bytes" else f"{median:.4f}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _worth_showing(mark: Mark) -> bool:
    """The mark of pure `session` is the same everywhere, so it is shown only where it is missed."""
    return mark.missed if mark.what == PURE.name else mark.measured is not None


def _mark(mark: Mark) -> str:
    verdict = "[red]missed[/]" if mark.missed else "[green]held[/]"
    return f"{mark.what} <= {mark.at_most:g} {verdict}"


def passes(results: Results, failures: Failures) -> bool:
    """Whether every contender ran every job it can, all agree, and no mark is missed."""
    if failures or any(not result.checks_agree for result in results.values()):
        return False
    broken = any(name not in result.job.at_most for result in results.values() for name in result.failures)
    missed = any(mark.missed for result in results.values() for mark in marks_of(result, results))
    return not broken and not missed


def as_json(results: Results, failures: Failures, options: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, for a file."""
    return {
        "python": platform.python_version(),
        "sqlalchemy": sqlalchemy.__version__,
        "scale": options["scale"],
        "repeat": options["repeat"],
        "database": sqlalchemy.make_url("sqlite://" if options["db"] == "sqlite" else options["db"]).get_backend_name(),
        "failures": failures,
        "jobs": {
            name: {
                "count": result.count,
                "unit": result.job.meter,
                "values": {who: [one.value for one in runs] for who, runs in result.measurements.items()},
                "wall_seconds": {who: [one.wall for one in runs] for who, runs in result.measurements.items()},
                "medians": {who: result.median(who) for who in result.measurements},
                "failures": result.failures,
            }
            for name, result in results.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
