"""``join()`` and its relatives: mapped classes and relationships become Core joins.

In: the join requests of a statement, in the order they were made.  Out: the list of FROM clauses with
the joins in place.  The left side is the one that was given, the class a relationship is read from,
or the one FROM clause that the right side can be joined to.  Next on the way: ``load/compile.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.selectable import Join
from sqlalchemy.util import warn_deprecated

from session.core import selects
from session.load.entities import entity_of
from session.mapping.aliased import aliased

__all__ = ["JoinList"]


class JoinList:
    """The FROM clauses of a statement while its joins are put in place.

    :param builder: the statement that is being built.
    :param froms: what ``select_from()`` was given.
    """

    def __init__(self, builder: Any, froms: Sequence[Any]) -> None:
        self.builder = builder
        self.froms: list[Any] = list(froms)
        self.edges: set[tuple[Any, Any, Any]] = set()

    def add(self, request: selects.JoinRequest, parts: Sequence[Any]) -> None:
        """Carry out one request.

        :param parts: the parts of the columns clause at the time of the request: what may be joined from.
        :raises InvalidRequestError: no left side, or several, can be found.
        :raises ArgumentError: the target is no entity.
        """
        right, onclause, left = request.right, request.onclause, request.left
        attribute = None
        if _is_attribute(right):
            _need_relationship(right)
            attribute, right = right, None
            if onclause is not None:
                raise InvalidRequestError(
                    f"join({attribute}) states its ON clause by itself; give the target class and an ON clause, "
                    f"or add conditions with {attribute}.and_(...)"
                )
        elif _is_attribute(onclause):
            _need_relationship(onclause)
            attribute, onclause = onclause, None
        target = self.target_of(right, attribute)
        if attribute is not None:
            self.along_relationship(attribute, target, left, request, parts)
        else:
            self.to_target(right, target, onclause, left, request, parts)

    def target_of(self, right: Any, attribute: Any) -> Any:
        """Find the entity on the right side, ``None`` if it is a plain FROM element.

        :raises InvalidRequestError: the relationship leads somewhere else.
        """
        if attribute is None:
            return entity_of(right)
        narrowed = attribute._of_type
        related = attribute.property.entity if narrowed is None else _entity(narrowed)
        target = related if right is None else entity_of(right)
        if target is None:
            return _alias_over(right, related.mapper, attribute)
        if target.mapper.base_mapper is not attribute.property.mapper.base_mapper:
            raise InvalidRequestError(
                f"Cannot join to {target} along {attribute}, which leads to {attribute.property.mapper}"
            )
        return target

    def along_relationship(
        self, attribute: Any, target: Any, left: Any, request: selects.JoinRequest, parts: Sequence[Any]
    ) -> None:
        """Join along a relationship, over its secondary table if it has one."""
        source = attribute.parent if left is None else _source_of(attribute, left)
        prop = attribute.property
        edge = (source, target, prop)
        if edge in self.edges:
            return
        self.edges.add(edge)
        primary, secondary_on, secondary, _ = prop.joins_for(
            source,
            target,
            of_type=attribute._of_type,
            alias_secondary=True,
            extra_criteria=attribute._extra_criteria,
        )
        right = target.selectable
        index, start = self.place(source.selectable, parts)
        _need_other_tables(start, target)
        outer = request.isouter or request.full
        if secondary is None:
            joined = Join(
                start, right, self.limited(primary, target, False), isouter=request.isouter, full=request.full
            )
        elif outer:
            inner = Join(secondary, right, self.limited(secondary_on, target, False))
            joined = Join(start, inner, primary, isouter=request.isouter, full=request.full)
        else:
            joined = Join(Join(start, secondary, primary), right, self.limited(secondary_on, target, False))
        self.put(index, joined, target)

    def to_target(
        self,
        right: Any,
        target: Any,
        onclause: Any,
        left: Any,
        request: selects.JoinRequest,
        parts: Sequence[Any],
    ) -> None:
        """Join to a class or FROM element by an ON clause, or by foreign keys."""
        selectable = selects.plain(right) if target is None else target.selectable
        if left is not None:
            explicit = _selectable(left)
            index, start = self.place(explicit, parts)
            if onclause is None:
                onclause = selects.join_between(explicit, selectable)
        else:
            index, start = self.implicit(selectable, onclause, parts, right)
        if onclause is None:
            onclause = Join(start, selectable).onclause
        if target is not None:
            _need_other_tables(start, target)
            onclause = self.limited(onclause, target)
        self.put(index, Join(start, selectable, onclause, isouter=request.isouter, full=request.full), target)

    def limited(self, onclause: Any, target: Any, with_single: bool = True) -> Any:
        """Add what every use of an entity is limited by: single-table inheritance, loader criteria."""
        criteria = self.builder.criteria_of(target, with_single)
        return and_(onclause, *criteria) if criteria else onclause

    def put(self, index: int | None, joined: Any, target: Any) -> None:
        if index is None:
            self.froms.append(joined)
        else:
            self.froms[index] = joined
        if target is not None:
            self.builder.joined_entities.append(target)

    def place(self, left: Any, parts: Sequence[Any]) -> tuple[int | None, Any]:
        """Find the FROM clause that contains a left side that is known.

        :return: its index (``None``: a new one) and the clause itself.
        """
        found = selects.matching_sides(self.froms, left)
        if len(found) > 1:
            raise InvalidRequestError(
                f"Cannot join from {left}: it stands in {len(found)} FROM clauses of the statement; "
                "give the ON clause in terms of an alias that stands in one"
            )
        if found:
            return found[0], self.froms[found[0]]
        for part in parts:
            selectable = getattr(part, "selectable", None)
            if selectable is not None and (selectable is left or left in set(selects.surface(selectable))):
                return None, selectable
        return None, left

    def implicit(self, right: Any, onclause: Any, parts: Sequence[Any], target: Any) -> tuple[int | None, Any]:
        """Find the one FROM clause that the right side can be joined to."""
        if self.froms:
            found = selects.joinable_sides(self.froms, right, onclause)
            if len(found) == 1:
                return found[0], self.froms[found[0]]
            candidates: list[Any] = self.froms
        else:
            candidates = []
            for part in parts:
                entity = part.entity
                sides = [entity.selectable] if entity is not None else part.froms
                candidates.extend(side for side in sides if side not in candidates)
            if not candidates:
                for criterion in self.builder.parts_read.where:
                    candidates.extend(each for each in selects.from_objects(criterion) if each not in candidates)
            found = selects.joinable_sides(candidates, right, onclause)
            if len(found) == 1:
                return None, candidates[found[0]]
        shown = entity_of(target) if entity_of(target) is not None else target
        if len(found) > 1:
            names = ", ".join(str(candidates[each]) for each in found)
            raise InvalidRequestError(
                f"Can't tell which FROM clause to join {shown} to: {names} all would do. "
                "Say which with select_from() or join_from(), and give the ON clause if needed"
            )
        raise InvalidRequestError(
            f"Don't know how to join to {shown}: no FROM clause of the statement is connected to it by a foreign key. "
            "Give the left side with select_from() or join_from(), and the ON clause as second argument"
        )


def _source_of(attribute: Any, left: Any) -> Any:
    """Give the entity that a relationship is joined from: the left side, which has to have the relationship.

    :raises InvalidRequestError: it has not.
    """
    source, given = attribute.parent, entity_of(left)
    if given is source:
        return source
    if given is None or given.is_aliased_class or source.is_aliased_class or not given.mapper.isa(source.mapper):
        raise InvalidRequestError(
            f"Cannot join from {selects.plain(left) if given is None else given} along {attribute}, which is a "
            f"relationship of {source}; give the relationship as an attribute of the left side"
        )
    return given


def _alias_over(element: Any, mapper: Any, attribute: Any) -> Any:
    """Give the entity that reads a related class from a table or subquery.

    :raises InvalidRequestError: it has no rows of that class.
    """
    selectable = selects.plain(element)
    if not selectable.is_derived_from(mapper.local_table):
        raise InvalidRequestError(f"Cannot join to {selectable} along {attribute}: it is not derived from {mapper}")
    warn_deprecated(
        f"An alias of {mapper} is made for a table or subquery that is joined along {attribute}; make it with "
        "aliased(), and use it in the rest of the statement",
        "1.4",
        code="xaj1",
    )
    return selects.inspect_entity(aliased(mapper, selectable))


def _is_attribute(element: Any) -> bool:
    return getattr(element, "is_attribute", False) is True


def _need_relationship(attribute: Any) -> None:
    if not getattr(attribute.property, "is_relationship", False):
        raise ArgumentError(f"Cannot join to {attribute}: it is no relationship; join to a class or a relationship")


def _need_other_tables(left: Any, target: Any) -> None:
    """Refuse a join to an entity whose tables stand on the left side already: no database could tell them apart."""
    names = {each for each in selects.surface(left) if not isinstance(each, Join)}
    if not names.isdisjoint(selects.surface(target.selectable)):
        name = target.mapper.class_.__name__
        raise InvalidRequestError(
            f"Cannot join to {name}: the statement selects from its tables already. Join to an alias, "
            f"aliased({name}, flat=True), by relationship.of_type(alias) or with an ON clause, and use the alias "
            "in the rest of the statement",
            code="xaj2",
        )


def _entity(thing: Any) -> Any:
    """Give the entity of a class, alias or entity."""
    if getattr(thing, "is_mapper", False) or getattr(thing, "is_aliased_class", False):
        return thing
    return selects.inspect_entity(thing)


def _selectable(element: Any) -> Any:
    entity = entity_of(element)
    return selects.plain(element) if entity is None else entity.selectable
