"""Listeners that another library in the same process may want as well."""

from __future__ import annotations

from typing import Any

from sqlalchemy.event import _legacy_signature as legacy_signature
from sqlalchemy.event.base import _registrars
from sqlalchemy.event.registry import _EventKey as EventKey

__all__ = ["EventKey", "hand_down", "legacy_signature", "listen_elsewhere", "of_class"]


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


def of_class(cls: Any) -> Any:
    """Return the dispatch through which listeners on a class itself are called.

    :param cls: a class that is a target of events.
    """
    return cls.dispatch._for_class(cls)


def hand_down(listened: Any, heir: Any) -> None:
    """Give ``heir`` the listeners of ``listened`` that propagate."""
    heir.dispatch._update(listened.dispatch)
