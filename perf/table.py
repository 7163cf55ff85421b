"""The table of all jobs and contenders: `python -m perf.table --help`.

In: the command line. Out: a table on standard output, a JSON file if asked for, and with `--gate` an exit status of 1
when a mark is broken, a job fails, or contenders come to different results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from perf import databases, records
from perf.catalogue import JOBS
from perf.contenders import COMPILED, CONTENDERS, DRIVER, PURE, REFERENCE
from perf.marks import Mark, marks_of
from perf.records import Run
from perf.runner import JobResult, Plan, run, started

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
    parser.add_argument("--warm-up", type=int, default=0, metavar="N", help="full runs before them, for PyPy")
    parser.add_argument("--db", default=databases.IN_FILES, help=databases.HELP)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements there")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="source", help="measure nothing, show that file")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a mark is broken")
    return parser


def main() -> int:
    """Measure, show, judge; hand back the exit status."""
    options = arguments().parse_args()
    measured = records.read(options.source) if options.source else measure(options)
    if options.markdown:
        print(as_markdown(measured))
    else:
        console = Console()
        show(console if console.is_terminal else Console(width=WIDTH), measured)
    if options.json:
        records.save(measured, options.json)
    return 1 if options.gate and not passes(measured) else 0


def measure(options: argparse.Namespace) -> Run:
    """Run what the command line asks for."""
    database, place = _place(options.db)
    plan = Plan(options.scale, options.repeat, options.warm_up)
    measured = Run(database, place, "cpu" if database == "sqlite" else "wall", plan, options.contenders)
    with (
        databases.databases(options.db) as url_of,
        started(options.contenders, url_of) as (workers, measured.failures),
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("", total=len(options.jobs) * len(workers) * (1 + plan.warm_up + plan.repeat))
        measured.results = run(
            options.jobs,
            workers,
            plan,
            clock=measured.clock,
            progress=lambda job, contender: progress.update(task, advance=1, description=f"{job} ({contender})"),
        )
    return measured


def _place(wish: str) -> tuple[str, str]:
    """The kind of database, and where it is in words."""
    if wish in (databases.IN_FILES, databases.THROW_AWAY):
        return wish, {databases.IN_FILES: "a SQLite file", databases.THROW_AWAY: "PostgreSQL on this machine"}[wish]
    url = sqlalchemy.make_url(wish)
    return url.get_backend_name(), "SQLite in memory" if wish == databases.IN_MEMORY else f"{url!r}"


def show(console: Console, measured: Run) -> None:
    """Print the table, and below it why figures are missing or wrong."""
    table = Table(title=title(measured), box=box.SIMPLE_HEAD)
    ratios = _ratios(measured)
    table.add_column("job", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    for name in (*measured.contenders, *(_over(one, other) for one, other in ratios)):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("target")
    for result in measured.results.values():
        marks = marks_of(result, measured.results, measured.database)
        table.add_row(*_cells(result, measured), "\n".join(_mark(mark) for mark in marks if _worth_showing(mark)))
    console.print(table)
    for remark in remarks(measured):
        console.print(remark, style="yellow", markup=False)


def as_markdown(measured: Run) -> str:
    """The same as a Markdown table, ending with a line end."""
    ratios = [f"{one} / {other}" for one, other in _ratios(measured)]
    heads = ["job", "count", *measured.contenders, *ratios, "target", ""]
    lines = [heads, ["---", *["--:"] * (len(heads) - 2), "---"]]
    for result in measured.results.values():
        marks = [mark for mark in marks_of(result, measured.results, measured.database) if _worth_showing(mark)]
        targets = "; ".join(_target(mark) for mark in marks)
        verdicts = "; ".join("**missed**" if mark.missed else "held" for mark in marks)
        lines.append([*_cells(result, measured), targets, verdicts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def title(measured: Run) -> str:
    """What the figures are."""
    clock = "CPU" if measured.clock == "cpu" else "wall-clock"
    return f"{clock} seconds, medians of {measured.plan.repeat}; memory in bytes each; {measured.place}"


def remarks(measured: Run) -> Iterator[str]:
    """Why figures are missing or wrong, a line for each reason."""
    for name, why in measured.failures.items():
        yield f"{name} did not start: {why}"
    for result in measured.results.values():
        for name, why in result.failures.items():
            yield f"{result.job.name}, {name}: {why}"
        if not result.checks_agree:
            yield f"{result.job.name}: contenders came to different results"


def _ratios(measured: Run) -> list[tuple[str, str]]:
    return [pair for pair in RATIOS if set(pair) <= set(measured.contenders)]


def _cells(result: JobResult, measured: Run) -> list[str]:
    """Name, size, figures and ratios of one job."""
    return [
        result.job.name,
        f"{result.count:,}",
        *(_figure(result, name) for name in measured.contenders),
        *(_ratio(result.ratio(one, other)) for one, other in _ratios(measured)),
    ]


def _over(one: str, other: str) -> str:
    """The heading of a ratio, in lines short enough for its column."""
    return f"{one}\n/ {other}".replace(".", "\n.")


def _figure(result: JobResult, contender: str) -> str:
    median = result.median(contender)
    if median is None:
        return "-"
    return f"{median:,.0f} B" if result.job.meter == "bytes" else f"{median:.4f}"


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def _worth_showing(mark: Mark) -> bool:
    """The target of pure `session` is the same everywhere, so it is shown only where it is missed."""
    return mark.missed if mark.what == PURE.name else mark.measured is not None


def _target(mark: Mark) -> str:
    """The target in words; that of the compiled ratio is the plain one."""
    return f"{mark.target:g}" if mark.what == COMPILED.name else f"{mark.what} {mark.target:g}"


def _mark(mark: Mark) -> str:
    return f"{_target(mark)} {'[red]missed[/]' if mark.missed else '[green]held[/]'}"


def passes(measured: Run) -> bool:
    """Whether every contender ran every job it can, all agree, and no mark is broken."""
    results = measured.results
    if measured.failures or any(not result.checks_agree for result in results.values()):
        return False
    failed = any(name not in result.job.at_most for result in results.values() for name in result.failures)
    broken = any(mark.broken for each in results.values() for mark in marks_of(each, results, measured.database))
    return not failed and not broken


if __name__ == "__main__":
    sys.exit(main())
