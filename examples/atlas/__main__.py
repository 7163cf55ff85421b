"""The command line: `python -m examples.atlas [--db URL] [--orm session|sqlalchemy.orm] [--compare]`.

The ORM is chosen when `orm.py` is imported, so each story is told in a process of its own; this one only starts them
and, with `--compare`, sets their times side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ORMS = ("session", "sqlalchemy.orm")
ROOT = Path(__file__).parent.parent.parent

Report = dict[str, Any]


def main() -> int:
    """Tell the story once or twice; 1 when a story breaks off or the two disagree."""
    parser = argparse.ArgumentParser(prog="python -m examples.atlas", description="An atlas of the real world.")
    parser.add_argument(
        "--db", help="database URL; its atlas_* tables are dropped and made anew (default: a temporary SQLite file)"
    )
    parser.add_argument("--orm", choices=ORMS, default=ORMS[0], help="what to run on (default: session)")
    parser.add_argument("--compare", action="store_true", help="run it on the other one too and compare the times")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = tell(options.orm, options.db, Path(folder))
            if not options.compare:
                return 0
            (other,) = (name for name in ORMS if name != options.orm)
            with console.status(f"The same once more on {other} ..."):
                other_report = tell(other, options.db, Path(folder), quiet=True)
        except subprocess.CalledProcessError as error:
            return error.returncode
    return compare(report, other_report, console)


def tell(orm: str, url: str | None, folder: Path, *, quiet: bool = False) -> Report:
    """Tell the story on one ORM in a process of its own and hand back its times and answers."""
    report = folder / f"{orm}.json"
    database = url or f"sqlite:///{folder / orm}.db"
    command = [sys.executable, "-m", "examples.atlas.story", "--db", database, "--report", str(report)]
    if quiet:
        command.append("--quiet")
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "ATLAS_ORM": orm})
    told: Report = json.loads(report.read_text())
    return told


def compare(one: Report, other: Report, console: Console) -> int:
    """Print the times of both by phase; 1 when their answers differ."""
    table = Table(title="Seconds by phase", title_justify="left", show_footer=True)
    total, other_total = (sum(report["seconds"].values()) for report in (one, other))
    table.add_column("phase", "all")
    table.add_column(one["orm"], f"{total:.3f}", justify="right")
    table.add_column(other["orm"], f"{other_total:.3f}", justify="right")
    table.add_column("times as fast", f"{other_total / total:.1f}", justify="right")
    for phase, seconds in one["seconds"].items():
        compared = other["seconds"][phase]
        table.add_row(phase, f"{seconds:.3f}", f"{compared:.3f}", f"{compared / seconds:.1f}")
    console.print(table)
    if one["answers"] != other["answers"]:
        console.print("The two gave different answers.", style="red")
        return 1
    console.print("Both gave the same answers.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
