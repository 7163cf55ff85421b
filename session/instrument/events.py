"""Events of instances and of attributes, through ``sqlalchemy.event``.

``listen(User, "load", fn)`` reaches the class manager of ``User``; on a class that is not mapped
yet (a mixin, an abstract base) the listener waits in a *hold* until a subclass is mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event

from session.constants import CLASS_MANAGER, KNOWN_CLASS_MANAGER, NO_KEY
from session.core.event import KeptListeners, listen_elsewhere, lock
from session.core.inspection import precede
from session.heard import heard

__all__ = ["AttributeEvents", "InstanceEvents", "apply_held_listeners"]


class InstanceEvents(event.Events[Any]):
    """What happens in the life of mapped instances.

    Targets: a mapped class, a class that will be mapped or is a base of such (with
    ``propagate=True``), or the ``Mapper`` class for all.  Listeners get the instance, or with
    ``raw=True`` its ``InstanceState``.
    """

    _target_class_doc = "SomeClass"

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        target = getattr(target, "_session_stands_for", target)
        if not isinstance(target, type):
            manager = getattr(target, "class_manager", None)
            if manager is not None and hasattr(manager, "expire_listened"):
                return manager
            if hasattr(target, "expire_listened"):
                return target
            return None
        if getattr(target, "_session_accepts_all_instances", False):
            return EVERY_INSTANCE
        if hasattr(target, "expirable"):
            return None
        manager = target.__dict__.get(CLASS_MANAGER)
        if manager is not None:
            return manager
        if target.__dict__.get(KNOWN_CLASS_MANAGER) is not manager:
            return None
        return _Hold.of(target)

    @classmethod
    def _listen(
        cls, event_key: Any, raw: bool = False, propagate: bool = False, restore_load_context: bool = False, **kw: Any
    ) -> None:
        heard.add(event_key.identifier)
        target, fn = event_key.dispatch_target, event_key._listen_fn
        if not raw:
            event_key = event_key.with_wrapper(_with_instance(fn))
        if isinstance(target, _Hold):
            with lock:
                target.keep(event_key, propagate, kw)
            if target is not EVERY_INSTANCE:
                listen_elsewhere(cls, event_key, {"raw": raw, "propagate": propagate, **kw})
            return
        with lock:
            event_key.base_listen(propagate=propagate, **kw)
            if propagate:
                for manager in _descendants(target):
                    event_key.with_dispatch_target(manager).base_listen(propagate=True, **kw)
            target.note_listeners()

    def first_init(self, manager: Any, cls: type[Any]) -> None:
        """Before the first instance of a class is made by calling it."""

    def init(self, target: Any, args: Any, kwargs: Any) -> None:
        """Before the class's own ``__init__`` runs; ``kwargs`` may be changed in place."""

    def init_failure(self, target: Any, args: Any, kwargs: Any) -> None:
        """After the class's own ``__init__`` raised."""

    def _sa_event_merge_wo_load(self, target: Any, context: Any) -> None:
        """After an object was merged without loading."""

    def load(self, target: Any, context: Any) -> None:
        """After an instance was made from a row."""

    def refresh(self, target: Any, context: Any, attrs: Any) -> None:
        """After attributes of an instance were loaded again from a row."""

    def refresh_flush(self, target: Any, flush_context: Any, attrs: Any) -> None:
        """After a flush put values made by a default into the instance."""

    def expire(self, target: Any, attrs: Any) -> None:
        """After attributes were expired; ``attrs`` is ``None`` for all."""

    def pickle(self, target: Any, state_dict: dict[str, Any]) -> None:
        """While the state is pickled."""

    def unpickle(self, target: Any, state_dict: dict[str, Any]) -> None:
        """After the state was unpickled."""


def _with_instance(fn: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(fn)
    def on_instance(state: Any, *args: Any, **kw: Any) -> Any:
        # managers (first_init) have no object behind them and are handed on as they are
        return fn(state.obj() if hasattr(state, "ident") else state, *args, **kw)

    return on_instance


def _descendants(manager: Any) -> list[Any]:
    found: list[Any] = []
    todo: list[Any] = list(manager.subclass_managers())
    while todo:
        one = todo.pop()
        found.append(one)
        todo.extend(one.subclass_managers())
    return found


class _Hold:
    """Listeners on a class that is not mapped (yet)."""

    holds: WeakKeyDictionary[type[Any], _Hold] = WeakKeyDictionary()

    dispatch: Any = event.dispatcher(InstanceEvents)

    def __init__(self) -> None:
        self.kept = KeptListeners()

    @classmethod
    def of(cls, target: type[Any]) -> _Hold:
        hold = cls.holds.get(target)
        if hold is None:
            hold = cls.holds[target] = cls()
        return hold

    def keep(self, event_key: Any, propagate: bool, kw: dict[str, Any]) -> None:
        event_key.base_listen(propagate=propagate, **kw)
        self.kept.add(event_key, propagate, kw)
        target = event_key.target
        if propagate and isinstance(target, type):
            todo: list[Any] = list(target.__subclasses__())
            while todo:
                sub = todo.pop()
                todo.extend(sub.__subclasses__())
                manager = sub.__dict__.get(CLASS_MANAGER)
                if manager is not None:
                    event_key.with_dispatch_target(manager).base_listen(propagate=True, **kw)
                    manager.note_listeners()


class _EveryInstance(_Hold):
    """Listeners on the ``Mapper`` class: they hear every mapped instance."""

    def keep(self, event_key: Any, propagate: bool, kw: dict[str, Any]) -> None:
        event_key.base_listen(propagate=True, **kw)
        self.kept.add(event_key, True, kw)
        for manager in list(all_managers):
            event_key.with_dispatch_target(manager).base_listen(propagate=True, **kw)
            manager.note_listeners()


EVERY_INSTANCE = _EveryInstance()
all_managers: WeakKeyDictionary[Any, None] = WeakKeyDictionary()


def apply_held_listeners(manager: Any) -> None:
    """Give a new class manager the listeners that waited for its class."""
    with lock:
        _apply_held_listeners(manager)


def _apply_held_listeners(manager: Any) -> None:
    all_managers[manager] = None
    cls = manager.class_
    for event_key, _, kw in EVERY_INSTANCE.kept:
        if event_key.contains():
            event_key.with_dispatch_target(manager).base_listen(propagate=True, **kw)
    for base in cls.__mro__:
        hold = _Hold.holds.get(base)
        if hold is None:
            continue
        for event_key, propagate, kw in hold.kept:
            if (propagate or base is cls) and event_key.contains():
                event_key.with_dispatch_target(manager).base_listen(propagate=propagate, **kw)
    manager.note_listeners()


class AttributeEvents(event.Events[Any]):
    """Changes of one attribute.

    Target: a class-bound attribute, ``listen(User.name, "set", fn)``, or the mapper's property of it.  With
    ``retval=True`` the listener's return value replaces the value; with ``raw=True`` it gets states in place of
    objects; ``propagate=True`` includes subclasses; ``active_history=True`` loads old values.
    """

    _target_class_doc = "SomeClass.some_attribute"

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        if hasattr(target, "_session_attribute"):
            return target
        if getattr(target, "is_property", False):
            return target.parent.class_manager[target.key]
        if isinstance(target, type) and getattr(target, "_session_attribute_class", False):
            return target
        return None

    @classmethod
    def _listen(
        cls,
        event_key: Any,
        active_history: bool = False,
        raw: bool = False,
        retval: bool = False,
        propagate: bool = False,
        include_key: bool = False,
        own: bool = False,
        **kw: Any,
    ) -> None:
        heard.add(event_key.identifier)
        target, fn = event_key.dispatch_target, event_key._listen_fn
        if active_history:
            target._request_active_history()
        identifier = event_key.identifier
        as_called = raw and (retval or identifier not in _WITH_VALUE) and identifier not in _KEYED
        if not (as_called or own):
            event_key = event_key.with_wrapper(_adapted_listener(fn, identifier, raw, retval, include_key))
        event_key.base_listen(propagate=propagate, **kw)
        target._note_listeners()
        if propagate:
            manager = target.class_.__dict__.get(CLASS_MANAGER)
            for sub in () if manager is None else _descendants(manager):
                attribute = sub.get(target.key)
                if attribute is None or attribute is target:
                    continue
                if active_history:
                    attribute._request_active_history()
                event_key.with_dispatch_target(attribute).base_listen(propagate=True, **kw)
                attribute._note_listeners()

    def append(self, target: Any, value: Any, initiator: Any, *, key: Any = None) -> Any:
        """An object is about to be added to a collection."""

    def append_wo_mutation(self, target: Any, value: Any, initiator: Any, *, key: Any = None) -> Any:
        """An object was added to a set or dictionary that holds it already."""

    def bulk_replace(self, target: Any, values: Any, initiator: Any, *, keys: Any = None) -> None:
        """A collection is about to be replaced; the list ``values`` may be changed in place."""

    def remove(self, target: Any, value: Any, initiator: Any, *, key: Any = None) -> None:
        """An object is about to leave a collection, or an attribute is about to be deleted."""

    def set(self, target: Any, value: Any, oldvalue: Any, initiator: Any) -> Any:
        """An attribute is about to be set."""

    def init_scalar(self, target: Any, value: Any, dict_: dict[str, Any]) -> Any:
        """An attribute without value is read."""

    def init_collection(self, target: Any, collection: Any, collection_adapter: Any) -> None:
        """An empty collection was made for an attribute."""

    def dispose_collection(self, target: Any, collection: Any, collection_adapter: Any) -> None:
        """A collection was replaced by another."""

    def modified(self, target: Any, initiator: Any) -> None:
        """``flag_modified()`` was called."""


_KEYED = frozenset({"append", "append_wo_mutation", "remove", "bulk_replace"})
_WITH_VALUE = frozenset({"append", "append_wo_mutation", "set", "init_scalar"})


def _adapted_listener(
    fn: Callable[..., Any], identifier: str, raw: bool, retval: bool, include_key: bool
) -> Callable[..., Any]:
    """Fit a user's listener to the way the attribute implementations call."""
    gives_value = identifier in _WITH_VALUE
    drops_key = not include_key

    @wraps(fn)
    def listener(state: Any, *args: Any, **kw: Any) -> Any:
        if drops_key:
            kw.pop("key", None)
            kw.pop("keys", None)
        elif "key" in kw and kw["key"] is None:
            kw["key"] = NO_KEY
        result = fn(state if raw else state(), *args, **kw)
        if retval or not gives_value:
            return result
        return args[0]

    return listener


precede(InstanceEvents)
precede(AttributeEvents)
