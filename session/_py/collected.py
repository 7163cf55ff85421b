"""Attributes that hold a collection of objects: changes, bulk replacement, history.  Pure reference version.

The collection itself is the user's, tied to its object by an adapter (``instrument/collections.py``);
``attributes.py`` has what all attributes share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from session._py.attributes import UNTOUCHED, AttributeImpl, related_state
from session.constants import (
    INCLUDE_PENDING_MUTATIONS,
    INSTANCE_STATE,
    NO_VALUE,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
    PASSIVE_ONLY_PERSISTENT,
)
from session.history import HISTORY_BLANK, History

__all__ = [
    "CollectionAttribute",
    "PendingCollection",
]


class PendingCollection:
    """Changes to a collection that is not loaded: applied when it is, or read by a flush."""

    __slots__ = ("added", "deleted")

    def __init__(self) -> None:
        self.added: dict[int, Any] = {}
        self.deleted: dict[int, Any] = {}

    @property
    def added_items(self) -> list[Any]:
        """The objects that were added, in their order."""
        return list(self.added.values())

    @property
    def deleted_items(self) -> list[Any]:
        """The objects that were removed, in their order."""
        return list(self.deleted.values())

    def append(self, value: Any) -> None:
        if self.deleted.pop(id(value), None) is None:
            self.added[id(value)] = value

    def remove(self, value: Any) -> None:
        if self.added.pop(id(value), None) is None:
            self.deleted[id(value)] = value


class CollectionAttribute(AttributeImpl):
    """A collection of objects.

    :param factory: makes an empty collection.
    :param adapt: ``adapt(impl, state, collection)`` ties a collection to its owner and gives its
        adapter; the collections module supplies it.
    :param duplicates: the collection may hold an object twice (a list).
    """

    __slots__ = ("adapt", "duplicates", "factory")

    collection = True
    uses_objects = True

    def __init__(
        self,
        class_: type[Any],
        key: str,
        manager: Any,
        dispatch: Any,
        factory: Callable[[], Any],
        adapt: Callable[..., Any],
        **options: Any,
    ) -> None:
        super().__init__(class_, key, manager, dispatch, **options)
        self.factory = factory
        self.duplicates = False
        self.adapt = adapt

    # -- the collection itself ---------------------------------------------------------------

    def get_collection(
        self, state: Any, dict_: dict[str, Any], collection: Any = None, passive: int = PASSIVE_OFF
    ) -> Any:
        """Give the collection's adapter, or ``PASSIVE_NO_RESULT`` if it is not to be had."""
        if collection is None:
            collection = self.get(state, dict_, passive)
            if collection is PASSIVE_NO_RESULT or collection is NO_VALUE:
                return collection
        return collection._sa_adapter

    def empty_value(self, state: Any, dict_: dict[str, Any]) -> Any:
        """Give an empty collection; it becomes the object's own at its first change."""
        empty = state.extra("empty", dict)
        key = self.key
        if key in empty:
            return empty[key]
        adapter, collection = self.new_collection(state)
        adapter.empty = True
        empty[key] = collection
        return collection

    initialize = empty_value

    def new_collection(self, state: Any, collection: Any = None) -> tuple[Any, Any]:
        if collection is None:
            collection = self.factory()
        adapter = self.adapt(self, state, collection)
        for fn in self.on_init_collection.now():
            fn(state, collection, adapter)
        return adapter, collection

    def dispose_collection(self, state: Any, collection: Any) -> None:
        adapter = collection._sa_adapter
        for fn in self.on_dispose_collection.now():
            fn(state, collection, adapter)
        collection._sa_adapter = None

    def copy(self, collection: Any) -> list[Any]:
        return list(collection._sa_adapter)

    # -- events ------------------------------------------------------------------------------

    def fire_append_event(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, key: Any = None) -> Any:
        if self.listened:
            token = self.append_token if initiator is None else initiator
            for fn in self.on_append.now():
                value = fn(state, value, token, key=key)
        if self.send_modified:
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)
        if self.trackparent and value is not None:
            self.sethasparent(self.state_of(value), state, True)
        return value

    def fire_append_wo_mutation_event(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, key: Any = None
    ) -> Any:
        token = self.append_token if initiator is None else initiator
        for fn in self.on_append_again.now():
            value = fn(state, value, token, key=key)
        return value

    def fire_pre_remove_event(self, state: Any, dict_: dict[str, Any], initiator: Any, key: Any = None) -> None:
        """A removal begins whose value is not known yet: keep the old collection first."""
        if self.send_modified:
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)

    def fire_remove_event(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, key: Any = None) -> None:
        if self.trackparent and value is not None:
            self.sethasparent(self.state_of(value), state, False)
        if self.listened:
            token = self.remove_token if initiator is None else initiator
            for fn in self.on_remove.now():
                fn(state, value, token, key=key)
        if self.send_modified:
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)

    def state_of(self, value: Any) -> Any:
        return related_state(self, value)

    # -- changes -----------------------------------------------------------------------------

    def append(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        adapter = self.get_collection(state, dict_, None, passive)
        if adapter is PASSIVE_NO_RESULT or adapter is NO_VALUE:
            value = self.fire_append_event(state, dict_, value, initiator)
            self.queue(state).append(value)
        else:
            adapter.append_with_event(value, initiator)

    def remove(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        adapter = self.get_collection(state, dict_, None, passive)
        if adapter is PASSIVE_NO_RESULT or adapter is NO_VALUE:
            self.fire_remove_event(state, dict_, value, initiator)
            self.queue(state).remove(value)
        else:
            adapter.remove_with_event(value, initiator)

    def pop(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        try:
            self.remove(state, dict_, value, initiator, passive)
        except (ValueError, KeyError, IndexError):
            return

    def queue(self, state: Any) -> PendingCollection:
        pending = state.extra("pending", dict)
        try:
            return pending[self.key]  # type: ignore[no-any-return]
        except KeyError:
            made = pending[self.key] = PendingCollection()
            return made

    def set(
        self,
        state: Any,
        dict_: dict[str, Any],
        value: Any,
        initiator: Any = None,
        passive: int = PASSIVE_OFF,
        check_old: Any = None,
        pop: bool = False,
        adapt_value: bool = True,
    ) -> None:
        """Put another collection in place of the present one: a bulk replacement."""
        adapter, collection = self.new_collection(state, self.factory())
        items = adapter.incoming(value, adapt_value)
        token = self.bulk_replace_token
        if self.on_bulk_replace:
            items = list(items) if adapter.keys_of(value) is None else items
            for fn in self.on_bulk_replace.now():
                fn(state, items, token, keys=adapter.keys_of(value))
        old = self.get(state, dict_, PASSIVE_ONLY_PERSISTENT)
        if old is PASSIVE_NO_RESULT:
            old = self.empty_value(state, dict_)
        elif old is value:
            return
        if old is NO_VALUE:
            old = self.empty_value(state, dict_)
        if self.send_modified:
            state.modified_event(dict_, self.key, old, self.copy)
        old_adapter = old._sa_adapter
        dict_[self.key] = collection
        adapter.replace_from(items, old_adapter, token, self.keys_for(value, adapter))
        self.forget_empty(state)
        self.dispose_collection(state, old)

    def keys_for(self, value: Any, adapter: Any) -> Any:
        return adapter.keys_of(value)

    def forget_empty(self, state: Any) -> None:
        extras = state.extras
        if extras is not None:
            empty = extras.get("empty")
            if empty:
                empty.pop(self.key, None)

    def delete(self, state: Any, dict_: dict[str, Any]) -> None:
        if self.key not in dict_:
            return
        collection = dict_[self.key]
        adapter = collection._sa_adapter
        if self.send_modified:
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)
        adapter.clear_with_event()
        dict_.pop(self.key, None)
        self.dispose_collection(state, collection)

    def set_committed_value(self, state: Any, dict_: dict[str, Any], value: Iterable[Any]) -> Any:
        """Store loaded objects as the collection; queued changes are applied on top of them."""
        adapter, collection = self.new_collection(state)
        if value:
            adapter.append_multiple_without_event(value)
        dict_[self.key] = collection
        self.forget_empty(state)
        extras = state.extras
        queued = extras.get("pending") if extras is not None else None
        if not queued or self.key not in queued:
            state.commit(dict_, (self.key,))
            return collection
        changes = queued.pop(self.key)
        state.commit(dict_, (self.key,))
        added, deleted = changes.added, changes.deleted
        if added or deleted:
            state.modified_event(dict_, self.key, collection, self.copy)
            loaded = {id(item) for item in adapter} if deleted else ()
            for item in added.values():
                adapter.append_without_event(item)
            for item_id, item in deleted.items():
                if item_id in loaded:
                    adapter.remove_without_event(item)
        return collection

    # -- history -----------------------------------------------------------------------------

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> History:
        current = self.get(state, dict_, passive)
        if current is PASSIVE_NO_RESULT or current is NO_VALUE:
            if passive & INCLUDE_PENDING_MUTATIONS:
                pending = state.peek("pending")
                if pending and self.key in pending:
                    changes = pending[self.key]
                    return History(changes.added_items, (), changes.deleted_items)
            return HISTORY_BLANK
        adapter = current._sa_adapter
        committed = state.committed
        original: Any = UNTOUCHED if committed is None else committed.get(self.key, UNTOUCHED)
        if original is UNTOUCHED:
            return History((), list(adapter), ())
        if original is NO_VALUE or original is None:
            return History(list(adapter), (), ())
        items = list(adapter)
        before = {id(item) for item in original}
        after = {id(item) for item in items}
        return History(
            [item for item in items if id(item) not in before],
            [item for item in items if id(item) in before],
            [item for item in original if id(item) not in after],
        )

    def get_all_pending(self, state: Any, dict_: dict[str, Any], passive: int = 0) -> list[tuple[Any, Any]]:
        key = self.key
        if key not in dict_:
            return []
        items = list(dict_[key]._sa_adapter)
        committed = state.committed
        if committed is not None and key in committed:
            original: Any = committed[key]
            if original is not NO_VALUE and original is not None:
                after = {id(item) for item in items}
                items += [item for item in original if id(item) not in after]
        return [(None if o is None else o.__dict__[INSTANCE_STATE], o) for o in items]
