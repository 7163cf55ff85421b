"""What mapping needs of Core's schema objects and types beyond their public names."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any, Literal

from sqlalchemy import types as sqltypes
from sqlalchemy.schema import Column
from sqlalchemy.sql.schema import SchemaConst
from sqlalchemy.types import NullType, TypeEngine

__all__ = [
    "DEFAULT_TYPES",
    "columns_with",
    "copy_item",
    "has_type",
    "merge_into",
    "nullable_given",
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
