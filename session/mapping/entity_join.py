"""JOINs between mapped classes as FROM elements, and the criterion "belongs to this parent".

``select(User).select_from(join(User, Address, User.addresses))``: a Core JOIN whose ON clause may be a
relationship.  ``Select.join()`` has a way of its own, in ``load``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import ArgumentError

from session.core import expressions as sql
from session.core.sql import coercions, roles
from session.exc import UnmappedInstanceError
from session.instrument.attributes import QueryableAttribute
from session.instrument.base import opt_instance_state
from session.mapping.aliased import entity_adapter
from session.mapping.comparators import compared_to
from session.mapping.inspect import entity_of

__all__ = ["EntityJoin", "join", "outerjoin", "with_parent"]


class EntityJoin(sql.Join):
    """A JOIN whose sides may be mapped classes and whose ON clause may be a relationship.

    :param left: a mapped class, alias, selectable or another join.
    :param right: a mapped class, alias or selectable; or a relationship attribute of ``left``.
    :param onclause: a relationship attribute or a condition; by default, the foreign keys decide.
    """

    __visit_name__ = "join"
    inherit_cache = True

    def __init__(
        self,
        left: Any,
        right: Any,
        onclause: Any = None,
        isouter: bool = False,
        full: bool = False,
    ) -> None:
        if onclause is None and _is_relationship(right):
            onclause = right
            right = _target_of(right).entity
        near, far = entity_of(left), entity_of(right)
        left_from = coercions.expect(roles.FromClauseRole, left)
        right_from = coercions.expect(roles.FromClauseRole, right)
        if _is_relationship(onclause):
            parts = _parts(onclause, near, far, right_from)
            onclause = parts.primaryjoin
            if parts.secondary is not None and isouter:
                right_from = sql.Join(parts.secondary, right_from, parts.secondaryjoin)
            elif parts.secondary is not None:
                left_from = sql.Join(left_from, parts.secondary, parts.primaryjoin)
                onclause = parts.secondaryjoin
            super().__init__(left_from, right_from, onclause, isouter, full)
        else:
            super().__init__(left_from, right_from, onclause, isouter, full)
            self._limit_to_class(far)
        propagated = left_from._propagate_attrs or right_from._propagate_attrs
        if propagated:
            self._set_propagate_attrs(propagated)

    def _limit_to_class(self, far: Any) -> None:
        """Add the criterion of single-table inheritance, which a plain ON clause does not have."""
        if far is None:
            return
        criterion = far.mapper.single_criterion()
        if criterion is not None:
            adapt = entity_adapter(far)
            self.onclause = self.onclause & (criterion if adapt is None else adapt(criterion))

    def join(self, right: Any, onclause: Any = None, isouter: bool = False, full: bool = False) -> EntityJoin:
        """Join one thing more."""
        return EntityJoin(self, right, onclause, isouter, full)

    def outerjoin(self, right: Any, onclause: Any = None, full: bool = False) -> EntityJoin:
        """Join one thing more by an outer join."""
        return EntityJoin(self, right, onclause, True, full)


def _is_relationship(what: Any) -> bool:
    return isinstance(what, QueryableAttribute) and what.property.is_relationship


def _target_of(attribute: Any) -> Any:
    return attribute.comparator.entity


def _parts(attribute: Any, near: Any, far: Any, right_from: Any) -> Any:
    """Work out the ON clause of a relationship between the two sides of a join."""
    comparator = attribute.comparator
    source = attribute.parent
    if near is not None and near.is_aliased_class and not source.is_aliased_class and near.mapper.isa(source.mapper):
        source = near
    of_type = comparator._of_type
    target = far if far is not None else of_type
    target_adapter = None if far is not None else sql.ClauseAdapter(right_from).traverse
    return attribute.property.joins_for(
        source,
        target,
        of_type=of_type,
        alias_secondary=True,
        extra_criteria=comparator._extra_criteria,
        target_adapter=target_adapter,
    )


def join(left: Any, right: Any, onclause: Any = None, isouter: bool = False, full: bool = False) -> EntityJoin:
    """Join two mapped classes, aliases or selectables, for ``select_from()``.

    :param left: the left side.
    :param right: the right side.
    :param onclause: a relationship attribute of the left side, or a condition; by default, the foreign keys decide.
    :param isouter: whether it is a LEFT OUTER JOIN.
    :param full: whether it is a FULL OUTER JOIN.
    """
    return EntityJoin(left, right, onclause, isouter, full)


def outerjoin(left: Any, right: Any, onclause: Any = None, full: bool = False) -> EntityJoin:
    """Join two mapped classes, aliases or selectables by a LEFT OUTER JOIN; see :func:`join`."""
    return EntityJoin(left, right, onclause, True, full)


def with_parent(instance: Any, prop: Any, from_entity: Any = None) -> Any:
    """Give the criterion that rows are related to an object by one of its relationships.

    :param instance: the object that has the relationship.
    :param prop: the relationship, as attribute of its class.
    :param from_entity: the alias of the target that the rows come from; by default that of ``of_type()``, else
        the target itself.
    :return: a condition on the target's rows; the object's key is read when the statement is run.
    :raises ArgumentError: if ``prop`` is no relationship attribute.
    :raises UnmappedInstanceError: if ``instance`` is not mapped.

    ::

        select(Address).where(with_parent(user, User.addresses))
    """
    if not _is_relationship(prop):
        raise ArgumentError(f"with_parent() takes a relationship attribute such as User.addresses, not {prop!r}")
    if opt_instance_state(instance) is None:
        raise UnmappedInstanceError(instance)
    prop.parent.mapper.ensure_configured()
    target = entity_of(from_entity) if from_entity is not None else prop.comparator.entity
    return compared_to(prop.property, instance, adapt=entity_adapter(target), obj_is_parent=True)
