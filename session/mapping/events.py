"""Events of mappers and registries, through ``sqlalchemy.event``.

A listener goes to one mapper (given as the mapped class), to the ``Mapper`` class for all of them, or, with
``propagate=True``, to a mixin or a class that is not mapped yet: then it waits in a hold until a subclass is.
Inside, the row events carry the object's *state*; listeners get the object unless they asked for ``raw``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from sqlalchemy import event

from session.constants import CLASS_MANAGER, KNOWN_CLASS_MANAGER
from session.core.event import KeptListeners, listen_elsewhere, lock
from session.core.inspection import precede
from session.heard import heard

__all__ = [
    "EXT_CONTINUE",
    "EXT_SKIP",
    "EXT_STOP",
    "EventConstants",
    "MapperEvents",
    "RegistryEvents",
    "apply_held_mapper_listeners",
]


class EventConstants(enum.Enum):
    """What a listener with ``retval=True`` may answer."""

    EXT_CONTINUE = 1
    EXT_STOP = 2
    EXT_SKIP = 3
    NO_KEY = 4


EXT_CONTINUE = EventConstants.EXT_CONTINUE
EXT_STOP = EventConstants.EXT_STOP
EXT_SKIP = EventConstants.EXT_SKIP

_ROW_EVENTS = frozenset(
    ("before_insert", "after_insert", "before_update", "after_update", "before_delete", "after_delete")
)
_CLASS_WIDE = ("before_configured", "after_configured")


class MapperEvents(event.Events[Any]):
    """What happens in the life of a mapper, and around the rows that it writes.

    ``raw=True`` gives a listener of the row events the ``InstanceState`` in place of the object;
    ``retval=True`` lets listeners answer with ``EXT_SKIP``, ``EXT_STOP`` or ``EXT_CONTINUE``;
    ``propagate=True`` extends the listener to mappers that inherit.
    """

    _target_class_doc = "SomeClass"

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        target = getattr(target, "_session_stands_for", target)
        if not isinstance(target, type):
            is_mapper = getattr(target, "_session_is_mapper", False) and identifier not in _CLASS_WIDE
            return target if is_mapper else None
        if getattr(target, "_session_is_mapper", False):
            return target
        if identifier in _CLASS_WIDE:
            return None
        manager = target.__dict__.get(CLASS_MANAGER)
        if manager is not None and manager.mapper is not None:
            return manager.mapper
        if target.__dict__.get(KNOWN_CLASS_MANAGER) is not manager:
            return None
        return _MapperHold.of(target)

    @classmethod
    def _listen(
        cls,
        event_key: Any,
        raw: bool = False,
        retval: bool = False,
        propagate: bool = False,
        **keywords: Any,
    ) -> None:
        target, identifier = event_key.dispatch_target, event_key.identifier
        heard.add(identifier)
        plain_key = event_key
        if not raw or not retval:
            event_key = event_key.with_wrapper(_wrapped(event_key._listen_fn, identifier, raw, retval))
        if isinstance(target, _MapperHold):
            with lock:
                target.keep(event_key, propagate, keywords)
            listen_elsewhere(cls, plain_key, {"raw": raw, "retval": retval, "propagate": propagate, **keywords})
            return
        with lock:
            if propagate and not isinstance(target, type):
                for mapper in target.self_and_descendants:
                    event_key.with_dispatch_target(mapper).base_listen(propagate=True, **keywords)
            else:
                event_key.base_listen(propagate=propagate, **keywords)

    @classmethod
    def _clear(cls) -> None:
        super()._clear()
        _MapperHold.holds.clear()

    def instrument_class(self, mapper: Any, class_: Any) -> None:
        """While a mapper is made: its class is instrumented, its attributes are not there yet."""

    def after_mapper_constructed(self, mapper: Any, class_: Any) -> None:
        """A mapper has been made, and has its properties; names in them are not resolved yet."""

    def mapper_constructed(self, mapper: Any, class_: Any) -> None:
        """The same moment as ``after_mapper_constructed``."""

    def before_mapper_configured(self, mapper: Any, class_: Any) -> None:
        """Before a mapper is configured; ``EXT_SKIP`` (with ``retval``) leaves it out of this round."""

    def mapper_configured(self, mapper: Any, class_: Any) -> None:
        """A mapper has been configured; others of the same round perhaps not yet."""

    def before_configured(self) -> None:
        """Before a round of configuration; for the ``Mapper`` class only."""

    def after_configured(self) -> None:
        """After a round of configuration; for the ``Mapper`` class only."""

    def before_insert(self, mapper: Any, connection: Any, target: Any) -> None:
        """Before the INSERT of an object; its own column attributes may be changed."""

    def after_insert(self, mapper: Any, connection: Any, target: Any) -> None:
        """After the INSERT of an object."""

    def before_update(self, mapper: Any, connection: Any, target: Any) -> None:
        """Before the UPDATE of a changed object, even if it turns out to need none."""

    def after_update(self, mapper: Any, connection: Any, target: Any) -> None:
        """After the UPDATE of a changed object."""

    def before_delete(self, mapper: Any, connection: Any, target: Any) -> None:
        """Before the DELETE of an object."""

    def after_delete(self, mapper: Any, connection: Any, target: Any) -> None:
        """After the DELETE of an object."""


def _wrapped(fn: Callable[..., Any], identifier: str, raw: bool, retval: bool) -> Callable[..., Any]:
    """Fit a listener to how the event is sent: with a state, expecting an answer."""
    unpack = identifier in _ROW_EVENTS and not raw

    @wraps(fn)
    def listener(*args: Any, **keywords: Any) -> Any:
        if unpack:
            args = (*args[:2], args[2].obj())
        answer = fn(*args, **keywords)
        return answer if retval else EXT_CONTINUE

    return listener


class _MapperHold:
    """Listeners on a class that is not mapped (yet): they reach the mappers of its subclasses."""

    holds: ClassVar[WeakKeyDictionary[type[Any], _MapperHold]] = WeakKeyDictionary()

    dispatch: Any = event.dispatcher(MapperEvents)

    def __init__(self) -> None:
        self.kept = KeptListeners()

    @classmethod
    def of(cls, target: type[Any]) -> _MapperHold:
        hold = cls.holds.get(target)
        if hold is None:
            hold = cls.holds[target] = cls()
        return hold

    def keep(self, event_key: Any, propagate: bool, keywords: dict[str, Any]) -> None:
        """Keep a listener, and give it to the subclasses that are mapped already."""
        event_key.base_listen(propagate=propagate, **keywords)
        self.kept.add(event_key, propagate, keywords)
        if not propagate:
            return
        todo = list(event_key.target.__subclasses__())
        while todo:
            cls = todo.pop()
            todo.extend(cls.__subclasses__())
            manager = cls.__dict__.get(CLASS_MANAGER)
            if manager is not None and manager.mapper is not None:
                event_key.with_dispatch_target(manager.mapper).base_listen(propagate=True, **keywords)


def apply_held_mapper_listeners(mapper: Any) -> None:
    """Give a new mapper the listeners that wait on its class and on bases that are not mapped."""
    for cls in mapper.class_.__mro__:
        hold = _MapperHold.holds.get(cls)
        if hold is None:
            continue
        for event_key, propagate, keywords in hold.kept:
            if not event_key.contains():  # removed since
                continue
            if propagate or cls is mapper.class_:
                event_key.with_dispatch_target(mapper).base_listen(propagate=propagate, **keywords)


class RegistryEvents(event.Events[Any]):
    """What happens to a registry; targets are a registry, or the ``registry`` class for all."""

    _target_class_doc = "SomeRegistry"

    @classmethod
    def _accept_with(cls, target: Any, identifier: str) -> Any:
        if isinstance(target, type) and CLASS_MANAGER not in target.__dict__ and "registry" in target.__dict__:
            target = target.__dict__["registry"]  # a declarative base
        return target if getattr(target, "_session_is_registry", False) else None

    def before_configured(self, registry: Any) -> None:
        """Before new mappers of the registry are configured."""

    def after_configured(self, registry: Any) -> None:
        """After new mappers of the registry were configured."""

    def resolve_type_annotation(self, resolve_type: Any) -> Any:
        """A SQL type is wanted for a Python type of an annotation; return one, or ``None``."""

    @classmethod
    def _listen(cls, event_key: Any, **keywords: Any) -> None:
        keywords.pop("retval", None)
        keywords.pop("raw", None)
        event_key.base_listen(**keywords)


precede(MapperEvents)
precede(RegistryEvents)
