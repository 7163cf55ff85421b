"""Defaults that Python makes for columns of an INSERT or UPDATE.

A column's ``default=`` or ``onupdate=`` is a plain value, a function, or something that the
database works out (an SQL expression, a sequence).  The first two are made here, before the
statement; the others are rendered by Core into the statement.  A function may take a *context* that
shows the row so far; there is one such object per batch, not one per row.
Next on the way: ``recipes.py``, which says for each column which of these it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from session._accel import gather

__all__ = ["DefaultContext", "execute_default", "is_made_by_database", "is_sentinel", "python_default"]


class DefaultContext:
    """What a default function is given: the row that is about to be written.

    It has the attributes of Core's execution context that make sense before the statement runs.

    :param connection: the connection that the flush writes to.
    :param is_insert: an INSERT is being prepared; otherwise an UPDATE.
    """

    compiled = None
    statement = None
    cursor = None
    isdelete = False
    executemany = False

    def __init__(self, connection: Connection, is_insert: bool) -> None:
        self.connection = connection
        self.isinsert = is_insert
        self.isupdate = not is_insert
        self._names: Sequence[str] = ()
        self._row: Sequence[Any] = ()

    @property
    def root_connection(self) -> Connection:
        return self.connection

    @property
    def dialect(self) -> Any:
        return self.connection.dialect

    @property
    def engine(self) -> Any:
        return self.connection.engine

    @property
    def execution_options(self) -> Any:
        return self.connection.get_execution_options()

    @property
    def current_parameters(self) -> dict[str, Any]:
        """The values of the row so far, by column name, without SQL expressions."""
        return {
            name: value for name, value in zip(self._names, self._row, strict=False) if not gather.is_expression(value)
        }

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:
        """Give the values of the row so far, by column name.

        :param isolate_multiinsert_groups: has no meaning here: there is one row.
        """
        return self.current_parameters

    def begin(self, fields: Sequence[tuple[Any, ...]], mask: int, row: Sequence[Any]) -> None:
        """Turn to another row: the columns of ``fields`` without those of ``mask``."""
        self._names = [field[4] for field in fields if not mask & field[3]]
        self._row = row

    def begin_named(self, names: Sequence[str], row: Sequence[Any]) -> None:
        """Turn to another row whose columns are given by name."""
        self._names = names
        self._row = row


def python_default(default: Any) -> tuple[bool, Any] | None:
    """Read a column's ``default`` or ``onupdate``.

    :return: ``(False, value)`` for a plain value, ``(True, function)`` for a function of the
        context, ``None`` if there is none or the database makes it.
    """
    if default is None or is_made_by_database(default):
        return None
    if default.is_callable:
        return True, default.arg
    return False, default.arg


def is_made_by_database(default: Any) -> bool:
    """Tell whether a column's ``default`` or ``onupdate`` becomes part of the SQL."""
    return default is not None and bool(
        default.is_clause_element or default.is_sequence or getattr(default, "is_server_default", False)
    )


def is_sentinel(column: Any) -> bool:
    """Tell whether Core fills a column by itself, to keep inserted rows apart."""
    return column.default is not None and bool(column.default.is_sentinel)


def execute_default(connection: Connection, column: Any) -> Any:
    """Work out the default of a key column ahead of its INSERT.

    Needed where the INSERT itself cannot give the key back.

    :param connection: where to ask.
    :param column: the column; its default is an SQL expression or a sequence.
    :return: the value, ``None`` if the database has no such default.
    SQL: ``SELECT`` of the expression, or of the sequence's next value.
    """
    default = column.default
    if default is None:
        return None
    if default.is_sequence:
        if not connection.dialect.supports_sequences:
            return None
        return connection.scalar(select(default.next_value()))
    return connection.scalar(select(default.arg))
