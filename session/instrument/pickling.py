"""States on their way through ``pickle``: named independently of which implementation made them."""

from __future__ import annotations

from typing import Any

from session._accel import state as state_module
from session.constants import CLASS_MANAGER, INSTANCE_STATE
from session.exc import UnmappedInstanceError
from session.instrument.base import class_label

__all__ = ["dump_state", "restore_state"]

_PLAIN = ("ident", "identity_token", "committed", "expired", "modified", "load_path")
_EXTRAS = ("callables", "info", "pending")


def dump_state(state: Any) -> tuple[Any, ...]:
    """Give what :func:`restore_state` needs to make the state again."""
    obj = state()
    values = {name: getattr(state, name) for name in _PLAIN}
    values["committed"] = state.committed and dict(state.committed)
    values["expired_keys"] = None if state.expired_keys is None else set(state.expired_keys)
    values["load_options"] = state.load_options or None
    for name in _EXTRAS:
        part = state.peek(name)
        if part:
            values["extra:" + name] = part
    state.manager.dispatch.pickle(state, values)
    return (state.class_, obj, values)


def restore_state(cls: type[Any], obj: Any, values: dict[str, Any]) -> Any:
    """Make the state of an unpickled object again.

    :param cls: the mapped class.
    :param obj: the object; its ``__dict__`` is filled by the unpickler.
    :raises UnmappedInstanceError: the class is not mapped in this process.
    """
    manager = cls.__dict__.get(CLASS_MANAGER)
    if manager is None or manager.mapper is None:
        raise UnmappedInstanceError(
            obj,
            f"Can't unpickle an instance of {class_label(cls)}: the class is not mapped in this process.",
        )
    manager.mapper.ensure_configured()
    state = state_module.InstanceState(obj, manager)
    for name, value in values.items():
        if name.startswith("extra:"):
            part = name.removeprefix("extra:")
            state.extra(part, lambda value=value: value)  # type: ignore[misc]
        elif name == "expired_keys":
            state.expired_keys = None if value is None else frozenset(value)
        elif name in _PLAIN or name == "load_options":
            setattr(state, name, value)  # the rest is of those who listen to "pickle"
    obj.__dict__[INSTANCE_STATE] = state
    manager.dispatch.unpickle(state, values)
    return state
