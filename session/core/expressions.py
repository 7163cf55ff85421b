"""Taking SQL expressions apart, marking and rewriting them: what relationships and aliases need of Core.

Core's elements carry *notes* (annotations).  A relationship marks the columns of its join condition with them:
``foreign``, ``remote``, ``local``.  Next on the way: ``mapping/joins.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.annotation import _deep_deannotate
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    ColumnElement,
    Grouping,
)
from sqlalchemy.sql.selectable import Alias, FromClause, Join, TableClause
from sqlalchemy.sql.util import ClauseAdapter, ColumnAdapter, join_condition, selectables_overlap
from sqlalchemy.util import column_set

__all__ = [
    "Alias",
    "BinaryExpression",
    "ClauseAdapter",
    "ColumnAdapter",
    "ColumnElement",
    "FromClause",
    "Join",
    "TableClause",
    "anonymous_alias",
    "column_set",
    "columns_in",
    "comparisons",
    "conjuncts",
    "has_note",
    "has_values",
    "is_column",
    "is_equality",
    "join_condition",
    "mark",
    "mark_columns",
    "marked",
    "nulls_compared",
    "on_clauses",
    "plain",
    "replace_elements",
    "rewrite_comparisons",
    "same_affinity",
    "selectables_overlap",
    "unreplaced",
    "value_bind",
    "with_binds",
    "without_entity_notes",
    "without_notes",
]

_ENTITY_NOTES = ("parententity", "parentmapper", "entity_namespace", "proxy_key", "deannotate_key")


def marked(element: Any, note: str) -> bool:
    """Tell whether an element carries a note."""
    return note in element._annotations


def mark(element: Any, *notes: str) -> Any:
    """Return a copy of an element with more notes, each ``True``."""
    return element._annotate(dict.fromkeys(notes, True))


def plain(element: Any) -> Any:
    """Return the element as it was before any note was put on it."""
    return element._deannotate()


def without_notes(expression: Any, notes: Collection[str]) -> Any:
    """Return a copy of an expression in which no element has any of the notes."""
    return _deep_deannotate(expression, values=tuple(notes))


def without_entity_notes(expression: Any) -> Any:
    """Return a copy of an expression that no longer says from which mapped class its columns were read."""
    return _deep_deannotate(expression, values=_ENTITY_NOTES)


def has_note(expression: Any, note: str) -> bool:
    """Tell whether any element of an expression carries a note."""
    return expression is not None and any(note in element._annotations for element in visitors.iterate(expression))


def has_values(selectable: Any) -> bool:
    """Tell whether a FROM element has bound values in it; tables, and joins of tables, are taken to have none."""
    if isinstance(getattr(selectable, "element", selectable), (TableClause, Join)):
        return False
    return any(isinstance(element, BindParameter) for element in visitors.iterate(selectable))


def is_column(element: Any) -> bool:
    """Tell whether an element is a column of some selectable, rather than an expression."""
    return isinstance(element, ColumnClause)


def columns_in(expression: Any, note: str | None = None) -> Iterator[Any]:
    """Yield the column elements of an expression, as they stand in it.

    :param note: only those that carry this note.
    """
    for element in visitors.iterate(expression):
        if isinstance(element, ColumnElement):
            if note is None:
                if isinstance(element, ColumnClause):
                    yield element
            elif note in element._annotations:
                yield element


def replace_elements(expression: Any, replacement: Callable[[Any], Any]) -> Any:
    """Return a copy of an expression with some elements replaced.

    Parameters that are kept keep their keys, too.

    :param replacement: given each element; the element to stand in its place, or ``None`` to keep it.
    """

    def decide(element: Any, **_: Any) -> Any:
        found = replacement(element)
        return element if found is None and isinstance(element, BindParameter) else found

    return visitors.replacement_traverse(expression, {}, decide)


def mark_columns(expression: Any, note: str, wanted: Callable[[Any], bool]) -> Any:
    """Return a copy of an expression in which certain columns carry a note.

    :param wanted: tells of a column element whether it is one.
    """

    def put(element: Any) -> Any:
        if isinstance(element, ColumnElement) and not marked(element, note) and wanted(element):
            return mark(element, note)
        return None

    return replace_elements(expression, put)


def rewrite_comparisons(expression: Any, rewrite: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    """Return a copy of an expression with the two sides of each of its binary operations rewritten.

    :param rewrite: given left and right side, returns the new ones.
    """

    def visit(binary: Any) -> None:
        binary.left, binary.right = rewrite(binary.left, binary.right)

    return visitors.cloned_traverse(expression, {}, {"binary": visit})


def comparisons(expression: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield ``(operation, left column, right column)`` for each pair of columns that is compared.

    Where a side is an expression over several columns, each of them is paired with each of the other side.
    """
    waiting = [expression]
    while waiting:
        element = waiting.pop(0)
        if isinstance(element, BinaryExpression) and operators.is_comparison(element.operator):
            lefts, rights = list(columns_in(element.left)), list(columns_in(element.right))
            for left in lefts:
                for right in rights:
                    yield element, left, right
            if lefts and rights:
                continue
        waiting[:0] = [child for child in element.get_children() if not isinstance(child, FromClause)]


def is_equality(operation: Any) -> bool:
    """Tell whether a binary operation is ``=``."""
    return operation.operator is operators.eq


def conjuncts(expression: Any) -> Iterator[Any]:
    """Yield the conditions that an expression joins by AND; itself if it joins none."""
    waiting = [expression]
    while waiting:
        element = waiting.pop(0)
        if isinstance(element, Grouping):
            waiting.insert(0, element.element)
        elif isinstance(element, BooleanClauseList) and element.operator is operators.and_:
            waiting[:0] = list(element.clauses)
        else:
            yield element


def on_clauses(selectable: Any) -> tuple[Any, ...]:
    """Return the conditions of the joins that a FROM element consists of; none of a table."""
    if not isinstance(selectable, Join):
        return ()
    return (*on_clauses(selectable.left), *on_clauses(selectable.right), selectable.onclause)


def nulls_compared(expression: Any, binds: Collection[Any]) -> Any:
    """Return a copy of an expression in which ``x = :bind`` is ``x IS NULL`` for the given parameters.

    :param binds: keys of the bind parameters whose value is ``NULL``.
    """

    def is_null_bind(element: Any) -> bool:
        return isinstance(element, BindParameter) and element.key in binds

    def put(element: Any) -> Any:
        if not isinstance(element, BinaryExpression) or element.operator not in (operators.eq, operators.ne):
            return None
        if is_null_bind(element.left):
            compared = element.right
        elif is_null_bind(element.right):
            compared = element.left
        else:
            return None
        return compared.is_(None) if element.operator is operators.eq else compared.is_not(None)

    return replace_elements(expression, put)


def with_binds(expression: Any, values: Mapping[str, Callable[[], Any]]) -> Any:
    """Return a copy of an expression whose parameters ask for their values when the statement is run.

    :param values: by the key of a parameter, the function that gives its value.
    """

    def put(element: Any) -> Any:
        if isinstance(element, BindParameter) and element.key in values:
            return BindParameter(None, callable_=values[element.key], type_=element.type, unique=True)
        return None

    return replace_elements(expression, put)


def same_affinity(one: Any, other: Any) -> bool:
    """Tell whether two columns hold the same kind of value, so that one's value can look the other's up."""
    return bool(one.type._compare_type_affinity(other.type))


def anonymous_alias(selectable: Any, *, flat: bool = False, name: str | None = None) -> Any:
    """Return an alias of a selectable; a join becomes a subquery, or with ``flat`` a join of aliases."""
    return selectable._anonymous_fromclause(name=name, flat=flat)


def value_bind(column: Any, read: Callable[[], Any]) -> Any:
    """Return a parameter of a column's name and type that asks for its value when the statement is run."""
    return BindParameter(column.key, callable_=read, type_=column.type, unique=True)


def unreplaced(expression: Any) -> Any:
    """Mark an expression so that an adaption of the statement around it leaves it as it is."""
    return expression._annotate({"no_replacement_traverse": True})
