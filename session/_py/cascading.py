"""The walk of a cascade: from an object to all that an operation on it goes on to.

In come an object's state and, from its mapper, the *steps* of the operation: along which relationships it goes on.
Out come the objects reached, each once, every one ahead of what lies behind it.  The walk has a stack of its own, so
that a chain of a million objects is as good as any; a relationship that has to be loaded, or whose former
objects count, is asked itself (``prop.cascade_iterator``).

``cext/cascading.pyx`` is the compiled twin.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, NamedTuple

from session.constants import INSTANCE_STATE, NO_VALUE, PASSIVE_NO_RESULT

__all__ = ["Step", "walk"]

_NOTHING: frozenset[Any] = frozenset()


class Step(NamedTuple):
    """One relationship along which an operation goes on, and what the walk has to know of it."""

    key: str
    #: the attribute holds a collection
    uselist: bool
    #: objects that the attribute held before the change count too
    former: bool
    #: an attribute that is not loaded is asked all the same
    ask: bool
    #: new objects are passed over
    skip_new: bool
    #: the class manager of the usual objects
    manager: Any
    prop: Any


def walk(
    operation: str,
    start: Any,
    halt_on: Callable[[Any], bool] | None = None,
    home: Any = None,
    new: Container[Any] = _NOTHING,
) -> list[tuple[Any, Any]]:
    """Find the objects that an operation on one goes on to.

    :param operation: the name of the cascade.
    :param start: the state of the first object, which is not among those found.
    :param halt_on: a function of a state; where it is true the object and what lies behind it are left out.
    :param home: an identity map; objects that are filed in it, and what lies behind them, are left out.
    :param new: states that are left out in the same way.
    :return: state and object of each.
    :raises AssertionError: an object is not of the class that its relationship is for.
    """
    found: list[tuple[Any, Any]] = []
    visited = {start}
    stack: list[tuple[Any, ...]] = [(start, start())]
    manager: Any = None
    steps: tuple[Step, ...] = ()
    while stack:
        top = stack.pop()
        state, obj = top[0], top[1]
        if len(top) == 2:
            if state is not start:
                found.append((state, obj))
            if state.manager is not manager:
                manager = state.manager
                steps = manager.mapper.cascade_steps(operation)
            stack.extend([(state, obj, step) for step in reversed(steps)])
            continue
        reached = _reached(operation, state, obj, top[2], visited, halt_on, home, new)
        reached.reverse()
        stack.extend(reached)
    return found


def _reached(
    operation: str, state: Any, obj: Any, step: Step, visited: set[Any], halt_on: Any, home: Any, new: Any
) -> list[tuple[Any, Any]]:
    """What the operation goes on to along one relationship; entered in ``visited``."""
    key = step.key
    dict_ = state.dict if obj is None else obj.__dict__
    committed = state.committed
    changed = committed is not None and key in committed
    value = dict_.get(key, NO_VALUE)
    if value is NO_VALUE and not (step.ask or changed or (state.extras is not None and "pending" in state.extras)):
        return []
    if value is NO_VALUE or (step.former and changed and not _is_nothing(committed[key])):
        halt = halt_on
        if halt is None and home is not None:

            def halt(other: Any) -> bool:
                return (other.shelf is not None and other.home is home) or other in new

        asked = step.prop.cascade_iterator(operation, state, dict_, visited, halt)
        return [(other, item) for item, _, other, _ in asked]
    if value is None or value is PASSIVE_NO_RESULT:
        return []
    found = []
    for item in _members(value) if step.uselist else (value,):
        if item is None:
            continue
        other = item.__dict__[INSTANCE_STATE]
        if other in visited or (halt_on is not None and halt_on(other)):
            continue
        if home is not None and ((other.shelf is not None and other.home is home) or other in new):
            continue
        if other.manager is not step.manager:
            step.prop.check_member(other)
        if step.skip_new and other.ident is None:
            continue
        visited.add(other)
        found.append((other, item))
    return found


def _members(collection: Any) -> list[Any]:
    """What is in a collection now; a list is not asked itself."""
    if type(collection)._session_kind is list and isinstance(collection, list):
        return list.copy(collection)
    return list(collection._sa_adapter)


def _is_nothing(value: Any) -> bool:
    return value is NO_VALUE or value is None
