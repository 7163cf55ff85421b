"""What a statement does once for each parameter, and on a DBAPI cursor once for each row.  Pure reference version.

The loops over rows put what came of each into a list that the caller gives, so that after an error its length tells
which row it was.  Next on the way: ``core/driver.py``, which opens the cursors and sees to the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["bind", "bind_rows", "count_each", "fetch_each", "key_each"]

Slot = tuple[str, str, Any, int, Callable[[Any], Any] | None]
"""Name in the text, key, Core's parameter, its place in the cache key, processor; see ``core/plan.py``."""


def bind(
    slots: tuple[Slot, ...],
    given: Mapping[str, Any],
    extracted: Sequence[Any] | None,
    plan: Any,
) -> tuple[Any, ...]:
    """Give the driver's value for each parameter of a statement.

    :param slots: the parameters.
    :param given: values by key.
    :param extracted: parameters of another statement of the same shape, whose values count where none is given.
    :param plan: its ``value_of()`` gives the value where it is found in neither of the usual places.
    """
    bound = []
    for slot in slots:
        _, key, _, source, processor = slot
        if key in given:
            value = given[key]
        elif given or extracted is None or source < 0 or extracted[source].required:
            value = plan.value_of(slot, given, extracted)
        else:
            value = extracted[source].effective_value
        bound.append(value if processor is None else processor(value))
    return tuple(bound)


def bind_rows(
    rows: Iterable[Sequence[Any]], processors: Sequence[Callable[[Any], Any] | None]
) -> list[tuple[Any, ...]]:
    """Give the driver's values for rows of raw values.

    :param processors: what makes the driver's value of each, ``None`` where it goes as it is.
    """
    return [
        tuple([value if make is None else make(value) for make, value in zip(processors, row, strict=True)])
        for row in rows
    ]


def count_each(cursor: Any, sql: str, rows: Iterable[Any], found: list[Any]) -> None:
    """Execute a statement for each row of parameters; ``found`` gets how many rows each has matched."""
    execute = cursor.execute
    for row in rows:
        execute(sql, row)
        found.append(cursor.rowcount)


def fetch_each(cursor: Any, sql: str, rows: Iterable[Any], found: list[Any]) -> None:
    """Execute a statement for each row of parameters; ``found`` gets the first row that each returns."""
    execute = cursor.execute
    for row in rows:
        execute(sql, row)
        found.append(cursor.fetchone())


def key_each(cursor: Any, sql: str, rows: Iterable[Any], found: list[Any]) -> None:
    """Execute an INSERT for each row of parameters; ``found`` gets the key that the database has made."""
    execute = cursor.execute
    for row in rows:
        execute(sql, row)
        found.append(cursor.lastrowid)
