"""The table of a class that is mapped declaratively: given, made of its columns, or that of its base.

What comes in is the scan of the class (``scan.py``), which has read its attributes; the table goes back there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.util import warn

from session.core.selectables import note_new_column
from session.instrument.base import opt_manager_of_class
from session.mapping.body import metadata_of
from session.mapping.waiting import scan_of

if TYPE_CHECKING:
    from session.mapping.scan import ClassScan

__all__ = ["table_for"]


def table_for(scan: ClassScan) -> Any:
    """Return the table of a class, ``None`` for a class that shares its base's table, which gets its columns then.

    :raises sqlalchemy.exc.InvalidRequestError: it has none, and no base that has one.
    :raises sqlalchemy.exc.ArgumentError: its columns or ``__table_args__`` do not fit the table.
    """
    columns = [column for _, _, column in sorted(scan.table_columns, key=lambda entry: entry[:2])]
    given = scan.settings.get("__table__")
    if given is not None:
        _check_against(scan, given, columns)
        return given
    _warn_of_doubles(scan, columns)
    name = scan.settings.get("__tablename__")
    if name is not None:
        table = _make_table(scan, name, columns)
        if table is not None:  # a __table_cls__ may leave a class to the table of its base
            return table
    if scan.base is None:
        raise InvalidRequestError(
            f"Class {scan.cls.__name__} has no table: give it a __tablename__ or a __table__, or mark it "
            f"__abstract__ = True"
        )
    if scan.settings.get("__table_args__") and scan.setting_origins["__table_args__"] is scan.cls:
        raise ArgumentError(
            f"Class {scan.cls.__name__} shares the table of {scan.base.__name__}, so it cannot have "
            f"__table_args__; give it a __tablename__ of its own, or put them on the base"
        )
    _extend_inherited_table(scan, scan.base, columns)
    return None


def _make_table(scan: ClassScan, name: str, columns: list[Any]) -> Any:
    arguments = scan.settings.get("__table_args__") or ()
    keywords: dict[str, Any] = {}
    items: tuple[Any, ...] = ()
    if isinstance(arguments, Mapping):
        keywords = dict(arguments)
    elif isinstance(arguments, (tuple, list)):
        items = tuple(arguments)
        if items and isinstance(items[-1], Mapping):
            keywords, items = dict(items[-1]), items[:-1]
    else:
        raise ArgumentError(
            f"The __table_args__ of {scan.cls.__name__} are a tuple, a dictionary, or a tuple that ends in a "
            f"dictionary; not {arguments!r}"
        )
    items = tuple(scan.copies.get(item, item) if isinstance(item, Column) else item for item in items)
    make = getattr(scan.cls, "__table_cls__", Table)
    return make(name, metadata_of(scan.cls) or scan.registry.metadata, *columns, *items, **keywords)


def _check_against(scan: ClassScan, table: Any, columns: list[Any]) -> None:
    for column in columns:
        if not table.c.contains_column(column) and column.table is None:
            raise ArgumentError(
                f"Class {scan.cls.__name__} has a __table__, so it cannot add the column {column.name!r} to it; "
                f"put it into the Table, or use __tablename__"
            )


def _warn_of_doubles(scan: ClassScan, columns: list[Any]) -> None:
    keys: dict[str, Any] = {}
    for column in columns:
        if column.key in keys and keys[column.key] is not column:
            warn(
                f"Class {scan.cls.__name__} has several attributes for the column {column.key!r}; the last one "
                f"declared counts"
            )
        keys[column.key] = column


def _extend_inherited_table(scan: ClassScan, base: type[Any], columns: list[Any]) -> None:
    """Single-table inheritance: the columns of the class go into its base's table."""
    manager = opt_manager_of_class(base)
    parent = None if manager is None else manager.mapper
    table = _shared_table(base) if parent is None else parent.local_table
    for column in columns:
        if not isinstance(table, Table):
            raise ArgumentError(
                f"Class {scan.cls.__name__} cannot add the column {column.name!r} to what it shares with "
                f"{base.__name__}, which is no Table"
            )
        present = table.c.get(column.key)
        if present is column:
            continue
        if present is not None:
            raise ArgumentError(
                f"The column {column.name!r} of {scan.cls.__name__} meets a column of that name in the table "
                f"{table.name!r} that it shares with {base.__name__}; use "
                f"mapped_column(use_existing_column=True), or name it differently"
            )
        table.append_column(column)
        if parent is not None and parent.persist_selectable is not table:
            note_new_column(parent.persist_selectable, column)


def _shared_table(base: type[Any]) -> Any:
    """Return the table of a waiting class: its own, or the one that it shares in its turn."""
    scan = scan_of(base)
    if scan is None or scan.table is not None:
        return getattr(base, "__table__", None)
    return None if scan.base is None else _shared_table(scan.base)
