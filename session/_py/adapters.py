"""What ties a collection to the object that owns it.  Pure reference version.

The mutators of a collection (``mutators.py``) report to its :class:`CollectionAdapter`, which fires the events of the
attribute (``collected.py``).  What a class's appender, remover and iterator are stands in its ``_session_roles``, which
built-in it is like in its ``_session_kind`` (``instrument/collections.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from weakref import ref

from sqlalchemy.util import warn

from session.constants import NO_VALUE

__all__ = ["CollectionAdapter"]

LONG = 100
"""From this many objects on, a collection remembers that none is in it twice."""


class CollectionAdapter:
    """Ties one collection to the object that owns it.

    :param impl: the attribute's implementation.
    :param owner_state: state of the owning object.
    :param data: the collection; held weakly, since it holds the adapter.
    """

    __slots__ = ("__weakref__", "_data", "distinct", "empty", "gone", "impl", "invalidated", "owner_state", "taken_out")

    def __init__(self, impl: Any, owner_state: Any, data: Any) -> None:
        self.impl = impl
        self.owner_state = owner_state
        self._data: Callable[[], Any] = ref(data)
        self.invalidated = False
        self.empty = False
        #: no object is in the collection twice; ``False`` is for not known
        self.distinct = False
        #: of one that is told now it is said that it has gone, and so it has
        self.taken_out = False
        #: those of which it was said before, while they are still there
        self.gone: list[Any] | None = None

    @property
    def data(self) -> Any:
        """The collection itself."""
        return self._data()

    @property
    def attr(self) -> Any:
        return self.impl

    @property
    def _key(self) -> str:
        return self.impl.key  # type: ignore[no-any-return]

    @property
    def owner(self) -> Any:
        return self.owner_state()

    @property
    def _referenced_by_owner(self) -> bool:
        """Whether the collection is the owner's now; ``sqlalchemy.ext.orderinglist`` asks."""
        owner = self.owner_state()
        return owner is not None and owner.__dict__.get(self.impl.key) is self._data()

    def _role(self, name: str) -> Any:
        data = self._data()
        return getattr(data, type(data)._session_roles[name])

    # -- the collection's content ------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        data = self._data()
        if type(data)._session_kind is list and isinstance(data, list):
            return list.__iter__(data)
        return iter(self._role("iterator")())

    def __len__(self) -> int:
        data = self._data()
        return len(data) if isinstance(data, (list, set, dict)) else sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True

    def append_with_event(self, item: Any, initiator: Any = None) -> None:
        self._role("appender")(item, _sa_initiator=initiator)

    def append_without_event(self, item: Any) -> None:
        self._role("appender")(item, _sa_initiator=False)

    def append_multiple_without_event(self, items: Iterable[Any]) -> None:
        data = self._data()
        fill = type(data)._session_fill
        if fill is not None:
            self.distinct = False
            fill(data, items)
            return
        append = self._role("appender")
        for item in items:
            append(item, _sa_initiator=False)

    def remove_with_event(self, item: Any, initiator: Any = None) -> None:
        self._role("remover")(item, _sa_initiator=initiator)

    def remove_without_event(self, item: Any) -> None:
        self._role("remover")(item, _sa_initiator=False)

    def clear_with_event(self, initiator: Any = None) -> None:
        remove = self._role("remover")
        for item in list(self):
            remove(item, _sa_initiator=initiator)

    def clear_without_event(self) -> None:
        remove = self._role("remover")
        for item in list(self):
            remove(item, _sa_initiator=False)

    def holds_twice(self, item: Any) -> bool:
        """Tell whether an object is in the collection more than once, by what was said of those that go.

        That nothing is in a long one twice is found out once and kept until something comes: taking many objects
        out one after the other does not walk it each time.
        """
        if self.distinct:
            return False
        items = list(self)
        times = self.taken_out + sum(1 for other in items if other is item)
        if times > 1 and self.gone:
            times -= sum(1 for other in self.gone if other is item)
        if times > 1:
            return True
        if len(items) >= LONG:
            self.distinct = len({id(other) for other in items}) == len(items)
        return False

    # -- replacing all of it -----------------------------------------------------------------

    def incoming(self, value: Any, adapt: bool = True) -> Any:
        """Check a value assigned to the attribute and give the objects in it.

        :raises TypeError: the value is not of the collection's kind.
        """
        data = self._data()
        cls = type(data)
        if not adapt:
            return list(value)
        if "converter" in cls._session_roles:
            return list(getattr(data, cls._session_roles["converter"])(value))
        kind = cls._session_kind
        if kind is dict:
            if not isinstance(value, Mapping):
                raise self._wrong_kind(value, "dictionary")
            return list(value.values())
        if kind is list:
            if not isinstance(value, (list, tuple)) and not _is_kind(value, list):
                raise self._wrong_kind(value, "list")
            return list(value)
        if kind is set:
            if not isinstance(value, (set, frozenset)) and not _is_kind(value, set):
                raise self._wrong_kind(value, "set")
            return list(value)
        try:
            return list(collection_iterator(value))
        except TypeError:
            raise self._wrong_kind(value, cls.__name__) from None

    def _wrong_kind(self, value: Any, kind: str) -> TypeError:
        impl = self.impl
        return TypeError(
            f"Incompatible collection type: {type(value).__name__} can't be assigned to "
            f"{impl.class_.__name__}.{impl.key}, which is a {kind} collection."
        )

    def keys_of(self, value: Any) -> list[Any] | None:
        """Give the keys that go with the objects of an assigned dictionary; ``None`` for others."""
        if type(self._data())._session_kind is dict and isinstance(value, Mapping):
            return list(value.keys())
        return None

    def replace_from(self, items: list[Any], old: CollectionAdapter, token: Any, keys: list[Any] | None) -> None:
        """Fill this new collection in place of an old one: events for what came and what left."""
        before = {id(item): item for item in old}
        coming = {id(item) for item in items}
        staying = dict.fromkeys([item_id for item_id in before if item_id in coming])
        append = self._role("appender")
        if keys is not None and self._keyed_by_hand():
            data = self._data()
            for key, item in zip(keys, items):
                silent = id(item) in staying
                data.__setitem__(key, item, _sa_initiator=False if silent else token)
        else:
            for item in items:
                append(item, _sa_initiator=False if id(item) in staying else token)
        for item_id in staying:
            old.fire_append_wo_mutation_event(before[item_id], token)
        for item_id, item in before.items():
            if item_id not in staying:
                old.fire_remove_event(item, token)

    def _keyed_by_hand(self) -> bool:
        return not hasattr(self._data(), "keyfunc")

    # -- events ------------------------------------------------------------------------------

    def fire_append_event(self, item: Any, initiator: Any = None, key: Any = None) -> Any:
        self.distinct = False
        if initiator is False:
            return item
        return self.impl.fire_append_event(self.owner_state, self._before_event(), item, initiator, key)

    def fire_append_wo_mutation_event(self, item: Any, initiator: Any = None, key: Any = None) -> Any:
        self.distinct = False
        if initiator is False:
            return item
        return self.impl.fire_append_wo_mutation_event(self.owner_state, self._before_event(), item, initiator, key)

    def fire_remove_event(self, item: Any, initiator: Any = None, key: Any = None) -> None:
        if initiator is not False:
            self.impl.fire_remove_event(self.owner_state, self._before_event(), item, initiator, key)

    def fire_pre_remove_event(self, initiator: Any = None, key: Any = None) -> None:
        if initiator is False:
            return
        if self.invalidated:
            warn_stale_collection(self)
        state = self.owner_state
        self.impl.fire_pre_remove_event(state, state.dict, initiator, key)

    def _before_event(self) -> dict[str, Any]:
        """Give the owner's dictionary; an empty collection given out by a read becomes its own there."""
        if self.invalidated:
            warn_stale_collection(self)
        dict_: dict[str, Any] = self.owner_state.dict
        if self.empty:
            self._become_owned(dict_)
        return dict_

    def _become_owned(self, dict_: dict[str, Any]) -> None:
        impl, state = self.impl, self.owner_state
        key = impl.key
        if impl.send_modified:
            state.modified_event(dict_, key, NO_VALUE, impl.copy)
        self.empty = False
        dict_.setdefault(key, self._data())
        empty = state.peek("empty")
        if empty:
            empty.pop(key, None)


def collection_iterator(value: Any) -> Iterable[Any]:
    """Give the objects of a collection of any prepared class."""
    roles = getattr(type(value), "_session_roles", None)
    items: Iterable[Any] = iter(value) if roles is None else getattr(value, roles["iterator"])()
    return items


def _is_kind(value: Any, kind: Any) -> bool:
    return getattr(type(value), "_session_kind", None) is kind or getattr(type(value), "__emulates__", None) is kind


def warn_stale_collection(adapter: CollectionAdapter) -> None:
    """Warn that a collection changes whose object has loaded, or will load, another one."""
    warn(
        f"This collection of {adapter.impl.class_.__name__}.{adapter.impl.key} has been invalidated: "
        "its object was expired or refreshed; changes to it are lost."
    )
