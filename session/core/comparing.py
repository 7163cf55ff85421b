"""Which comparisons of a column with a value can be made by copying an earlier one.

In: a column expression, an operator, a value, and what Core has made of them.  Out: a pattern for the hot module
``comparisons``, where nothing in Core's result depends on more of the value than its type.  Columns, types and
operators whose behaviour somebody has changed are left to Core each time.
"""

from __future__ import annotations

import datetime
import decimal
import operator
import uuid
from typing import Any

from sqlalchemy.schema import Column
from sqlalchemy.sql.annotation import annotated_classes
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, _anonymous_label
from sqlalchemy.sql.operators import _OPERATOR_CLASSES, ColumnOperators
from sqlalchemy.types import NULLTYPE, TupleType, TypeDecorator, TypeEngine

from session._accel import comparisons as hot

__all__ = ["comparisons_of"]

_METHODS = {
    operator.eq: "__eq__",
    operator.ne: "__ne__",
    operator.lt: "__lt__",
    operator.le: "__le__",
    operator.gt: "__gt__",
    operator.ge: "__ge__",
}

_PLAIN_TYPES = frozenset(
    {
        int,
        float,
        str,
        bytes,
        decimal.Decimal,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        uuid.UUID,
    }
)
"""Types of values of which Core makes a parameter, whatever the value."""

_COMPARISON = {
    "_is_implicitly_boolean",
    "_orig",
    "_propagate_attrs",
    "left",
    "modifiers",
    "negate",
    "operator",
    "right",
    "type",
}
_PARAMETER = {
    "_anon_map_key",
    "_identifying_key",
    "_orig_key",
    "callable",
    "expand_op",
    "expanding",
    "isoutparam",
    "key",
    "literal_execute",
    "required",
    "type",
    "unique",
    "value",
}


def comparisons_of(expression: Any) -> Any:
    """Give what makes the comparisons of a column.

    :param expression: the SQL of a mapped attribute.
    :return: ``Comparisons``; ``None`` where all of them are left to Core.
    """
    if type(expression) is not annotated_classes.get(Column) or not _compares_as_core(expression):
        return None
    return hot.Comparisons(expression, _pattern_of)


def _compares_as_core(expression: Any) -> bool:
    """Tell whether the column's type has the comparisons that Core gives to all types."""
    comparator, type_ = type(expression.comparator), type(expression.type)
    coerce = getattr(type_.coerce_compared_value, "__module__", "")
    return (
        expression.type is not NULLTYPE
        and not issubclass(type_, TupleType)
        and coerce.startswith("sqlalchemy.")
        and comparator.operate in (TypeEngine.Comparator.operate, TypeDecorator.Comparator.operate)
        and comparator._resolve_operator_lookup is TypeEngine.Comparator._resolve_operator_lookup
        and all(getattr(comparator, name) is getattr(ColumnOperators, name) for name in _METHODS.values())
    )


def _pattern_of(expression: Any, op: Any, value: Any, made: Any) -> hot.Pattern | None:
    """Take a comparison apart, if others with values of the same type differ from it in the value only."""
    if type(value) not in _PLAIN_TYPES or op not in _METHODS:
        return None
    if not _OPERATOR_CLASSES[op] & expression.type.operator_classes:
        return None  # Core warns of it each time
    if type(made) is not BinaryExpression or made.left is not expression or made.__dict__.keys() != _COMPARISON:
        return None
    parameter = made.right
    if type(parameter) is not BindParameter or parameter.__dict__.keys() != _PARAMETER or made.modifiers:
        return None
    # any other type was chosen for this value
    if parameter.type is not expression.type or parameter.value is not value:
        return None
    address, _, body = str(parameter._anon_map_key).partition(" ")
    label = parameter.key
    if address != str(id(parameter)) or type(label) is not _anonymous_label or label.quote is not None:
        return None
    if label != f"%({address} {body})s" or made._orig != (hash(expression), hash(parameter)):
        return None
    return hot.Pattern(made, body)
