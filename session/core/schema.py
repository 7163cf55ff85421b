"""What mapping needs of Core's schema objects and types beyond their public names."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any, Literal

from sqlalchemy import types as sqltypes
from sqlalchemy.schema import Column
from sqlalchemy.sql.elements import Label
from sqlalchemy.sql.schema import SchemaConst
from sqlalchemy.types import NullType, TypeEngine

__all__ = [
    "DEFAULT_TYPES",
    "columns_with",
    "copy_item",
    "has_type",
    "instance_of",
    "is_omitted",
    "merge_into",
    "name_label",
    "nullable_given",
    "refers_to_loose_column",
    "set_type",
    "type_for",
]

#: The SQL type of a Python type, where the user's own map says nothing.
DEFAULT_TYPES: dict[Any, Any] = {
    bool: sqltypes.Boolean(),
    bytes: sqltypes.LargeBinary(),
    datetime.date: sqltypes.Date(),
    datetime.datetime: sqltypes.DateTime(),
    datetime.time: sqltypes.Time(),
    datetime.timedelta: sqltypes.Interval(),
    decimal.Decimal: sqltypes.Numeric(),
    enum.Enum: sqltypes.Enum(enum.Enum),
    float: sqltypes.Double(),
    int: sqltypes.Integer(),
    str: sqltypes.String(),
    uuid.UUID: sqltypes.Uuid(),
    Literal: sqltypes.Enum(enum.Enum),
    type(None): NullType(),
}


def copy_item(item: Any) -> Any:
    """Copy a column or constraint that has no table yet, for one class of several that share it."""
    return item._copy()


def has_type(column: Column[Any]) -> bool:
    """Tell whether the column knows its type."""
    return not column.type._isnull


def set_type(column: Column[Any], type_: Any) -> None:
    """Give a column that has none its type."""
    column._set_type(sqltypes.to_instance(type_))


def nullable_given(column: Column[Any]) -> bool:
    """Tell whether the column was told to be nullable or not, rather than left at the default."""
    return column._user_defined_nullable is not SchemaConst.NULL_UNSPECIFIED


def merge_into(template: Column[Any], column: Column[Any]) -> None:
    """Complete a column with what a template has and it has not."""
    template._merge(column)


def type_for(found: Any, python_type: Any, key: Any, flattened: Any) -> Any:
    """Fit the SQL type that was found for a Python type to that type, as enumerations need.

    :param found: the SQL type, class or object, that stands in the type map.
    :param python_type: the type in the annotation.
    :param key: the entry of the map that was found.
    :param flattened: that entry without its arguments (``Literal`` for ``Literal["a"]``).
    :return: a type object; ``None`` if the entry does not stand for ``python_type``.
    """
    instance: TypeEngine[Any] = sqltypes.to_instance(found)
    return instance._resolve_for_python_type(python_type, key, flattened)


def columns_with(names: Any) -> list[Any]:
    """Return names and columns of an argument that takes either, the columns as columns."""
    return [getattr(name, "__clause_element__", lambda name=name: name)() for name in names]


def name_label(label: Any, key: str) -> None:
    """Have a labelled expression be known under an attribute's name in subqueries.

    :param label: the label of one mapped attribute; a plain column is left as it is.
    """
    if isinstance(label, Label):
        label.key = label._tq_key_label = key


def refers_to_loose_column(column: Column[Any]) -> bool:
    """Tell whether a foreign key of the column was given a column object that belongs to no table."""
    return any(
        isinstance(target := key._colspec, Column) and getattr(target, "table", None) is None
        for key in column.foreign_keys
    )


def instance_of(type_: Any) -> Any:
    """Return an object of a SQL type that is given as a class or as an object."""
    return sqltypes.to_instance(type_)


def is_omitted(column: Any) -> bool:
    """Tell whether a column, a sentinel of inserts for example, stays out of statements."""
    return bool(getattr(column, "_omit_from_statements", False))
