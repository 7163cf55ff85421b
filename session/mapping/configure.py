"""Configuring mappers: the step in which names are resolved and attributes become ready for objects.

Mappers are made while classes are defined, when the classes they refer to may not exist yet.  The first use
of any of them configures all that are new, once; :func:`ensure` is one flag check afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.exc import InvalidRequestError

from session.core.event import lock, of_class
from session.mapping.events import EXT_SKIP

__all__ = ["all_registries", "clear_mappers", "configure_mappers", "configure_registries", "lock"]

#: Every registry of the process, in the order in which they were made; changed and gone through with the lock held.
all_registries: WeakKeyDictionary[Any, None] = WeakKeyDictionary()

_running = threading.local()


def configure_mappers() -> None:
    """Configure all mappers of all registries that are new since the last time.

    Happens by itself at the first use of a mapped class; call it to see mistakes early.

    :raises sqlalchemy.exc.InvalidRequestError: if a mapping names what does not exist.
    :raises sqlalchemy.exc.ArgumentError: if a mapping contradicts itself.
    """
    with lock:
        registries = list(all_registries)
    configure_registries(registries, cascade=True)


def configure_registries(registries: Iterable[Any], cascade: bool) -> None:
    """Configure the new mappers of some registries.

    :param registries: the registries.
    :param cascade: go on to registries that their mappers turn out to depend on; else that is an error.
    """
    registries = list(registries)
    if not any(one.pending for one in registries):
        return
    with lock:
        if getattr(_running, "active", False):
            return
        _running.active = True
        try:
            _run(registries, cascade)
        finally:
            _running.active = False


def _run(registries: list[Any], cascade: bool) -> None:
    pending = [one for one in _with_dependencies(registries, cascade) if one.pending]
    if not pending:
        return
    mapper_class = pending[0].mapper_class
    of_class(mapper_class).before_configured()
    done: list[Any] = []
    while pending:
        for one in pending:
            for listener in tuple(one.dispatch.before_configured):  # who maps a class there may bring further ones
                listener(one)
            _configure_one(one)
            done.append(one)
        pending = [one for one in _with_dependencies(registries, cascade) if one.pending and one not in done]
    of_class(mapper_class).after_configured()
    for one in done:
        one.dispatch.after_configured(one)


def _with_dependencies(registries: list[Any], cascade: bool) -> list[Any]:
    found = list(registries)
    for one in found:
        for other in one.dependencies:
            if other in found:
                continue
            if not cascade and other.pending:
                raise InvalidRequestError(
                    f"Cannot configure {one!r} by itself: its mappers depend on {other!r}, which is not configured; "
                    f"use configure(cascade=True)"
                )
            found.append(other)
    return found


def _configure_one(registry: Any) -> None:
    """Configure the new mappers of one registry, bases before those that inherit from them."""
    skipped = []
    while registry.new_mappers:
        mapper = registry.new_mappers[0]
        earlier = mapper.configure_error
        if earlier is not None:
            raise InvalidRequestError(
                f"A mapper failed to configure before, so no mapping of its registry can be used: "
                f"{mapper} said: {earlier}"
            ) from earlier
        if _told_to_skip(mapper):
            skipped.append(registry.new_mappers.pop(0))
            continue
        try:
            mapper.finish_configuration()
        except Exception as error:
            mapper.configure_error = error
            raise
        if registry.new_mappers and registry.new_mappers[0] is mapper:
            registry.new_mappers.pop(0)
        mapper.dispatch.mapper_configured(mapper, mapper.class_)
    registry.new_mappers.extend(skipped)
    registry.pending = bool(skipped)


def _told_to_skip(mapper: Any) -> bool:
    answer = None
    for listener in mapper.dispatch.before_mapper_configured:
        answer = listener(mapper, mapper.class_)
        if answer is EXT_SKIP:
            return True
    return False


def clear_mappers() -> None:
    """Take the mapping off every class of every registry; for tests.

    The classes go back to plain ones; statements and objects made before must not be used any more.
    """
    with lock:
        for one in list(all_registries):
            one.dispose(cascade=True)


def dependents_of(registry: Any, cascade: bool) -> list[Any]:
    """Return a registry and those that depend on it, directly or not.

    :raises sqlalchemy.exc.InvalidRequestError: if there are dependents, and ``cascade`` is false.
    """
    found = [registry]
    for one in found:
        for other in list(all_registries):
            if one in other.dependencies and other not in found:
                if not cascade:
                    raise InvalidRequestError(
                        f"Cannot dispose of {registry!r} by itself: {other!r} depends on it; use dispose(cascade=True)"
                    )
                found.append(other)
    return found
