"""The SQL of a relationship attribute: comparison with objects, EXISTS, and the ON condition itself.

``Address.user == u``, ``User.addresses.any(...)``, ``User.addresses.contains(a)``.  What comes in is a relationship
and the entity through which it is read; what goes out are plain Core expressions.  The conditions themselves come
from ``joining.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import and_, exists, or_
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.util import warn

from session.constants import (
    INIT_OK,
    MANYTOONE,
    NO_VALUE,
    PASSIVE_NO_FETCH,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
)
from session.core import expressions as sql
from session.core.limiting import mark_related
from session.core.sql import coercions, propagate, roles
from session.exc import UnmappedColumnError
from session.instrument.base import opt_instance_state, state_label
from session.instrument.comparator import PropComparator
from session.mapping.aliased import alias_of, entity_adapter
from session.mapping.inspect import entity_of

__all__ = ["RelationshipComparator", "compared_to", "value_reader"]


class RelationshipComparator(PropComparator):
    """Builds the SQL of a relationship attribute; subclass it and pass it as ``comparator_factory`` to change it.

    :param prop: the relationship.
    :param parentmapper: the mapper through which it is read.
    :param adapt_to_entity: the aliased entity, if it is read through one.
    :param of_type: the subclass or alias that it is directed to.
    :param extra_criteria: further conditions of its ON clause.
    """

    __slots__ = ("_extra_criteria", "_of_type")

    def __init__(
        self,
        prop: Any,
        parentmapper: Any,
        adapt_to_entity: Any = None,
        of_type: Any = None,
        extra_criteria: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(prop, parentmapper, adapt_to_entity)
        self._of_type = of_type
        self._extra_criteria = extra_criteria

    def _variant(self, **changes: Any) -> RelationshipComparator:
        kept = {
            "adapt_to_entity": self._adapt_to_entity,
            "of_type": self._of_type,
            "extra_criteria": self._extra_criteria,
        }
        return type(self)(self.prop, self._parententity, **{**kept, **changes})

    def adapt_to_entity(self, adapt_to_entity: Any) -> RelationshipComparator:
        return self._variant(adapt_to_entity=adapt_to_entity)

    @property
    def entity(self) -> Any:
        """The mapper or aliased entity that the relationship leads to."""
        self.prop.parent.ensure_configured()
        return self.prop.entity if self._of_type is None else self._of_type

    @property
    def mapper(self) -> Any:
        """The mapper that the relationship leads to."""
        return self.entity.mapper

    # -- variants ------------------------------------------------------------------------

    def of_type(self, class_: Any) -> RelationshipComparator:
        """Direct the relationship to a subclass of its target, or to an alias.

        :raises ArgumentError: if ``class_`` is not mapped.
        """
        entity = entity_of(class_)
        if entity is None:
            raise ArgumentError(f"{self.prop}.of_type() takes a mapped class or an alias of one, not {class_!r}")
        return self._variant(of_type=entity)

    def and_(self, *criteria: Any) -> RelationshipComparator:
        """Add conditions to the ON clause of the relationship."""
        more = tuple(coercions.expect(roles.WhereHavingRole, criterion) for criterion in criteria)
        return self._variant(extra_criteria=self._extra_criteria + more)

    # -- the ON condition ----------------------------------------------------------------

    def __clause_element__(self) -> Any:
        parts = self._parts(self._of_type)
        if parts.secondaryjoin is None:
            condition = parts.primaryjoin
        else:
            condition = and_(parts.primaryjoin, parts.secondaryjoin)
        return propagate(condition, self._parententity)

    def _parts(self, target: Any, alias_secondary: bool = True) -> Any:
        self.prop.parent.ensure_configured()
        return self.prop.joins_for(
            self._parententity,
            target,
            of_type=self._of_type,
            alias_secondary=alias_secondary,
            extra_criteria=self._extra_criteria,
        )

    # -- EXISTS --------------------------------------------------------------------------

    def any(self, criterion: Any = None, **kwargs: Any) -> Any:
        """EXISTS (SELECT 1 FROM related rows ..), for a collection.

        :param criterion: a condition on the related rows.
        :param kwargs: attributes of the target with the value that each must have.
        :raises InvalidRequestError: if the relationship is no collection.
        """
        if not self._configured().uselist:
            raise InvalidRequestError(f"{self.prop} refers to one object; use has() in place of any()")
        return self._exists(criterion, kwargs)

    def has(self, criterion: Any = None, **kwargs: Any) -> Any:
        """EXISTS (SELECT 1 FROM the related row ..), for a reference to one object.

        :param criterion: a condition on the related row.
        :param kwargs: attributes of the target with the value that each must have.
        :raises InvalidRequestError: if the relationship is a collection.
        """
        if self._configured().uselist:
            raise InvalidRequestError(f"{self.prop} is a collection; use any() in place of has()")
        return self._exists(criterion, kwargs)

    def _configured(self) -> Any:
        prop = self.prop
        if not prop._configure_finished:
            prop.parent.ensure_configured()
        return prop

    def _exists(self, criterion: Any = None, keywords: dict[str, Any] | None = None) -> Any:
        """Build the EXISTS; the target takes an alias where its table is in use around it already."""
        prop = self._configured()
        target = self.entity
        to_itself = prop.mapper.common_parent(prop.parent)
        taken = to_itself and not target.is_aliased_class and self._adapt_to_entity is None
        if taken:
            target = alias_of(target)
        parts = prop.joins_for(self._parententity, target, of_type=self._of_type, alias_secondary=taken)
        conditions = [parts.primaryjoin]
        if parts.secondaryjoin is not None:
            conditions.append(parts.secondaryjoin)
        wanted = [] if criterion is None else [coercions.expect(roles.WhereHavingRole, criterion)]
        for key, value in (keywords or {}).items():
            wanted.append(getattr(prop.mapper.class_ if taken else target.entity, key) == value)
        if taken:
            adapt = target.adapt
        else:
            adapt = None if target.is_aliased_class else entity_adapter(target)
        for condition in wanted:
            conditions.append(sql.unreplaced(condition if adapt is None else adapt(condition)))
        tables = [parts.target] if parts.secondary is None else [parts.target, parts.secondary]
        return (
            exists(1)
            .where(and_(*conditions))
            .select_from(mark_related(parts.target, target), *tables[1:])
            .correlate_except(*tables)
        )

    # -- comparison ----------------------------------------------------------------------

    def __eq__(self, other: Any) -> Any:
        """``IS NULL`` or NOT EXISTS for ``None``; the foreign key against the key of an object."""
        prop = self._configured()
        if _is_null(other):
            return self._compared(None) if prop.direction is MANYTOONE else ~self._exists()
        if prop.uselist:
            raise self._collection_compared()
        return self._compared(other)

    def __ne__(self, other: Any) -> Any:
        """``IS NOT NULL`` or EXISTS for ``None``; for an object, everything that does not refer to it."""
        prop = self._configured()
        if _is_null(other):
            return ~self._compared(None) if prop.direction is MANYTOONE else self._exists()
        if prop.uselist:
            raise self._collection_compared()
        return self._differs_from(other)

    __hash__ = object.__hash__

    def _collection_compared(self) -> InvalidRequestError:
        return InvalidRequestError(
            f"{self.prop} is a collection, which cannot be compared with an object or a collection; "
            f"test for one member with contains()"
        )

    def contains(self, other: Any, **kwargs: Any) -> Any:
        """Test whether an object is a member of the collection.

        For one-to-many this compares the parent's key with the foreign key that the object holds; for many-to-many
        it adds the secondary table to the FROM list.

        :param other: a mapped object.
        :raises InvalidRequestError: if the relationship is no collection.
        :raises ArgumentError: if ``other`` is no mapped object.
        """
        prop = self._configured()
        if not prop.uselist:
            raise InvalidRequestError(f"{prop} refers to one object; compare it by == in place of contains()")
        condition = self._compared(other)
        if prop.secondaryjoin is not None:
            condition.negation_clause = self._differs_from(other)
        return condition

    def _compared(self, obj: Any) -> Any:
        return compared_to(self.prop, obj, adapt=self.adapter or entity_adapter(self._parententity))

    def _differs_from(self, obj: Any) -> Any:
        prop = self.prop
        state = _state_of(prop, obj)
        if prop.direction is MANYTOONE:
            adapt = self.adapter or entity_adapter(self._parententity) or _same
            unlike = []
            for local, far in prop.local_remote_pairs:
                column = adapt(local)
                value = sql.value_bind(local, value_reader(prop, state, far))
                unlike.append(or_(column != value, column.is_(None)))
            return and_(*unlike)
        mapper = state.mapper
        identity = zip(mapper.primary_key, mapper.primary_key_from_instance(obj), strict=True)
        return ~self._exists(and_(*(column == value for column, value in identity)))

    def in_(self, other: Any) -> Any:
        """Not provided: compare the foreign key column with ``in_()``.

        :raises NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{self.prop} has no in_(); for many-to-one, write in_() on its foreign key column with the values"
        )

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> Any:
        name = getattr(op, "__name__", str(op))
        if name in _METHODS:
            return op(self, *other, **kwargs)
        raise NotImplementedError(f"{self.prop} is a relationship, on which there is no operator {name!r}")

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> Any:
        return self.operate(op, other, **kwargs)

    @property
    def property(self) -> Any:
        """The relationship, which is configured by now: what it says of itself depends on other classes."""
        self.prop.parent.ensure_configured()
        return self.prop


_METHODS = frozenset({"_any_op", "_has_op", "_of_type_op"})


def _is_null(other: Any) -> bool:
    return other is None or isinstance(other, Null)


def _same(expression: Any) -> Any:
    return expression


def _state_of(prop: Any, obj: Any) -> Any:
    state = None if isinstance(obj, type) else opt_instance_state(obj)
    if state is None:
        raise ArgumentError(
            f"{prop} can be compared with None or with an object of {prop.mapper.class_.__name__}, not with {obj!r}; "
            f"for a condition on the related rows use {'any' if prop.uselist else 'has'}()",
        )
    return state


def compared_to(
    prop: Any,
    obj: Any,
    *,
    adapt: Callable[[Any], Any] | None = None,
    obj_is_parent: bool = False,
    alias_secondary: bool = True,
) -> Any:
    """Build the condition that rows are related to one object.

    :param prop: the relationship.
    :param obj: a mapped object, or ``None``; its key is read when the statement is run.
    :param adapt: translates the columns of the other side to those of an alias.
    :param obj_is_parent: whether ``obj`` has the relationship, rather than being its target.
    :param alias_secondary: whether the secondary table takes part under an alias.
    :raises ArgumentError: if ``obj`` is neither.
    """
    clause = prop.lazy_clause(reverse=not obj_is_parent)
    if obj is None:
        condition = clause.with_nulls([key for key, _ in clause.params])
    else:
        state = _state_of(prop, obj)
        readers = {key: value_reader(prop, state, column) for key, column in clause.params}
        condition = sql.with_binds(clause.criterion, readers)
    between: Any = None
    if prop.secondary is not None and alias_secondary:
        between = sql.ClauseAdapter(sql.anonymous_alias(prop.secondary, flat=True)).traverse
    inner = sql.on_clauses(prop.secondary)
    if between is not None:
        condition = _between_adapted(condition, between) if inner else between(condition)
    if inner:
        condition = and_(condition, *(each if between is None else between(each) for each in inner))
    return condition if adapt is None else adapt(condition)


def _between_adapted(condition: Any, adapt: Callable[[Any], Any]) -> Any:
    """Translate the columns of a secondary join, not those of the target, which may be in it again."""

    def translate(element: Any) -> Any:
        return adapt(element) if sql.is_column(element) and sql.marked(element, "remote") else None

    return sql.replace_elements(condition, translate)


def value_reader(prop: Any, state: Any, column: Any) -> Callable[[], Any]:
    """Return the function that reads a column's value of an object when a statement is run.

    The object is held weakly; the value that it has now, or else the last one that has expired since, is used once
    it is gone or detached and expired.
    """
    column_prop = state.mapper.prop_of_column.get(column)
    if column_prop is None:
        raise UnmappedColumnError(
            f"{prop} cannot be compared with an object of {state.class_.__name__}, which has no column {column}",
            column=column,
            mapper=state.mapper,
        )
    key = column_prop.key
    known = state.extra("last_known", dict)
    known.setdefault(key, NO_VALUE)
    last = state.dict.get(key, NO_VALUE)

    def read() -> Any:
        nonlocal last
        obj = state()
        if obj is None:
            value: Any = PASSIVE_NO_RESULT
        else:
            passive = PASSIVE_OFF if state.persistent else PASSIVE_NO_FETCH & ~INIT_OK
            value = state.get_impl(key).get(state, obj.__dict__, passive)
        if value is NO_VALUE:
            raise InvalidRequestError(f"{prop} was compared with {state_label(state)}, whose {key!r} has not been set")
        if value is PASSIVE_NO_RESULT:
            if last is NO_VALUE:
                last = known[key]
            if last is NO_VALUE:
                raise InvalidRequestError(
                    f"{prop} was compared with {state!r}, which is detached and whose {key!r} has expired"
                )
            value = last
        if value is None:
            warn(
                f"{prop} was compared with an object whose {key!r} is None; it is compared by = and not by IS NULL, "
                f"so nothing will be found"
            )
        last = value
        return value

    return read
