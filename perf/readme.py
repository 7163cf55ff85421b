"""Puts the figures that were measured last into the README: `python -m perf.readme`.

In: the files in `results/`. Out: what stands between `<!-- NAME begin -->` and `<!-- NAME end -->`, for each NAME that
has a file. Next on the way: `plots.py` draws the pictures beside them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from perf import records, scale, table
from perf.programs.scale import SCALE_JOBS
from perf.records import Run

README = Path(__file__).parent.parent / "README.md"
RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Replace what there are results for."""
    text = README.read_text(encoding="utf-8")
    for name in ("sqlite", "postgresql"):
        file = RESULTS / f"{name}.json"
        if file.exists():
            text = replaced(text, name, figures(records.read(file)))
    if (RESULTS / "scale.json").exists():
        text = replaced(text, "scale", growth(json.loads((RESULTS / "scale.json").read_text(encoding="utf-8"))))
    README.write_text(text, encoding="utf-8")


def replaced(text: str, name: str, new: str) -> str:
    """`text` with `new` between the two marks of `name`."""
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    found = re.subn(f"(?<={re.escape(begin)}\n).*?(?={re.escape(end)})", lambda _: new, text, flags=re.DOTALL)
    assert found[1] == 1, f"the README has no place for {name}"
    return found[0]


def figures(run: Run) -> str:
    """A sentence on what was measured where, the table, and why figures are missing."""
    remarks = "".join(f"* {remark}\n" for remark in table.remarks(run))
    head = f"{table.title(run)}; {_full_size(run.plan.scale)}; {_place(run.environment)}."
    return f"{head}\n\n{table.as_markdown(run)}" + (f"\n{remarks}" if remarks else "")


def growth(measured: dict[str, Any]) -> str:
    """A table of CPU microseconds, and of memory, for each object."""
    sizes = sorted({one["count"] for jobs in measured["contenders"].values() for each in jobs.values() for one in each})
    heads = ["operation", *(f"us, {size:,}" for size in sizes), *(f"bytes, {size:,}" for size in sizes), "remark"]
    lines = [heads, ["---", *["--:"] * (len(heads) - 2), "---"]]
    for name, plain in measured["contenders"]["session"].items():
        found = {one["count"]: scale.Figure(**one) for one in plain}
        each = [found.get(size, scale.Figure(size)) for size in sizes]
        lines.append([SCALE_JOBS[name].title, *scale.cells(each), scale.verdict(list(found.values()))])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"Compiled `session`, a SQLite file, one run each; {_place(measured['environment'])}.\n\n{rows}\n"


def _full_size(share: float) -> str:
    return "full size" if share == 1 else f"{share:g} of the full size"


def _place(environment: dict[str, str]) -> str:
    names = {"python": environment["implementation"], "sqlalchemy": "SQLAlchemy", "sqlite": "SQLite"}
    return ", ".join(f"{label} {environment[name]}" for name, label in names.items()) + f", {environment['machine']}"


if __name__ == "__main__":
    main()
