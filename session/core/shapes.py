"""Which parts of Core's SELECT the hot module ``shapes`` can read, and the marks on what is there for good.

In: a SELECT.  Out: its shape and its parameters, or ``None`` where only Core's cache key will do.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy.sql.cache_key import NO_CACHE
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ExpressionClauseList,
    False_,
    Grouping,
    Label,
    Null,
    True_,
    UnaryExpression,
    _label_reference,
)
from sqlalchemy.sql.selectable import Select, _OffsetLimitParam
from sqlalchemy.sql.type_api import BOOLEANTYPE

from session._accel import shapes as hot

__all__ = ["FIELDS", "KINDS", "lasting", "shape_of"]

_T = TypeVar("_T")

#: What an element's key consists of, by its class; a test holds this against Core's own account of it.
KINDS: dict[type, int] = {
    BinaryExpression: hot.BINARY,
    BindParameter: hot.PARAMETER,
    BooleanClauseList: hot.LIST,
    ExpressionClauseList: hot.LIST,
    False_: hot.CONSTANT,
    Grouping: hot.GROUP,
    Label: hot.LABEL,
    Null: hot.CONSTANT,
    True_: hot.CONSTANT,
    UnaryExpression: hot.UNARY,
    _OffsetLimitParam: hot.PARAMETER,
    _label_reference: hot.GROUP,
}

#: The attributes that a SELECT with a shape may have, the most frequent first.
FIELDS: tuple[tuple[str, int], ...] = (
    ("_propagate_attrs", hot.SUBJECT),
    ("_label_style", hot.LASTING),
    ("_raw_columns", hot.ELEMENTS),
    ("_where_criteria", hot.ELEMENTS),
    ("_from_obj", hot.ELEMENTS),
    ("_having_criteria", hot.ELEMENTS),
    ("_order_by_clauses", hot.ELEMENTS),
    ("_group_by_clauses", hot.ELEMENTS),
    ("_setup_joins", hot.JOINS),
    ("_limit_clause", hot.ELEMENT),
    ("_offset_clause", hot.ELEMENT),
    ("_fetch_clause", hot.NOTHING),
    ("_fetch_clause_options", hot.NOTHING),
    ("_distinct", hot.FLAG),
    ("dialect_options", hot.EMPTY),
    ("_execution_options", hot.IGNORED),
    ("_generate_cache_key", hot.IGNORED),
    ("_memoized_keys", hot.IGNORED),
)

_reader = hot.ShapeReader(KINDS, FIELDS, BOOLEANTYPE, NO_CACHE)


def lasting(element: _T) -> _T:
    """Mark something that statements are made of as there for good: the same object in all of them.

    :param element: the SQL expression of a mapped class or attribute, made once; or the attribute.
    :return: the element.
    """
    element.__dict__[hot.MARK] = hot.Mark(element)
    return element


def shape_of(statement: Any) -> tuple[tuple[Any, ...], list[Any]] | None:
    """Give the shape of a SELECT, and its parameters in the order in which they stand.

    :param statement: any statement.
    :return: ``None`` for what is no SELECT, or one with something in it that has no shape.
    """
    return _reader.read(statement) if type(statement) is Select else None
