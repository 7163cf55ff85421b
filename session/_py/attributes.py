"""Attribute descriptors and implementations: get, set, delete, history.  Pure reference version.

``AttributeDescriptor`` is what sits on the mapped class; it answers a read from the object's
``__dict__`` and hands everything else to its *implementation*: ``ScalarAttribute`` for columns,
``ObjectAttribute`` for references to one object, ``CollectionAttribute`` for collections.
Changes go to the object's state (``_py/state.py``) and to listeners; values that are missing come
from the row (``InstanceState.load_expired``) or from the attribute's own loader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import eq
from typing import Any

from session.constants import (
    ATTR_EMPTY,
    ATTR_WAS_SET,
    CALLABLES_OK,
    DEFERRED_HISTORY_LOAD,
    INCLUDE_PENDING_MUTATIONS,
    INIT_OK,
    INSTANCE_STATE,
    LOAD_AGAINST_COMMITTED,
    NO_AUTOFLUSH,
    NO_RAISE,
    NO_VALUE,
    PASSIVE_NO_FETCH,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
    PASSIVE_ONLY_PERSISTENT,
    PASSIVE_RETURN_NO_VALUE,
)
from session.exc import StaleDataError, UnmappedInstanceError
from session.history import HISTORY_BLANK, History

__all__ = [
    "OP_APPEND",
    "OP_BULK_REPLACE",
    "OP_MODIFIED",
    "OP_REMOVE",
    "OP_REPLACE",
    "AttributeDescriptor",
    "AttributeEventToken",
    "AttributeImpl",
    "CollectionAttribute",
    "ObjectAttribute",
    "PendingCollection",
    "ScalarAttribute",
]

OP_REMOVE = "REMOVE"
OP_APPEND = "APPEND"
OP_REPLACE = "REPLACE"
OP_BULK_REPLACE = "BULK_REPLACE"
OP_MODIFIED = "MODIFIED"

_UNTOUCHED = object()
_READ_OLD_OBJECT = PASSIVE_ONLY_PERSISTENT | NO_AUTOFLUSH | LOAD_AGAINST_COMMITTED
_PEEK_OLD_OBJECT = (PASSIVE_NO_FETCH & ~INIT_OK) | LOAD_AGAINST_COMMITTED | NO_RAISE


def _stateless(instance: Any, key: str) -> UnmappedInstanceError:
    return UnmappedInstanceError(
        instance,
        f"{type(instance).__name__!r} object has no ORM state, so attribute {key!r} can't be used; "
        "create it by calling its class, not by __new__() alone.",
    )


class AttributeDescriptor:
    """The data descriptor of one mapped attribute on one class."""

    __slots__ = ("impl", "key")

    key: str
    impl: Any

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        dict_ = instance.__dict__
        key = self.key
        if key in dict_:
            return dict_[key]
        impl = self.impl
        if impl is None:
            raise AttributeError(f"{key!r} of {type(instance).__name__!r} can't be read on an object.")
        try:
            state = dict_[INSTANCE_STATE]
        except KeyError:
            raise _stateless(instance, key) from None
        return impl.get(state, dict_, PASSIVE_OFF)

    def __set__(self, instance: Any, value: Any) -> None:
        dict_ = instance.__dict__
        try:
            state = dict_[INSTANCE_STATE]
        except KeyError:
            raise _stateless(instance, self.key) from None
        self.impl.set(state, dict_, value, None)

    def __delete__(self, instance: Any) -> None:
        dict_ = instance.__dict__
        try:
            state = dict_[INSTANCE_STATE]
        except KeyError:
            raise _stateless(instance, self.key) from None
        self.impl.delete(state, dict_)


class AttributeEventToken:
    """Which attribute began a chain of changes, and by what operation.

    Given to attribute listeners as ``initiator``; passing it on lets a chain of two-way changes
    end where it began.
    """

    __slots__ = ("impl", "op", "parent_token")

    def __init__(self, impl: AttributeImpl, op: str) -> None:
        self.impl = impl
        self.op = op
        self.parent_token = impl.parent_token

    @property
    def key(self) -> str:
        return self.impl.key

    @property
    def hasparent(self) -> Callable[..., bool]:
        return self.impl.hasparent

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, AttributeEventToken)
            and other.impl is self.impl
            and other.op == self.op
        )

    def __hash__(self) -> int:
        return hash((id(self.impl), self.op))


class AttributeImpl:
    """What all kinds of attributes share.

    :param class_: the mapped class.
    :param key: the attribute's name.
    :param manager: the class manager.
    :param dispatch: the attribute's event dispatch.
    :param loader: ``loader(state, passive)`` for a value that is not in the object, or ``None``.
    :param active_history: load the old value before a change.
    :param trackparent: note on related objects which parent they belong to.
    :param compare: equality of two values, ``==`` by default.
    :param accepts_row_loader: the value comes with the object's row and expires with it.
    :param send_modified: changes mark the object as modified.
    """

    __slots__ = (
        "accepts_row_loader",
        "active_history",
        "append_token",
        "bulk_replace_token",
        "class_",
        "compare",
        "dispatch",
        "key",
        "listened",
        "loader",
        "manager",
        "modified_token",
        "parent_token",
        "remove_token",
        "replace_token",
        "send_modified",
        "trackparent",
    )

    collection = False
    uses_objects = False
    dynamic = False
    supports_population = True

    def __init__(
        self,
        class_: type[Any],
        key: str,
        manager: Any,
        dispatch: Any,
        loader: Callable[..., Any] | None = None,
        active_history: bool = False,
        trackparent: bool = False,
        compare: Callable[[Any, Any], Any] | None = None,
        accepts_row_loader: bool = False,
        send_modified: bool = True,
        parent_token: Any = None,
    ) -> None:
        self.class_ = class_
        self.key = key
        self.manager = manager
        self.dispatch = dispatch
        self.loader = loader
        self.active_history = active_history
        self.trackparent = trackparent
        self.compare = eq if compare is None else compare
        self.accepts_row_loader = accepts_row_loader
        self.send_modified = send_modified
        self.parent_token = self if parent_token is None else parent_token
        self.append_token = AttributeEventToken(self, OP_APPEND)
        self.remove_token = AttributeEventToken(self, OP_REMOVE)
        self.replace_token = AttributeEventToken(self, OP_REPLACE)
        self.bulk_replace_token = AttributeEventToken(self, OP_BULK_REPLACE)
        self.modified_token = AttributeEventToken(self, OP_MODIFIED)
        self.note_listeners()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.class_.__name__}.{self.key}>"

    def note_listeners(self) -> None:
        """Look again whether anybody listens to this attribute's changes."""
        dispatch = self.dispatch
        self.listened = bool(
            dispatch.set or dispatch.remove or dispatch.append or dispatch.append_wo_mutation
            or dispatch.bulk_replace
        )

    # -- reading -----------------------------------------------------------------------------

    def get(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> Any:
        """Give the value, loading it as far as ``passive`` allows.

        :return: the value, or ``NO_VALUE`` / ``PASSIVE_NO_RESULT`` if there is none to be had.
        """
        key = self.key
        if key in dict_:
            return dict_[key]
        committed = state.committed
        if committed is None or committed.get(key, NO_VALUE) is NO_VALUE:
            if not passive & CALLABLES_OK:
                return PASSIVE_NO_RESULT
            value = self.load(state, passive)
            if value is PASSIVE_NO_RESULT or value is NO_VALUE:
                return value
            if value is ATTR_WAS_SET:
                try:
                    return dict_[key]
                except KeyError:
                    raise KeyError(
                        f"The loader of {self.class_.__name__}.{key} said that it had set the value, "
                        "and did not."
                    ) from None
            if value is not ATTR_EMPTY:
                return self.set_committed_value(state, dict_, value)
        if not passive & INIT_OK:
            return NO_VALUE
        return self.empty_value(state, dict_)

    def load(self, state: Any, passive: int) -> Any:
        """Run whatever can give the missing value: the row, a loader of the object, our own."""
        key = self.key
        if self.accepts_row_loader:
            expired = state.expired_keys
            if expired is not None and key in expired:
                committed = state.committed
                if committed is None or key not in committed:
                    return state.load_expired(passive)
        extras = state.extras
        if extras is not None:
            callables = extras.get("callables")
            if callables and key in callables:
                return callables[key](state, passive)
        loader = self.loader
        return ATTR_EMPTY if loader is None else loader(state, passive)

    def empty_value(self, state: Any, dict_: dict[str, Any]) -> Any:
        """Give the value of an attribute that has none; it is not stored."""
        value = None
        if self.dispatch.init_scalar:
            for fn in self.dispatch.init_scalar:
                given = fn(state, value, dict_)
                if given is not ATTR_EMPTY:
                    value = given
        return value

    initialize = empty_value

    def get_committed_value(
        self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF
    ) -> Any:
        """Give the value as of the last flush or load."""
        committed = state.committed
        if committed is None or self.key not in committed:
            return self.get(state, dict_, passive)
        value = committed[self.key]
        return None if value is NO_VALUE else value

    def set_committed_value(self, state: Any, dict_: dict[str, Any], value: Any) -> Any:
        """Store a value as if it had been loaded: no event, no history."""
        dict_[self.key] = value
        state.commit(dict_, (self.key,))
        return value

    def is_equal(self, first: Any, second: Any) -> Any:
        return self.compare(first, second)

    def get_history(
        self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF
    ) -> History:
        raise NotImplementedError

    def get_all_pending(
        self, state: Any, dict_: dict[str, Any], passive: int = 0
    ) -> list[tuple[Any, Any]]:
        """Give (state, object) of every object that is or was referred to since the last flush."""
        return []

    # -- parents -----------------------------------------------------------------------------

    def hasparent(self, state: Any, optimistic: bool = False) -> bool:
        """True if the object of ``state`` belongs to a parent by this attribute."""
        extras = state.extras
        if extras is None:
            return optimistic
        return extras.get(id(self.parent_token), optimistic) is not False

    def sethasparent(self, state: Any, parent_state: Any, value: bool) -> None:
        """Note that the object of ``state`` came to, or left, a parent.

        :raises StaleDataError: the parent last noted is another one, and has been collected.
        """
        token = id(self.parent_token)
        extras = state.extras
        if extras is None:
            extras = state.extras = {}
        if value:
            extras[token] = parent_state
            return
        last = extras.get(token)
        if last is not None and last is not False and last is not parent_state:
            if last.key != parent_state.key:
                if last() is None:
                    raise StaleDataError(
                        f"Can't remove a {state.class_.__name__} object from "
                        f"{self.class_.__name__}.{self.key} of {parent_state!r}: the parent that it "
                        f"was last added to, {last!r}, has been garbage collected."
                    )
                return
        elif last is None and token not in extras:
            extras[token] = False
            return
        extras[token] = False


class ScalarAttribute(AttributeImpl):
    """A column's value, or any plain value."""

    __slots__ = ()

    def set(
        self,
        state: Any,
        dict_: dict[str, Any],
        value: Any,
        initiator: Any = None,
        passive: int = PASSIVE_OFF,
        check_old: Any = None,
        pop: bool = False,
    ) -> None:
        key = self.key
        if self.active_history:
            old = self.get(state, dict_, PASSIVE_RETURN_NO_VALUE)
        else:
            old = dict_.get(key, NO_VALUE)
        if self.listened:
            value = self.fire_replace_event(state, dict_, value, old, initiator)
        if self.send_modified:
            committed = state.committed
            if committed is None or key not in committed or not state.modified:
                state.modified_event(dict_, key, old)
            elif state.strong is None and state.home is not None:
                state.mark_modified(key)
        dict_[key] = value

    def fire_replace_event(
        self, state: Any, dict_: dict[str, Any], value: Any, previous: Any, initiator: Any
    ) -> Any:
        token = self.replace_token if initiator is None else initiator
        for fn in self.dispatch.set:
            value = fn(state, value, previous, token)
        return value

    def delete(self, state: Any, dict_: dict[str, Any]) -> None:
        key = self.key
        if self.active_history:
            old = self.get(state, dict_, PASSIVE_RETURN_NO_VALUE)
        else:
            old = dict_.get(key, NO_VALUE)
        if self.dispatch.remove:
            for fn in self.dispatch.remove:
                fn(state, old, self.remove_token)
        if self.send_modified:
            state.modified_event(dict_, key, old)
        present = dict_.pop(key, NO_VALUE)
        if present is NO_VALUE and old is NO_VALUE and not state.expired:
            if key not in (state.expired_keys or ()):
                raise AttributeError(
                    f"{self.class_.__name__}.{key} has no value on this object that could be deleted."
                )

    def get_history(
        self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF
    ) -> History:
        key = self.key
        committed = state.committed
        if key in dict_:
            current = dict_[key]
        elif committed is not None and key in committed:
            current = NO_VALUE
        else:
            if passive & INIT_OK:
                passive &= ~INIT_OK
            current = self.get(state, dict_, passive)
            if current is PASSIVE_NO_RESULT:
                return HISTORY_BLANK
            committed = state.committed
        return self.history_of(state, dict_, current, passive)

    def history_of(self, state: Any, dict_: dict[str, Any], current: Any, passive: int) -> History:
        committed = state.committed
        original: Any = _UNTOUCHED if committed is None else committed.get(self.key, _UNTOUCHED)
        if original is _UNTOUCHED:
            return HISTORY_BLANK if current is NO_VALUE else History((), [current], ())
        if original is NO_VALUE or original is PASSIVE_NO_RESULT:
            # a deletion whose old value was never read counts as a change to None
            return History([None if current is NO_VALUE else current], (), ())
        if current is NO_VALUE:
            return History((), (), [original])
        if self.compare(current, original) is True:
            return History((), [current], ())
        return History([current], (), [original])


class ObjectAttribute(AttributeImpl):
    """A reference to one object, or to none."""

    __slots__ = ()

    uses_objects = True

    def set(
        self,
        state: Any,
        dict_: dict[str, Any],
        value: Any,
        initiator: Any = None,
        passive: int = PASSIVE_OFF,
        check_old: Any = None,
        pop: bool = False,
    ) -> None:
        old = self.get(state, dict_, _READ_OLD_OBJECT if self.active_history else _PEEK_OLD_OBJECT)
        if check_old is not None and old is not PASSIVE_NO_RESULT and check_old is not old:
            if pop:
                return
            raise ValueError(
                f"Object {check_old!r} is not the value of {self.class_.__name__}.{self.key} "
                f"on {state!r}."
            )
        dict_[self.key] = self.fire_replace_event(state, dict_, value, old, initiator)

    def fire_replace_event(
        self, state: Any, dict_: dict[str, Any], value: Any, previous: Any, initiator: Any
    ) -> Any:
        if self.trackparent and previous is not value and is_object(previous):
            self.sethasparent(previous.__dict__[INSTANCE_STATE], state, False)
        if self.listened:
            token = self.replace_token if initiator is None else initiator
            for fn in self.dispatch.set:
                value = fn(state, value, previous, token)
        if self.send_modified:
            state.modified_event(dict_, self.key, previous)
        if self.trackparent and value is not None:
            self.sethasparent(self.state_of(value), state, True)
        return value

    def state_of(self, value: Any) -> Any:
        return related_state(self, value)

    def append(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF
    ) -> None:
        self.set(state, dict_, value, initiator, passive)

    def remove(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF
    ) -> None:
        self.set(state, dict_, None, initiator, passive, check_old=value)

    def pop(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF
    ) -> None:
        self.set(state, dict_, None, initiator, passive, check_old=value, pop=True)

    def delete(self, state: Any, dict_: dict[str, Any]) -> None:
        key = self.key
        if self.active_history:
            old = self.get(state, dict_, _READ_OLD_OBJECT)
        else:
            old = self.get(state, dict_, _PEEK_OLD_OBJECT)
        if self.trackparent and is_object(old):
            self.sethasparent(old.__dict__[INSTANCE_STATE], state, False)
        for fn in self.dispatch.remove:
            fn(state, old, self.remove_token)
        if self.send_modified:
            state.modified_event(dict_, key, old)
        present = dict_.pop(key, NO_VALUE)
        if present is NO_VALUE and not is_object(old) and old is not PASSIVE_NO_RESULT:
            raise AttributeError(
                f"{self.class_.__name__}.{key} has no value on this object that could be deleted."
            )

    def get_history(
        self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF
    ) -> History:
        key = self.key
        committed = state.committed
        if key in dict_:
            current = dict_[key]
        else:
            if passive & INIT_OK:
                passive &= ~INIT_OK
            current = self.get(state, dict_, passive)
            if current is PASSIVE_NO_RESULT:
                return HISTORY_BLANK
            committed = state.committed
        original: Any = _UNTOUCHED if committed is None else committed.get(key, _UNTOUCHED)
        if original is _UNTOUCHED:
            return HISTORY_BLANK if current is NO_VALUE else History((), [current], ())
        if passive & DEFERRED_HISTORY_LOAD and original is PASSIVE_NO_RESULT:
            original = self.load_original(state, passive)
        if current is original and current is not NO_VALUE:
            return History((), [current], ())
        if original is NO_VALUE or original is PASSIVE_NO_RESULT:
            return History([None if current is NO_VALUE else current], (), ())
        if current is NO_VALUE:
            return History((), (), [original])
        return History([current], (), [original])

    def load_original(self, state: Any, passive: int) -> Any:
        """Load the value that a change replaced unread, by the committed foreign key."""
        loader = self.loader
        if loader is None:
            return NO_VALUE
        value = loader(state, passive | LOAD_AGAINST_COMMITTED)
        if value is ATTR_WAS_SET or value is ATTR_EMPTY or value is PASSIVE_NO_RESULT:
            return NO_VALUE
        state.committed[self.key] = value
        return value

    def get_all_pending(
        self, state: Any, dict_: dict[str, Any], passive: int = 0
    ) -> list[tuple[Any, Any]]:
        key = self.key
        if key in dict_:
            current = dict_[key]
        elif passive & CALLABLES_OK:
            current = self.get(state, dict_, passive)
        else:
            return []
        if current is PASSIVE_NO_RESULT or current is NO_VALUE:
            return []
        pairs = [(None if current is None else current.__dict__[INSTANCE_STATE], current)]
        committed = state.committed
        if committed is not None and key in committed:
            original = committed[key]
            if original is not current and is_object(original):
                pairs.append((original.__dict__[INSTANCE_STATE], original))
        return pairs


class PendingCollection:
    """Changes to a collection that is not loaded: applied when it is, or read by a flush."""

    __slots__ = ("added_items", "deleted_items")

    def __init__(self) -> None:
        self.added_items: dict[int, Any] = {}
        self.deleted_items: dict[int, Any] = {}

    def append(self, value: Any) -> None:
        if self.deleted_items.pop(id(value), None) is None:
            self.added_items[id(value)] = value

    def remove(self, value: Any) -> None:
        if self.added_items.pop(id(value), None) is None:
            self.deleted_items[id(value)] = value


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
        if self.dispatch.init_collection:
            for fn in self.dispatch.init_collection:
                fn(state, collection, adapter)
        return adapter, collection

    def dispose_collection(self, state: Any, collection: Any) -> None:
        adapter = collection._sa_adapter
        for fn in self.dispatch.dispose_collection:
            fn(state, collection, adapter)
        collection._sa_adapter = None

    def copy(self, collection: Any) -> list[Any]:
        return list(collection._sa_adapter)

    # -- events ------------------------------------------------------------------------------

    def fire_append_event(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, key: Any = None
    ) -> Any:
        if self.listened:
            token = self.append_token if initiator is None else initiator
            for fn in self.dispatch.append:
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
        for fn in self.dispatch.append_wo_mutation:
            value = fn(state, value, token, key=key)
        return value

    def fire_pre_remove_event(
        self, state: Any, dict_: dict[str, Any], initiator: Any, key: Any = None
    ) -> None:
        """A removal begins whose value is not known yet: keep the old collection first."""
        if self.send_modified:
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)

    def fire_remove_event(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, key: Any = None
    ) -> None:
        if self.trackparent and value is not None:
            self.sethasparent(self.state_of(value), state, False)
        if self.listened:
            token = self.remove_token if initiator is None else initiator
            for fn in self.dispatch.remove:
                fn(state, value, token, key=key)
        if self.send_modified:
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)

    def state_of(self, value: Any) -> Any:
        return related_state(self, value)

    # -- changes -----------------------------------------------------------------------------

    def append(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF
    ) -> None:
        adapter = self.get_collection(state, dict_, None, passive)
        if adapter is PASSIVE_NO_RESULT or adapter is NO_VALUE:
            value = self.fire_append_event(state, dict_, value, initiator)
            self.queue(state).append(value)
        else:
            adapter.append_with_event(value, initiator)

    def remove(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF
    ) -> None:
        adapter = self.get_collection(state, dict_, None, passive)
        if adapter is PASSIVE_NO_RESULT or adapter is NO_VALUE:
            self.fire_remove_event(state, dict_, value, initiator)
            self.queue(state).remove(value)
        else:
            adapter.remove_with_event(value, initiator)

    def pop(
        self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF
    ) -> None:
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
        if self.dispatch.bulk_replace:
            items = list(items) if adapter.keys_of(value) is None else items
            for fn in self.dispatch.bulk_replace:
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
        added, deleted = changes.added_items, changes.deleted_items
        if added or deleted:
            state.modified_event(dict_, self.key, collection, self.copy)
            present = {id(item) for item in adapter}
            for item_id, item in added.items():
                if item_id not in present:
                    adapter.append_without_event(item)
            for item_id, item in deleted.items():
                if item_id in present:
                    adapter.remove_without_event(item)
        return collection

    # -- history -----------------------------------------------------------------------------

    def get_history(
        self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF
    ) -> History:
        current = self.get(state, dict_, passive)
        if current is PASSIVE_NO_RESULT or current is NO_VALUE:
            if passive & INCLUDE_PENDING_MUTATIONS:
                pending = state.peek("pending")
                if pending and self.key in pending:
                    changes = pending[self.key]
                    return History(
                        list(changes.added_items.values()), (), list(changes.deleted_items.values())
                    )
            return HISTORY_BLANK
        adapter = current._sa_adapter
        committed = state.committed
        original: Any = _UNTOUCHED if committed is None else committed.get(self.key, _UNTOUCHED)
        if original is _UNTOUCHED:
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

    def get_all_pending(
        self, state: Any, dict_: dict[str, Any], passive: int = 0
    ) -> list[tuple[Any, Any]]:
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


def related_state(attribute: Any, value: Any) -> Any:
    """Give the state of an object that is to be a value of an attribute."""
    try:
        return value.__dict__[INSTANCE_STATE]
    except (AttributeError, KeyError):
        raise UnmappedInstanceError(
            value,
            f"{type(value).__name__!r} object can't be a value of "
            f"{attribute.class_.__name__}.{attribute.key}: it is not a mapped instance.",
        ) from None


def is_object(value: Any) -> bool:
    """True if ``value`` is an object, not ``None`` and not a marker for a missing value."""
    return value is not None and value is not NO_VALUE and value is not PASSIVE_NO_RESULT
