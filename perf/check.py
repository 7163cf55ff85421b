"""The gate: has a hot path become slower? `make bench-check`, or `python -m perf.check --help`.

Two questions, both of them answered on a noisy machine too:

* Do the programs take more instructions than the committed baseline of this Python says? Counted in its environment,
  each count may grow by 3 % and the spread that was seen. In another one (other compiler, SQLAlchemy, SQLite, ...)
  counts cannot be compared; there, `sqlalchemy.orm` is counted too, and the ratio of both may grow by 15 %.
* Are the ratios to the CPU time of `sqlalchemy.orm`, at a small scale and by the best of several interleaved runs,
  within a wide margin of their targets, or of the baseline where a target is not reached? What fails is measured again.

In: the command line, a baseline. Out: tables; exit status 1 when the answer is no. `--renew` writes the baseline.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from perf import baseline as baselines
from perf.baseline import Baseline, Change
from perf.catalogue import JOBS
from perf.contenders import COMPILED, PURE, REFERENCE
from perf.databases import IN_FILES, databases
from perf.instructions import COUNTED, LAYOUTS, ONE_LAYOUT, ROOT, CannotCount, count, environment
from perf.marks import Ratios, marks_of
from perf.runner import JobResult, Plan, run, started

TIMED = (COMPILED.name, PURE.name, REFERENCE.name)
PLAN = Plan(scale=0.05, repeat=5)
AGAIN = Plan(scale=0.05, repeat=10)

HOW_TO_RENEW = "make bench-baseline"


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m perf.check", description="Has a hot path become slower?")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB", help="default: all")
    parser.add_argument("--only", choices=("counts", "times"), help="one of the two questions; default: both")
    parser.add_argument("--baseline", type=Path, default=baselines.path_of(), metavar="FILE", help="%(default)s")
    parser.add_argument("--root", type=Path, default=ROOT, help="where perf and session are counted; default: here")
    parser.add_argument("--renew", action="store_true", help="write the baseline anew and show what changed")
    return parser


def main() -> int:
    """Answer; hand back the exit status."""
    options = arguments().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    known = baselines.read(options.baseline)
    counted = [name for name in options.jobs if name in COUNTED]
    try:
        if options.renew:
            renew(console, known, options.baseline)
            return 0
        slower = options.only != "times" and not counts_hold(console, known, counted, options.root)
    except CannotCount as why:
        console.print(f"Instructions cannot be counted: {why}", style="red", markup=False)
        slower = True
    missed = options.only != "counts" and not times_hold(console, known, options.jobs)
    return 1 if slower or missed else 0


def renew(console: Console, known: Baseline | None, path: Path) -> None:
    """Count and time everything, write the baseline, and show what is different from the one before."""
    with ThreadPoolExecutor() as both:
        ours = both.submit(count, COMPILED, layouts=LAYOUTS)
        reference = both.submit(count, REFERENCE, layouts=ONE_LAYOUT)
        counts = {COMPILED.name: ours.result(), REFERENCE.name: reference.result()}
    results = _time(JOBS, PLAN)
    ratios = {who: _ratios(results, who) for who in (COMPILED.name, PURE.name)}
    baselines.save(Baseline(environment(), counts, ratios), path)
    if known is not None:
        _show_environment(console, known)
        _show_counts(console, baselines.compare(known, counts[COMPILED.name]), "Instructions, before and now")
    console.print(f"Written: {path}")


# -- instructions -----------------------------------------------------------------------------------


def counts_hold(console: Console, known: Baseline | None, jobs: list[str], root: Path = ROOT) -> bool:
    """Whether no program takes more instructions than the baseline allows."""
    if known is None:
        console.print(
            f"INSTRUCTIONS WERE NOT COMPARED: there is no baseline for this Python. {HOW_TO_RENEW} makes it.",
            style="red",
        )
        return True
    if known.differs(environment()):
        changes = _ratios_elsewhere(console, known, jobs, root)
    else:
        changes = _changes_here(known, jobs, root)
    _show_counts(console, changes, "Instructions, baseline and now")
    return not any(change.slower for change in changes)


def _changes_here(known: Baseline, jobs: list[str], root: Path) -> list[Change]:
    """A count past its margin is made again with other addresses before it is believed."""
    changes = baselines.compare(known, count(COMPILED, jobs, root=root))
    if any(change.slower for change in changes):
        changes = baselines.compare(known, count(COMPILED, jobs, layouts=LAYOUTS, root=root))
    return changes


def _ratios_elsewhere(console: Console, known: Baseline, jobs: list[str], root: Path) -> list[Change]:
    _show_environment(console, known)
    with ThreadPoolExecutor() as both:
        ours = both.submit(count, COMPILED, jobs, root=root)
        reference = both.submit(count, REFERENCE, jobs, root=root)
        return baselines.compare_ratios(known, ours.result(), reference.result())


def _show_environment(console: Console, known: Baseline) -> None:
    different = known.differs(environment())
    if not different:
        return
    console.print(
        "The baseline was measured elsewhere, so that counts cannot be compared exactly. Their ratios to those of "
        f"sqlalchemy.orm are compared, with a margin of {baselines.ELSEWHERE:.0%}. {HOW_TO_RENEW} makes one here.",
        style="yellow",
    )
    for name, (there, here) in different.items():
        console.print(f"  {name}: {there or 'nothing'} -> {here or 'nothing'}", markup=False, highlight=False)


def _show_counts(console: Console, changes: Iterable[Change], title: str) -> None:
    table = Table(title=title, box=box.SIMPLE_HEAD)
    for name in ("job", "what"):
        table.add_column(name, no_wrap=True)
    for name in ("before", "now", "change", "margin"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for change in changes:
        table.add_row(
            change.job,
            change.what,
            "-" if change.before is None else _number(change.before),
            _number(change.now),
            "-" if change.before is None else f"{change.growth:+.1%}",
            f"{change.margin:.1%}",
            _verdict(change),
        )
    console.print(table)


def _number(value: float) -> str:
    """Instructions in full, ratios of them with three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}"


def _verdict(change: Change) -> str:
    if change.before is None:
        return f"[yellow]not in the baseline: {HOW_TO_RENEW}[/]"
    if change.slower:
        return "[red]SLOWER[/]"
    return f"[green]faster: {HOW_TO_RENEW}[/]" if change.faster else ""


# -- times ------------------------------------------------------------------------------------------


def times_hold(console: Console, known: Baseline | None, jobs: list[str]) -> bool:
    """Whether the ratios to `sqlalchemy.orm` are within their limits."""
    ratios = known.ratios if known else {}
    results = _time(jobs, PLAN)
    doubtful = [name for name, result in results.items() if _broken(result, results, ratios)]
    if doubtful:
        again = _time(doubtful, AGAIN)
        results = {**results, **again}
    _show_times(console, results, ratios)
    agree = all(result.checks_agree and not _failures(result) for result in results.values())
    return agree and not any(_broken(result, results, ratios) for result in results.values())


def _time(jobs: Iterable[str], plan: Plan) -> dict[str, JobResult]:
    with databases(IN_FILES) as url_of, started(TIMED, url_of) as (workers, failures):
        results = run(jobs, workers, plan)
    for result in results.values():
        result.failures.update(failures)
    return {name: result.at_best() for name, result in results.items()}


def _ratios(results: Mapping[str, JobResult], contender: str) -> dict[str, float]:
    ratios = {name: result.ratio(contender, REFERENCE.name) for name, result in results.items()}
    return {name: round(ratio, 3) for name, ratio in ratios.items() if ratio is not None}


def _broken(result: JobResult, results: Mapping[str, JobResult], ratios: Mapping[str, Ratios]) -> bool:
    return any(mark.broken for mark in marks_of(result, results, known=ratios))


def _failures(result: JobResult) -> dict[str, str]:
    """Why contenders have no figures, except those who were not asked."""
    return {who: why for who, why in result.failures.items() if who not in result.job.at_most}


def _show_times(console: Console, results: Mapping[str, JobResult], ratios: Mapping[str, Ratios]) -> None:
    table = Table(title=f"CPU time / sqlalchemy.orm, the best of {PLAN.repeat} runs", box=box.SIMPLE_HEAD)
    table.add_column("job", no_wrap=True)
    table.add_column("whose", no_wrap=True)
    for name in ("now", "target", "limit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for name, result in results.items():
        for mark in marks_of(result, results, known=ratios):
            now = "-" if mark.measured is None else f"{mark.measured:.3f}"
            verdict = "[red]PAST ITS LIMIT[/]" if mark.broken else "[yellow]target missed[/]" if mark.missed else ""
            table.add_row(name, mark.what, now, f"{mark.target:g}", f"{mark.limit:.3g}", verdict)
        for who, why in _failures(result).items():
            table.add_row(name, who, "-", "", "", f"[red]{why}[/]")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
