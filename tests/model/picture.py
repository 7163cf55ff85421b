"""All that can be seen of a world: objects, Session, tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from .world import World


def picture(world: World) -> dict[str, Any]:
    """Everything, as plain values that can be compared with those of another world.

    Taking it emits no SQL through the Session and loads nothing.
    """
    session = world.session
    found: dict[int, Any] = {id(obj): obj for obj in (*world.held.values(), *session, *session.deleted)}
    return {
        "objects": sorted((object_picture(world, obj) for obj in found.values()), key=repr),
        "identity_map": sorted((key[0].__name__, repr(key[1:])) for key in session.identity_map.keys()),  # noqa: SIM118
        "new": sorted(map(world.label, session.new)),
        "dirty": sorted(map(world.label, session.dirty)),
        "deleted": sorted(map(world.label, session.deleted)),
        "in_transaction": session.in_transaction(),
        "in_nested_transaction": session.in_nested_transaction(),
        "is_active": session.is_active,
        "database_in_transaction": world.raw.in_transaction,
        "savepoints": [savepoint.is_active for savepoint in world.savepoints],
        "tables": {
            table.name: sorted(map(repr, world.raw.look(f"SELECT * FROM {table.name}"))) for table in world.tables
        },
    }


def object_picture(world: World, obj: Any) -> tuple[str, dict[str, Any]]:
    """One object: where it is in its life, what it has loaded, what has changed."""
    state = inspect(obj)
    phases = ("transient", "pending", "persistent", "deleted", "detached")
    seen = {
        "phase": [phase for phase in phases if getattr(state, phase)],
        "key": state.key and (state.key[0].__name__, *state.key[1:]),
        "in_session": obj in world.session,
        "attached": state.session is world.session,
        "modified": state.modified,
        "is_modified": None,
        "expired": sorted(expired_columns(state, obj)),
        "unloaded": sorted(state.unloaded),
        "values": {
            name: world.plain(value) for name, value in sorted(obj.__dict__.items()) if name != "_sa_instance_state"
        },
        "history": {},
    }
    if not any(replaced_unread(state, name) for name in state.committed_state):
        seen["is_modified"] = is_modified(world, obj)
    for attribute in state.mapper.attrs:
        if state.transient and attribute.key.endswith("_id"):
            continue  # a failed flush leaves foreign keys in new objects, with history there and without it here
        if replaced_unread(state, attribute.key):
            seen["history"][attribute.key] = "not loaded yet"
            continue
        history = state.attrs[attribute.key].history
        if history.added or history.deleted:
            seen["history"][attribute.key] = [world.plain(part) for part in history]
    return world.label(obj), seen


def expired_columns(state: Any, obj: Any) -> set[str]:
    """The columns that the next read loads all together; none for an object without a row."""
    if state.key is None:
        return set()
    columns = {attribute.key for attribute in state.mapper.column_attrs if not attribute.deferred}
    return state.expired_attributes & columns - set(obj.__dict__)


def replaced_unread(state: Any, name: str) -> bool:
    """Tell whether asking for the history of an attribute would load its old value."""
    old = state.committed_state.get(name)
    return type(old).__name__ == "LoaderCallableStatus" and old.name == "PASSIVE_NO_RESULT"


def is_modified(world: World, obj: Any) -> Any:
    try:
        return world.session.is_modified(obj)
    except SQLAlchemyError as error:
        return type(error).__name__
