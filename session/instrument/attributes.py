"""Class-bound attributes: SQL expressions on the class, values on an object.

``User.name`` is an :class:`InstrumentedAttribute`: its descriptor part (``_accel.descriptors``)
serves objects, its comparator builds SQL.  Read through an alias, with ``of_type()`` or
``and_()``, the same attribute is a plain :class:`QueryableAttribute`.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql.operators import ColumnOperators, OperatorType

from session._accel import descriptors
from session.constants import NO_VALUE, PASSIVE_OFF, NotExtension
from session.core.inspection import inspects_itself
from session.core.sql import HasCacheKey, InternalTraversal, propagating_attrs, roles
from session.history import History
from session.instrument.base import instance_state
from session.instrument.events import AttributeEvents

__all__ = [
    "InstrumentedAttribute",
    "QueryableAttribute",
    "del_attribute",
    "flag_dirty",
    "flag_modified",
    "get_attribute",
    "get_history",
    "init_collection",
    "init_state_collection",
    "set_attribute",
    "set_committed_value",
]


UNKNOWN: Any = object()
"""Nobody has asked yet how an attribute compares with plain values."""


@inspects_itself
class QueryableAttribute(ColumnOperators, roles.JoinTargetRole, roles.OnClauseRole, HasCacheKey):
    """A mapped attribute as SQL expression.

    :param class_: the mapped class.
    :param key: the attribute's name.
    :param parententity: the mapper or aliased entity that it is read from.
    :param comparator: builds its SQL.
    :param impl: its implementation on objects.
    :param of_type: the subclass or alias that a relationship is limited to.
    :param extra_criteria: further conditions of a relationship's ON clause.
    """

    _session_attribute_class = True
    _session_attribute = True
    is_attribute = True
    is_instance = is_mapper = is_selectable = is_aliased_class = False
    is_bundle = is_property = is_clause_element = False
    _is_internal_proxy = False
    extension_type: Any = NotExtension.NOT_EXTENSION
    inherit_cache = True

    _cache_key_traversal = [
        ("key", InternalTraversal.dp_string),
        ("_parententity", InternalTraversal.dp_multi),
        ("_of_type", InternalTraversal.dp_multi),
        ("_extra_criteria", InternalTraversal.dp_clauseelement_list),
    ]

    dispatch: Any = event.dispatcher(AttributeEvents)

    def __class_getitem__(cls, item: Any) -> Any:
        return GenericAlias(cls, item)

    key: str
    impl: Any
    _comparisons: Any = UNKNOWN

    def __init__(
        self,
        class_: Any,
        key: str,
        parententity: Any,
        comparator: Any,
        impl: Any = None,
        of_type: Any = None,
        extra_criteria: tuple[Any, ...] = (),
        doc: str | None = None,
    ) -> None:
        self.class_ = class_
        self.key = key
        self._parententity = parententity
        self._comparator = comparator
        self.impl = impl
        self._of_type = of_type
        self._extra_criteria = extra_criteria
        self.__doc__ = doc

    # -- what it is --------------------------------------------------------------------------

    @property
    def comparator(self) -> Any:
        """What the attribute stands for in SQL; made when it is asked for first."""
        comparator = self._comparator
        if callable(comparator) and not hasattr(comparator, "operate"):
            comparator = self._comparator = comparator()
        return comparator

    @property
    def parent(self) -> Any:
        """The mapper or aliased entity that the attribute is read from."""
        return self._parententity

    @property
    def info(self) -> dict[Any, Any]:
        """Notes of the user on the mapped attribute; the same dictionary as that of its property."""
        return self.prop.info  # type: ignore[no-any-return]

    @property
    def _entity_namespace(self) -> Any:
        return self._parententity

    @property
    def _annotations(self) -> Any:
        return self.__clause_element__()._annotations

    @property
    def _propagate_attrs(self) -> Any:
        cached = self.__dict__.get("_propagated")
        if cached is None:
            cached = self.__dict__["_propagated"] = propagating_attrs(self._parententity)
        return cached

    @property
    def _from_objects(self) -> Any:
        return self.expression._from_objects

    def __clause_element__(self) -> Any:
        return self.expression

    @property
    def expression(self) -> Any:
        """The SQL expression that the attribute stands for."""
        try:
            return self.__dict__["_expression"]
        except KeyError:
            made = self.comparator.__clause_element__()
            self.__dict__["_expression"] = made
            return made

    @property
    def prop(self) -> Any:
        """The mapped property behind the attribute, as it is now."""
        return self.comparator.prop

    @property
    def property(self) -> Any:
        """The mapped property behind the attribute; asking for a relationship configures the mappers."""
        return self.comparator.property

    def forget_expression(self) -> None:
        """Build the SQL expression anew at next use: the property has changed."""
        self.__dict__.pop("_expression", None)
        self.__dict__.pop("_comparisons", None)

    def label(self, name: str | None) -> Any:
        """Give the attribute's SQL expression under another name."""
        return self.__clause_element__().label(name)

    def adapt_to_entity(self, adapt_to_entity: Any) -> QueryableAttribute:
        """Give this attribute as read through an aliased entity."""
        return type(self)(
            adapt_to_entity.entity,
            self.key,
            adapt_to_entity,
            self.comparator.adapt_to_entity(adapt_to_entity),
            self.impl,
        )

    def of_type(self, entity: Any) -> QueryableAttribute:
        """Limit a relationship to a subclass of its target, or direct it to an alias."""
        narrowed = self.comparator.of_type(entity)
        return type(self)(
            self.class_,
            self.key,
            self._parententity,
            narrowed,
            self.impl,
            of_type=getattr(narrowed, "_of_type", None),
            extra_criteria=self._extra_criteria,
        )

    def and_(self, *criteria: Any) -> QueryableAttribute:
        """Add conditions to a relationship's ON clause."""
        widened = self.comparator.and_(*criteria)
        return type(self)(
            self.class_,
            self.key,
            self._parententity,
            widened,
            self.impl,
            of_type=self._of_type,
            extra_criteria=getattr(widened, "_extra_criteria", self._extra_criteria + criteria),
        )

    # -- SQL ---------------------------------------------------------------------------------

    _is_immutable = True

    def _clone(self, **keywords: Any) -> QueryableAttribute:
        return self

    def _copy_internals(self, **keywords: Any) -> None:
        """Core's traversal of statements stops at an attribute, which stands in their joins."""

    def get_children(self, **keywords: Any) -> tuple[Any, ...]:
        """Give nothing: an attribute is the end of a traversal."""
        return ()

    def operate(self, op: OperatorType, *other: Any, **kwargs: Any) -> Any:
        comparisons = self._comparisons
        if comparisons is UNKNOWN:
            find = getattr(self.comparator, "comparisons", None)
            comparisons = self._comparisons = None if find is None else find()
        if comparisons is None or kwargs or len(other) != 1:
            return op(self.comparator, *other, **kwargs)
        (value,) = other
        made = comparisons.make(op, value)
        if made is None:
            made = op(self.comparator, value)
            comparisons.learn(op, value, made)
        return made

    def reverse_operate(self, op: OperatorType, other: Any, **kwargs: Any) -> Any:
        return op(other, self.comparator, **kwargs)

    def any(self, criterion: Any = None, **kwargs: Any) -> Any:
        """Give an EXISTS: some object of the collection fulfils a criterion, or equals the keywords."""
        return self.comparator.any(criterion, **kwargs)

    def has(self, criterion: Any = None, **kwargs: Any) -> Any:
        """Give an EXISTS: the object referred to fulfils a criterion, or equals the keywords."""
        return self.comparator.has(criterion, **kwargs)

    def hasparent(self, state: Any, optimistic: bool = False) -> bool:
        """True if the object of a state belongs to a parent by this attribute; ``optimistic`` where it is not known."""
        return self.impl.hasparent(state, optimistic)  # type: ignore[no-any-return]

    def get_history(self, instance: Any, passive: int = PASSIVE_OFF) -> History:
        """Give what changed in the attribute of an object since the last flush."""
        return get_history(instance, self.key, passive)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in _NEVER_ON_COMPARATOR:
            raise AttributeError(name)
        try:
            return getattr(self.comparator, name)
        except AttributeError:
            raise AttributeError(
                f"Neither the attribute {self} nor its comparator "
                f"{type(self.comparator).__name__!r} has an attribute {name!r}."
            ) from None

    def __str__(self) -> str:
        return f"{getattr(self.class_, '__name__', self.class_)}.{self.key}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    # -- listeners ---------------------------------------------------------------------------

    def _request_active_history(self) -> None:
        self.__dict__["_active_history"] = True
        if self.impl is not None:
            self.impl.active_history = True

    def _note_listeners(self) -> None:
        if self.impl is not None:
            self.impl.note_listeners()


_NEVER_ON_COMPARATOR = frozenset({"_comparator", "expire_listened", "class_manager", "dispatch"})


class InstrumentedAttribute(descriptors.AttributeDescriptor, QueryableAttribute):
    """The attribute that stands on the mapped class itself."""

    inherit_cache = True
    __hash__ = ColumnOperators.__hash__

    def __copy__(self) -> InstrumentedAttribute:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> InstrumentedAttribute:
        return self


def get_attribute(instance: Any, key: str) -> Any:
    """Give an attribute's value, as reading it does."""
    state = instance_state(instance)
    return state.manager[key].impl.get(state, instance.__dict__)


def set_attribute(instance: Any, key: str, value: Any, initiator: Any = None) -> None:
    """Set an attribute with all its events, whatever descriptor stands on the class."""
    state = instance_state(instance)
    state.manager[key].impl.set(state, instance.__dict__, value, initiator)


def del_attribute(instance: Any, key: str) -> None:
    """Delete an attribute's value with all its events."""
    state = instance_state(instance)
    state.manager[key].impl.delete(state, instance.__dict__)


def set_committed_value(instance: Any, key: str, value: Any) -> None:
    """Store a value as if it had been loaded: no event, no history."""
    state = instance_state(instance)
    state.manager[key].impl.set_committed_value(state, instance.__dict__, value)


def init_collection(obj: Any, key: str) -> Any:
    """Give an attribute a new empty collection, and return the collection's adapter."""
    state = instance_state(obj)
    return init_state_collection(state, obj.__dict__, key)


def init_state_collection(state: Any, dict_: dict[str, Any], key: str) -> Any:
    impl = state.manager[key].impl
    before = dict_.pop(key, None)
    if before is not None:
        impl.dispose_collection(state, before)
    adapter, collection = impl.new_collection(state)
    dict_[key] = collection
    impl.forget_empty(state)
    return adapter


def get_history(obj: Any, key: str, passive: int = PASSIVE_OFF) -> History:
    """Give what changed in an attribute since the last flush.

    :param obj: a mapped instance, or its state.
    """
    state = obj if hasattr(obj, "manager") and hasattr(obj, "ident") else instance_state(obj)
    return state.get_history(key, passive)  # type: ignore[no-any-return]


def flag_modified(instance: Any, key: str) -> None:
    """Mark an attribute as changed, for values that change in place; of a composite or a synonym, those behind it.

    :raises InvalidRequestError: the attribute has no value in the object.
    """
    state = instance_state(instance)
    dict_ = instance.__dict__
    attribute = state.manager[key]
    if attribute._is_internal_proxy:
        for name in attribute.original_property.attribute_names:
            flag_modified(instance, name)
        return
    impl = attribute.impl
    for fn in impl.dispatch.modified:
        fn(state, impl.modified_token)
    if key not in dict_:
        raise InvalidRequestError(
            f"Can't flag attribute {key!r} of {type(instance).__name__} as modified: it is not in "
            "the object; read or set it first."
        )
    state.modified_event(dict_, key, NO_VALUE)
    state.own_committed()[key] = NO_VALUE


def flag_dirty(instance: Any) -> None:
    """Mark an object as modified without naming an attribute: flush events will see it."""
    instance_state(instance).mark_modified()
