"""Class attributes that stand in front of other mapped attributes: those of synonyms and composites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from session.constants import PASSIVE_OFF
from session.core.clauses import known_as
from session.core.selects import notes_of
from session.instrument.attributes import QueryableAttribute

__all__ = ["ProxiedAttribute", "ProxyImpl"]


class ProxyImpl:
    """What code that walks the attributes of an object finds in the place of an implementation: a view of others."""

    collection = False
    uses_objects = False
    dynamic = False
    supports_population = False
    accepts_row_loader = False
    active_history = False
    listened = True
    loader = None

    def __init__(self, attribute: ProxiedAttribute) -> None:
        self.attribute = attribute
        self.key = attribute.key
        self.class_ = attribute.class_
        self.dispatch = attribute.dispatch

    @property
    def parent_token(self) -> ProxyImpl:
        """The attribute itself: it is nobody's alias."""
        return self

    def get(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> Any:
        """Give the value that the object shows."""
        return self.attribute.descriptor.__get__(state(), self.class_)

    def set(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any = None, **settings: Any) -> None:
        """Set the attributes behind."""
        self.attribute.descriptor.__set__(state(), value)

    def set_committed_value(self, state: Any, dict_: dict[str, Any], value: Any) -> Any:
        """Have the object show a value as if it had been loaded; the attributes behind stay as they are."""
        dict_[self.key] = value
        return value

    def delete(self, state: Any, dict_: dict[str, Any]) -> None:
        """Delete the attributes behind."""
        self.attribute.descriptor.__delete__(state())

    get_committed_value = get

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> Any:
        """Give the history of the attributes behind."""
        return self.attribute.original_property.get_history(state, dict_, passive)

    def get_all_pending(self, state: Any, dict_: dict[str, Any], passive: int = 0) -> list[Any]:
        """Give no objects: the attributes behind tell of their own."""
        return []

    def hasparent(self, state: Any, optimistic: bool = False) -> bool:
        """Say whatever is hoped for: the attributes behind know."""
        return optimistic

    def note_listeners(self) -> None:
        """Listeners are looked up at each change."""


class ProxiedAttribute(QueryableAttribute):
    """A class attribute without a value of its own: SQL by a comparator, values by a descriptor.

    :param class_: the mapped class.
    :param key: the attribute's name.
    :param parententity: the mapper or aliased entity that it is read from.
    :param comparator: a function of that entity, and ``None`` or the alias, that gives its comparator.
    :param descriptor: gets, sets and deletes the value on an object, as ``property`` does.
    :param proxied: the mapped property that made it.
    """

    _is_internal_proxy = True
    inherit_cache = True

    def __init__(
        self,
        class_: Any,
        key: str,
        parententity: Any,
        comparator: Callable[[Any], Any],
        descriptor: Any,
        proxied: Any,
        doc: str | None = None,
    ) -> None:
        super().__init__(class_, key, parententity, lambda: comparator(parententity), doc=doc)
        self.impl = ProxyImpl(self)
        self._make_comparator = comparator
        self.descriptor = descriptor
        self.original_property = proxied

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return self.descriptor.__get__(instance, owner)

    def __set__(self, instance: Any, value: Any) -> None:
        self.descriptor.__set__(instance, value)

    def __delete__(self, instance: Any) -> None:
        self.descriptor.__delete__(instance)

    def adapt_to_entity(self, adapt_to_entity: Any) -> ProxiedAttribute:
        """Give this attribute as read through an aliased entity."""
        return ProxiedAttribute(
            adapt_to_entity.entity,
            self.key,
            adapt_to_entity,
            self._make_comparator,
            self.descriptor,
            self.original_property,
        )

    @property
    def expression(self) -> Any:
        """The SQL expression of the attribute behind, which goes by the name of this one in rows and subqueries."""
        try:
            return self.__dict__["_expression"]
        except KeyError:
            made = self.comparator.__clause_element__()
            if "proxy_key" in notes_of(made):
                made = known_as(made, self.key)
            self.__dict__["_expression"] = made
            return made

    def label(self, name: str | None) -> Any:
        """Give the SQL of the attribute another name."""
        return self.comparator.label(name)

    @property
    def info(self) -> dict[Any, Any]:
        """The user's notes on the synonym or composite."""
        return self.original_property.info  # type: ignore[no-any-return]

    @property
    def property(self) -> Any:
        """The mapped property behind the attribute."""
        return self.comparator.property

    prop = property

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_comparator":
            raise AttributeError(name)
        return getattr(self.comparator, name)
