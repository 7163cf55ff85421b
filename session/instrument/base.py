"""From an object or a class to what the ORM keeps about it."""

from __future__ import annotations

from typing import Any

from session.constants import CLASS_MANAGER, INSTANCE_STATE
from session.exc import UnmappedClassError, UnmappedInstanceError

__all__ = [
    "class_label",
    "instance_dict",
    "instance_state",
    "is_instrumented",
    "manager_of_class",
    "opt_instance_state",
    "opt_manager_of_class",
    "state_label",
]


class StatelessError(UnmappedInstanceError, AttributeError):
    """An object without state, also for those who catch :data:`session.exc.NO_STATE`."""


def instance_state(obj: Any) -> Any:
    """Give the state of a mapped instance.

    :raises UnmappedInstanceError: it has none; the error is an ``AttributeError`` too.
    """
    try:
        return obj.__dict__[INSTANCE_STATE]
    except (AttributeError, KeyError):
        raise StatelessError(obj) from None


def opt_instance_state(obj: Any) -> Any:
    """Give the state of a mapped instance, or ``None`` if ``obj`` is none."""
    try:
        return obj.__dict__.get(INSTANCE_STATE)
    except AttributeError:
        return None


def instance_dict(obj: Any) -> dict[str, Any]:
    return obj.__dict__  # type: ignore[no-any-return]


def opt_manager_of_class(cls: Any) -> Any:
    """Give the manager of an instrumented class itself (not of a base), or ``None``."""
    try:
        return cls.__dict__.get(CLASS_MANAGER)
    except AttributeError:
        return None


def manager_of_class(cls: type[Any]) -> Any:
    """Give the manager of an instrumented class.

    :raises UnmappedClassError: the class is not instrumented.
    """
    manager = opt_manager_of_class(cls)
    if manager is None:
        raise UnmappedClassError(cls)
    return manager


def is_instrumented(instance: Any, key: str) -> bool:
    """True if ``key`` is a mapped attribute of the object's class."""
    return key in manager_of_class(type(instance))


def class_label(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def state_label(state: Any) -> str:
    """Name an object in a message: its class, and its primary key or its address."""
    ident = state.identity
    if ident is None:
        return f"<{state.class_.__name__} at {id(state()):#x}>"
    return f"<{state.class_.__name__} with primary key {', '.join(map(repr, ident))}>"
