"""What mapping asks of Core about tables, joins and columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.sql import util as sql_util
from sqlalchemy.sql.base import WriteableColumnCollection
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.selectable import FromGrouping, Join, TableClause

__all__ = [
    "column_collection",
    "inspect_mapper",
    "join_condition",
    "note_new_column",
    "reduce_columns",
    "tables_of",
]


def tables_of(selectable: ClauseElement) -> list[Any]:
    """Return the tables that a selectable reads, in the order of its text."""
    found: list[Any] = []
    waiting = [selectable]
    while waiting:
        one: Any = waiting.pop()
        if isinstance(one, Join):
            waiting += [one.right, one.left]
        elif isinstance(one, FromGrouping):
            waiting.append(one.element)
        elif isinstance(one, TableClause):
            found.append(one)
        else:  # an alias, a subquery: what it reads
            found += sql_util.find_tables(one)
    return list(dict.fromkeys(found))


def join_condition(left: Any, right: Any) -> Any:
    """Return the condition that foreign keys give for a join.

    :raises sqlalchemy.exc.ArgumentError: if there is none, or several are possible.
    """
    return sql_util.join_condition(left, right)


def reduce_columns(columns: Iterable[Any]) -> list[Any]:
    """Leave out columns that repeat another one, by foreign keys or by a join's condition."""
    return list(sql_util.reduce_columns(columns, ignore_nonexistent_tables=True))


def inspect_mapper(subject: Any) -> Any:
    """Return the mapper behind a class, mapper or alias; ``None`` if it has none."""
    inspected = inspect(subject, raiseerr=False)
    return None if inspected is None else getattr(inspected, "mapper", None)


def note_new_column(selectable: Any, column: Any) -> None:
    """Tell a join that one of its tables has got a further column."""
    selectable._refresh_for_new_column(column)


def column_collection(pairs: Iterable[tuple[str, Any]]) -> Any:
    """Return a read-only collection of columns under given keys."""
    return WriteableColumnCollection(list(pairs)).as_readonly()
