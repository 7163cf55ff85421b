"""How mapped things answer ``sqlalchemy.inspect()``, and how events find their targets.

Core keeps one registry of inspectors by type and one list of event classes by event name.
``sqlalchemy.orm`` uses the same registries, and insists on being the only one there for ``type``
and ``object``.  Here these entries are made shareable, so that both libraries serve one process,
whichever is imported first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import inspection
from sqlalchemy.event import base as event_base

__all__ = ["inspects", "inspects_itself", "precede", "share"]

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T", bound=type)


class _AnyName(str):
    """A name that passes for every other: an inspector may be registered beside a shared one."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


class _SharedInspector:
    """Several inspectors of one type, asked in turn until one knows the subject."""

    def __init__(self) -> None:
        self.__name__ = _AnyName("shared")
        self.__module__ = _AnyName(__name__)
        self.inspectors: list[Callable[[Any], Any]] = []

    def __call__(self, subject: Any) -> Any:
        for inspector in self.inspectors:
            found = inspector(subject)
            if found is not None:
                return found
        return None


class _SharingRegistry(dict[Any, Any]):
    """Core's registry of inspectors, in which an entry for a shared type adds to the others."""

    def __setitem__(self, type_: Any, inspector: Any) -> None:
        present = self.get(type_)
        if isinstance(present, _SharedInspector) and inspector is not present:
            present.inspectors.append(inspector)
        else:
            super().__setitem__(type_, inspector)


def _registry() -> _SharingRegistry:
    registry = inspection._registrars
    if not isinstance(registry, _SharingRegistry):
        registry = inspection._registrars = _SharingRegistry(registry)
    return registry


def share(type_: type, inspector: Callable[[Any], Any]) -> None:
    """Add an inspector for a type that other libraries inspect too (``type``, ``object``).

    :param inspector: gives the inspection of a subject, or ``None`` if it isn't one of ours.
    """
    registry = _registry()
    present = registry.get(type_)
    if not isinstance(present, _SharedInspector):
        shared = _SharedInspector()
        if present is not None:
            shared.inspectors.append(present)
        registry[type_] = present = shared
    present.inspectors.insert(0, inspector)


def inspects(*types: type) -> Callable[[_F], _F]:
    """Decorate the inspector of types that are this package's own."""

    def decorate(inspector: _F) -> _F:
        for type_ in types:
            _registry()[type_] = inspector
        return inspector

    return decorate


def inspects_itself(type_: _T) -> _T:
    """Decorate a class whose instances are their own inspection."""
    inspection._registrars[type_] = True
    return type_


def precede(events: type) -> type:
    """Let an event class be asked for its targets before those of other libraries.

    :param events: a subclass of ``sqlalchemy.event.Events``; its ``_accept_with`` must give
        ``None`` for every target that is not this package's.
    """
    for registered in event_base._registrars.values():
        if events in registered:
            registered.remove(events)
            registered.insert(0, events)
    return events
