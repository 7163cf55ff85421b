"""Listeners that another library in the same process may want as well."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

from sqlalchemy.event import _legacy_signature as legacy_signature
from sqlalchemy.event.base import _registrars
from sqlalchemy.event.registry import _EventKey as EventKey

__all__ = ["EventKey", "KeptListeners", "hand_down", "legacy_signature", "listen_elsewhere", "lock", "of_class"]

lock = threading.RLock()
"""Held while mappers are made, configured or disposed of, and while a listener is given to classes."""

if hasattr(os, "register_at_fork"):  # a child has no other threads: what they have begun it would wait for in vain
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def listen_elsewhere(events_class: Any, event_key: Any, keywords: dict[str, Any]) -> None:
    """Pass a listener on to the other libraries that would take its target too.

    For a class that nobody has mapped yet it is not known whose it will be.

    :param events_class: the events class that has taken the listener already.
    :param event_key: Core's key of the listener.
    :param keywords: the options of ``event.listen``.
    """
    for other in _registrars[event_key.identifier]:
        if other is events_class or other.__module__.partition(".")[0] == "session":
            continue
        target = other._accept_with(event_key.target, event_key.identifier)
        if target is not None:
            EventKey(event_key.target, event_key.identifier, event_key.fn, target).listen(**keywords)


class KeptListeners:
    """Listeners that wait for classes to be mapped; one that is removed is let go of when the next one comes."""

    def __init__(self) -> None:
        self._entries: list[tuple[Any, bool, dict[str, Any]]] = []

    def add(self, event_key: Any, propagate: bool, keywords: dict[str, Any]) -> None:
        """Keep a listener; the lock is held.

        :param event_key: Core's key of the listener, which listens already.
        :param propagate: its option.
        :param keywords: further options.
        """
        present = [entry for entry in self._entries if entry[0].contains()]
        self._entries = [*present, (event_key, propagate, keywords)]

    def __iter__(self) -> Iterator[tuple[Any, bool, dict[str, Any]]]:
        return iter(self._entries)


def of_class(cls: Any) -> Any:
    """Return the dispatch through which listeners on a class itself are called.

    :param cls: a class that is a target of events.
    """
    return cls.dispatch._for_class(cls)


def hand_down(listened: Any, heir: Any) -> None:
    """Give ``heir`` the listeners of ``listened`` that propagate."""
    heir.dispatch._update(listened.dispatch)
