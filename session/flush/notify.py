"""What objects and their listeners are told of values that a statement has made, or has left unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from session._accel import state_loops
from session.heard import heard

__all__ = ["expire", "tell_refreshed"]


def expire(states: Sequence[Any], keys: Iterable[str]) -> None:
    """Have column attributes loaded when they are read next; listeners of ``expire`` are told.

    :param states: states of one class.
    """
    keys = list(keys)
    if not states[0].manager.expire_listened:
        state_loops.expire_keys(states, frozenset(keys))
        return
    for state in states:
        state.expire_attributes(state().__dict__, keys)


def tell_refreshed(uow: Any, states: Iterable[Any], keys: Sequence[str]) -> None:
    """Tell listeners of ``refresh_flush`` which attributes have got values from a statement."""
    if not keys or "refresh_flush" not in heard:
        return
    for state in states:
        for listener in state.manager.dispatch.refresh_flush:
            listener(state, uow, keys)
