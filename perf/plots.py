"""The pictures of the README, drawn from what was measured last: `python -m perf.plots`.

In: the files in `results/`. Out: `docs/plots/*.png` and `*.svg`: the ratios to `sqlalchemy.orm` with their targets, and
how time and memory grow with the number of objects in one Session.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from perf import records
from perf.contenders import COMPILED, PURE, REFERENCE
from perf.marks import TARGETS
from perf.programs.scale import SCALE_JOBS
from perf.records import Run

RESULTS = Path(__file__).with_name("results")
PLOTS = Path(__file__).parent.parent / "docs" / "plots"

COLOURS = {COMPILED.name: "#0b6fa4", PURE.name: "#9fcbe3", REFERENCE.name: "#8a8a8a"}
TARGET_COLOUR = "#c8321f"
STYLES = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "svg.hashsalt": "session",
    "svg.fonttype": "none",
}
GROWING = (
    ("insert", "load", "update", "delete", "merge", "append"),
    ("commit", "rollback_of_changes", "expire_all", "expunge_all", "identity_map", "load_collection"),
)


def main() -> None:
    """Draw what there are results for."""
    PLOTS.mkdir(exist_ok=True)
    with mpl.rc_context(STYLES):
        for name, what in (("sqlite", "CPU time, SQLite file"), ("postgresql", "wall-clock time, PostgreSQL")):
            if (RESULTS / f"{name}.json").exists():
                _save(ratios(records.read(RESULTS / f"{name}.json"), what), f"ratios-{name}")
        if (RESULTS / "scale.json").exists():
            _save(growth(json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))["contenders"]), "growth")


def ratios(run: Run, what: str) -> Figure:
    """Bars of the ratio of each job to `sqlalchemy.orm`, with the target as a red mark."""
    jobs = [one for one in run.results.values() if one.ratio(COMPILED.name, REFERENCE.name)]
    jobs.sort(key=lambda one: one.ratio(COMPILED.name, REFERENCE.name) or 0.0, reverse=True)
    figure = Figure(figsize=(8.4, 1.5 + 0.29 * len(jobs)), layout="constrained")
    axes = figure.add_subplot()
    for offset, contender in ((0.2, COMPILED.name), (-0.2, PURE.name)):
        values = [one.ratio(contender, REFERENCE.name) or math.nan for one in jobs]
        places = [place + offset for place in range(len(jobs))]
        label = "session, compiled" if contender == COMPILED.name else "session, pure Python"
        axes.barh(places, values, height=0.4, color=COLOURS[contender], label=label)
        if contender == COMPILED.name:
            for place, value in zip(places, values, strict=True):
                axes.text(1.1, place - 0.2, f"{1 / value:.1f}x less", va="center", fontsize=7.5, color="#333333")
    targets = TARGETS[run.database]
    marked = [(targets[one.job.name], place) for place, one in enumerate(jobs) if one.job.name in targets]
    axes.scatter(
        [target for target, _ in marked],
        [place + 0.2 for _, place in marked],
        marker="|",
        s=90,
        linewidths=2,
        color=TARGET_COLOUR,
        label="target, compiled",
        zorder=3,
    )
    axes.axvline(1, color=COLOURS[REFERENCE.name], linestyle="--", linewidth=1.2, zorder=0)
    above = axes.get_xaxis_transform()
    axes.text(1, 1.005, "sqlalchemy.orm", transform=above, color="#555555", va="bottom", ha="left", fontsize=8)
    axes.set_yticks(range(len(jobs)), [one.job.title for one in jobs])
    axes.set_ylim(-0.6, len(jobs) - 0.1)
    axes.set_xscale("log")
    axes.set_xlim(_floor(axes.get_xlim()[0]), 2.2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"share of sqlalchemy.orm's {what} (memory: of its bytes)\nlogarithmic; further left is better")
    axes.grid(axis="x", which="major", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8)
    return figure


def _floor(value: float) -> float:
    """The next power of ten below, but not so low that the bars lose their meaning."""
    return max(10.0 ** math.floor(math.log10(value)), 0.01)


def growth(contenders: dict[str, Any]) -> Figure:
    """Lines of time for each object over the number of objects, and of the memory that they took at the highest."""
    figure = Figure(figsize=(10.5, 7), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    jobs = contenders[COMPILED.name]
    for column, names in enumerate(GROWING):
        for name in names:
            measured = [one for one in jobs.get(name, ()) if not one["failure"]]
            sizes = [one["count"] for one in measured]
            label = SCALE_JOBS[name].title
            microseconds = [one["seconds"] * 1e6 / one["count"] for one in measured]
            grid[0][column].plot(sizes, microseconds, "o-", ms=4, label=label)
            memory = [max(one["peak_bytes"], 0) / one["count"] for one in measured]
            grid[1][column].plot(sizes, memory, "o-", ms=4, label=label)
    for column, title in enumerate(("Writing and loading", "What touches every object")):
        above, below = grid[0][column], grid[1][column]
        above.set_title(title)
        above.set_yscale("log")
        above.set_ylabel("CPU microseconds for each object (log)")
        above.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        below.set_ylabel("highest memory, bytes for each object")
        below.set_ylim(bottom=-20)
        below.set_xscale("log")
        below.set_xlabel("objects in one Session (log)")
        below.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        above.legend(fontsize=8, frameon=True, framealpha=0.9, edgecolor="none", ncols=2, loc="upper left")
        low, high = above.get_ylim()
        above.set_ylim(low, high * 6)
        for axes in (above, below):
            axes.grid(color="#dddddd", linewidth=0.7)
    figure.suptitle("Flat lines: time and memory stay in proportion to the number of objects", x=0.01, ha="left")
    return figure


def _save(figure: Figure, name: str) -> None:
    figure.savefig(PLOTS / f"{name}.png", dpi=130)
    figure.savefig(PLOTS / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
