"""What a join condition becomes in use: the WHERE of a lazy load, the ON of a JOIN, a key to look up.

Made from :class:`session.mapping.joins.JoinCondition` once per relationship; read by the loading strategies, by
SELECT translation and by the comparator of the attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam

from session.constants import MANYTOONE
from session.core import expressions as sql
from session.mapping.joins import JoinCondition

__all__ = ["JoinParts", "LazyClause", "identity_pairs", "join_parts", "lazy_clause"]

Adapt = Callable[[Any], Any]


@dataclass(frozen=True)
class LazyClause:
    """The condition by which one object's related rows are found.

    :param criterion: the join condition with parameters in place of the known side's columns.
    :param params: for each parameter its key and the column whose value it takes.
    :param binds: the parameter objects, in the same order.
    """

    criterion: Any
    params: tuple[tuple[str, Any], ...]
    binds: tuple[Any, ...]

    def with_nulls(self, keys: Collection[str]) -> Any:
        """Return the criterion with ``IS NULL`` in place of the parameters that are ``None``.

        :param keys: the keys of those parameters.
        """
        return sql.nulls_compared(self.criterion, keys)


def lazy_clause(condition: JoinCondition, reverse: bool = False) -> LazyClause:
    """Put parameters in place of the columns of the side whose object is known.

    :param condition: the relationship's join condition.
    :param reverse: ``False`` to find the targets of a known parent, ``True`` to find the parents of a known target.
    """
    binds: dict[Any, Any] = {}

    def bind(element: Any) -> Any:
        if not (sql.is_column(element) and known(element)):
            return None
        column = sql.plain(element)
        made = binds.get(column)
        if made is None:
            made = binds[column] = bindparam(None, None, type_=column.type, unique=True)
        return made

    def known(element: Any) -> bool:
        if not reverse:
            return sql.marked(element, "local")
        if condition.secondaryjoin is None:
            return sql.marked(element, "remote")
        return not sql.marked(element, "remote") and condition.target.has(element)

    primary, secondary = condition.primaryjoin, condition.secondaryjoin
    if secondary is None:
        criterion = sql.replace_elements(primary, bind)
    elif reverse:
        criterion = and_(primary, sql.replace_elements(secondary, bind))
    else:
        criterion = and_(sql.replace_elements(primary, bind), secondary)
    return LazyClause(
        criterion,
        tuple((made.key, column) for column, made in binds.items()),
        tuple(binds.values()),
    )


def identity_pairs(condition: JoinCondition, mapper: Any) -> tuple[tuple[Any, Any], ...]:
    """Find out whether the target can be looked up by its primary key alone.

    It can where the relationship is many-to-one and its condition is nothing but an equality, of the
    same kind of value, for each column of the target's primary key.

    :param mapper: the target's mapper.
    :return: the pairs of a local column and a primary key column, in the order of the key; empty if it cannot.
    """
    if condition.direction is not MANYTOONE or condition.secondaryjoin is not None:
        return ()
    found: dict[Any, Any] = {}
    for part in sql.conjuncts(condition.primaryjoin):
        pair = _equated(part)
        if pair is None:
            return ()
        local, far = pair
        key = _key_column(mapper, sql.plain(far))
        if key is None or key in found or not sql.same_affinity(local, key):
            return ()
        found[key] = sql.plain(local)
    if len(found) != len(mapper.primary_key):
        return ()
    return tuple((found[column], column) for column in mapper.primary_key)


def _equated(part: Any) -> tuple[Any, Any] | None:
    """Return local and far column of an equality between the two; ``None`` for any other condition."""
    if not (isinstance(part, sql.BinaryExpression) and sql.is_equality(part)):
        return None
    for local, far in ((part.left, part.right), (part.right, part.left)):
        if sql.is_column(local) and sql.is_column(far) and sql.marked(local, "local") and sql.marked(far, "remote"):
            return local, far
    return None


def _key_column(mapper: Any, column: Any) -> Any:
    """Return the primary key column that a column is, or is always equal to by inheritance."""
    for key in mapper.primary_key:
        if column is key or column in mapper.equivalent_columns.get(key, ()):
            return key
    return None


@dataclass(frozen=True)
class JoinParts:
    """What a JOIN along a relationship is made of; unpacks into its four parts.

    :param primaryjoin: ON condition between the source and the target, or the source and ``secondary``.
    :param secondaryjoin: ON condition between ``secondary`` and the target; ``None`` without a secondary table.
    :param secondary: the secondary table or its alias; ``None`` without one.
    :param target: the selectable to join to.
    """

    primaryjoin: Any
    secondaryjoin: Any
    secondary: Any
    target: Any

    def __iter__(self) -> Any:
        return iter((self.primaryjoin, self.secondaryjoin, self.secondary, self.target))


def join_parts(
    condition: JoinCondition,
    target: Any,
    *,
    adapt_source: Adapt | None = None,
    adapt_target: Adapt | None = None,
    alias_secondary: bool = False,
    criteria: tuple[Any, ...] = (),
) -> JoinParts:
    """Write a join condition in terms of the selectables that are joined.

    :param condition: the relationship's join condition.
    :param target: the selectable to join to.
    :param adapt_source: translates the parent's columns to those of the source, if it is an alias.
    :param adapt_target: translates the target's columns, if it is an alias.
    :param alias_secondary: whether the secondary table takes part under an alias of its own.
    :param criteria: further conditions on the target, already in terms of it.
    """
    primary, secondaryjoin, secondary = condition.primaryjoin, condition.secondaryjoin, condition.secondary
    if secondary is None:
        primary = _adapted(primary, adapt_source, adapt_target)
        return JoinParts(and_(primary, *criteria) if criteria else primary, None, None, target)
    adapt_between: Adapt | None = None
    if alias_secondary:
        secondary = sql.anonymous_alias(secondary, flat=True)
        adapt_between = sql.ClauseAdapter(secondary).traverse
    primary = _adapted(primary, adapt_source, adapt_between)
    secondaryjoin = _adapted(secondaryjoin, adapt_target, adapt_between)
    if criteria:
        secondaryjoin = and_(secondaryjoin, *criteria)
    return JoinParts(primary, secondaryjoin, secondary, target)


def _adapted(join: Any, near: Adapt | None, far: Adapt | None) -> Any:
    """Translate the remote columns of a condition by ``far`` and the others by ``near``."""
    if near is None and far is None:
        return join

    def translate(element: Any) -> Any:
        if near is not None and isinstance(element, (sql.TableClause, sql.Alias)):
            # what a subquery in the condition correlates to
            adapted = near(element)
            return None if adapted is element else adapted
        if not sql.is_column(element):
            return None
        adapt = far if sql.marked(element, "remote") else near
        return element if adapt is None else adapt(element)

    return sql.replace_elements(join, translate)
