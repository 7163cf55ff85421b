"""Many states at once: what a flush and the end of a transaction do to all that they touch.  Pure reference version."""

from __future__ import annotations

from collections.abc import Iterable

from session._py.state import InstanceState

__all__ = ["commit_all_states", "expire_keys", "expire_states"]


def commit_all_states(states: Iterable[InstanceState]) -> None:
    """Run :meth:`InstanceState.commit_all` on many states."""
    for state in states:
        obj = state()
        state.commit_all({} if obj is None else obj.__dict__)


def expire_states(states: Iterable[InstanceState]) -> None:
    """Run :meth:`InstanceState.expire` on many states."""
    for state in states:
        obj = state()
        if obj is not None:
            state.expire(obj.__dict__)


def expire_keys(states: Iterable[InstanceState], keys: frozenset[str]) -> None:
    """Have some column attributes of many states loaded when they are read next.

    :param keys: attribute keys.
    """
    for state in states:
        dict_ = state().__dict__
        committed = state.committed
        for key in keys:
            dict_.pop(key, None)
            if committed is not None:
                committed.pop(key, None)
        state.merge_expired(keys)
