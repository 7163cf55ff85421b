"""Statements of the flush, compiled once for each dialect and kept.

A ``Prepared`` is a statement together with the layout of its rows; it gives the plan for a
connection, and puts rows into the order of the plan's parameters where the two differ.
Next on the way: ``core/driver.py``, which runs plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from session.core.plan import plan_for

__all__ = ["Prepared", "key_criteria", "key_names"]

_MAP = "schema_translate_map"

#: A statement keeps plans for so many dialects and schema maps; the one made first goes when there are more.
_KEPT = 16

#: For each parameter its position in a row, or -1 and a fixed value.
Places = list[tuple[int, Any]]


class Prepared:
    """A statement of the flush.

    :param statement: a Core INSERT, UPDATE or DELETE.
    :param names: names of the values in a row: column keys, and names of ``bindparam()``.
    :param column_keys: those of them that are set or inserted.
    :param many: it will be run with many rows that bring something back.
    """

    __slots__ = ("_plans", "column_keys", "many", "names", "statement")

    def __init__(self, statement: Any, names: Sequence[str], column_keys: Sequence[str], many: bool = False) -> None:
        self.statement = statement
        self.names = tuple(names)
        self.column_keys = list(column_keys)
        self.many = many
        self._plans: dict[Any, tuple[Any, Places | None]] = {}

    def plan(self, uow: Any, connection: Connection) -> tuple[Any, Places | None]:
        """Give the compiled statement, and where its parameters are in a row (``None``: they are the row)."""
        names = uow.execution_options.get(_MAP) or connection.get_execution_options().get(_MAP)
        key = connection.dialect, tuple(names.items()) if names else None
        found = self._plans.get(key)
        if found is None:
            plan = plan_for(
                self.statement,
                connection.dialect,
                column_keys=self.column_keys,
                many=self.many,
                schema_translate_map=dict(key[1]) if key[1] else None,
            )
            found = plan, _places_in(plan, self.names)
            while len(self._plans) >= _KEPT:
                self._plans.pop(next(iter(self._plans)), None)
            self._plans[key] = found
        return found

    def arrange(self, uow: Any, connection: Connection, rows: list[Any]) -> tuple[Any, list[Any]]:
        """Give the compiled statement, and rows in the order of its parameters."""
        plan, places = self.plan(uow, connection)
        if places is None:
            return plan, rows
        return plan, [tuple([row[position] if position >= 0 else value for position, value in places]) for row in rows]


def _places_in(plan: Any, names: tuple[str, ...]) -> Places | None:
    """Where each parameter of a plan is in a row.

    SQL defaults that Core renders into the statement may have parameters of their own.
    """
    if plan.names == names:
        return None
    position = {name: number for number, name in enumerate(names)}
    return [
        (position.get(slot.key, -1), None if slot.key in position else slot.parameter.effective_value)
        for slot in plan.slots
    ]


def key_names(table: Any, columns: Sequence[Any]) -> list[str]:
    """Names for the parameters that find a row, apart from the names of the columns that are set."""
    taken = set(table.c.keys())
    names = []
    for column in columns:
        name = f"{table.name}_{column.name}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def key_criteria(columns: Sequence[Any], parameters: Sequence[Any]) -> list[Any]:
    """One equality for each column."""
    return [column == parameter for column, parameter in zip(columns, parameters, strict=True)]
