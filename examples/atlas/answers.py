"""What a question or a change has to tell: a title, some rows, a remark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

Cell = str | int | float


@dataclass(frozen=True)
class Answer:
    """One table to print; numbers are set to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    remark: str = ""

    def show(self, console: Console) -> None:
        """Print it."""
        table = Table()
        for place, column in enumerate(self.columns):
            numeric = all(not isinstance(row[place], str) for row in self.rows)
            table.add_column(column, justify="right" if numeric else "left")
        for row in self.rows:
            table.add_row(*map(_as_text, row))
        console.print(self.title, style="bold")
        console.print(table)
        if self.remark:
            console.print(self.remark, style="dim")
        console.print()

    def as_json(self) -> dict[str, Any]:
        """The same as plain values, so that the answers of two ORMs can be compared."""
        return asdict(self)


def _as_text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:,.2f}" if isinstance(cell, float) else f"{cell:,}"
