"""DELETEs: by primary key, in its order, neighbours with one statement or one ``executemany()``.

In come states to be deleted; out go DELETEs, those of a subclass's table before those of the table
that it extends.  Next on the way: ``core/driver.py``, which runs the statements.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, delete
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SAWarning

from session._accel import gather
from session.constants import PASSIVE_OFF
from session.core.arrays import ArraySource, is_one_of
from session.exc import FlushError
from session.flush.counts import check_row_count, warn_unverified
from session.flush.plans import Prepared, PreparedArrays, change_rows, key_criteria, key_names
from session.flush.recipes import TableRecipe, recipe_of
from session.flush.update import current_version

__all__ = ["delete_rows"]


class DeleteShape:
    """A DELETE by primary key.

    :param recipe: says what the key of the table is.
    :param versioned: the row must have the version that was loaded.
    """

    def __init__(self, recipe: TableRecipe, versioned: bool) -> None:
        columns = list(recipe.key_columns)
        if versioned:
            columns.append(recipe.version_column)
        table: Any = recipe.table
        names = [column.key for column in columns]
        if len(set(names)) != len(names):
            names = key_names(table, columns)
        binds = [bindparam(name, type_=column.type) for name, column in zip(names, columns, strict=True)]
        self.plain = Prepared(delete(table).where(*key_criteria(columns, binds)), names, ())

        def in_arrays(source: ArraySource) -> Any:
            return delete(table).where(*map(is_one_of, columns, source.columns))

        #: many rows at once
        self.together = PreparedArrays(columns, in_arrays, columns, recipe.plain_table)


def delete_rows(uow: Any, connection: Connection, table: Any, groups: Iterable[tuple[Any, list[Any]]]) -> None:
    """Delete the rows of one table.

    :param uow: the flush.
    :param connection: the connection that the flush writes to.
    :param groups: pairs of mapper and its states, in order.
    :raises StaleDataError: if the rows have versions and another number of them was matched.
    :raises FlushError: if a primary key holds ``None``.
    SQL: ``DELETE .. WHERE`` primary key (and version); a warning if the row count is off, unless the
    mapper has ``confirm_deleted_rows=False``.
    """
    run: tuple[TableRecipe, bool, list[Any], list[Any]] | None = None
    for mapper, states in groups:
        recipe = recipe_of(mapper).table(table)
        if recipe.keyed_by_attribute:
            rows = [tuple([_committed(state, key) for key in recipe.key_keys]) for state in states]
        else:
            rows = gather.gather_identities(states, recipe.key_positions)
        incomplete = next((row for row in rows if None in row), None)
        if incomplete is not None:
            raise FlushError(
                f"Can't delete from {table.name}: the primary key {incomplete!r} of a {mapper.class_.__name__} "
                f"object has a None in it"
            )
        versioned = recipe.version_key is not None
        if versioned:
            rows = [
                (*row, current_version(state, str(recipe.version_key))) for row, state in zip(rows, states, strict=True)
            ]
        if run is not None and run[1] == versioned:
            run[2].extend(rows)
            run[3].extend(states)
            continue
        if run is not None:
            _delete_run(uow, connection, *run)
        run = (recipe, versioned, rows, list(states))
    if run is not None:
        _delete_run(uow, connection, *run)


def _committed(state: Any, key: str) -> Any:
    """The value of an attribute as it is in the row."""
    return state.manager[key].impl.get_committed_value(state, state().__dict__, PASSIVE_OFF)


def _delete_run(
    uow: Any, connection: Connection, recipe: TableRecipe, versioned: bool, rows: list[Any], states: list[Any]
) -> None:
    shape = recipe.delete_shapes.get(versioned)
    if shape is None:
        shape = recipe.delete_shapes[versioned] = DeleteShape(recipe, versioned)
    lacking: list[int] = []
    matched = change_rows(uow, connection, shape.together, shape.plain, rows, versioned, lacking)
    if matched is None:
        if versioned:
            warn_unverified("DELETE", recipe.table, connection.dialect)
        return
    if versioned:
        check_row_count("DELETE", recipe.table, states, matched, lacking)
    elif matched >= 0 and matched != len(rows) and recipe.mapper.confirm_deleted_rows:
        warnings.warn(
            f"The DELETE of table {recipe.table.name!r} was for {len(rows)} row(s) and has matched {matched}; "
            f"if the database deletes them by itself, set passive_deletes on the relationship, or "
            f"confirm_deleted_rows=False on the mapper",
            SAWarning,
            stacklevel=2,
        )
