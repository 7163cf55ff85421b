"""From an object to its Session, and what can be done to objects without one.

Every Session enters itself here by its number, weakly.  Next on the way: ``sessions.py``.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy.exc import InvalidRequestError

from session.instrument.base import instance_state, state_label
from session.mapping.identity import identity_key

__all__ = [
    "SessionLookups",
    "all_sessions",
    "close_all_sessions",
    "has_identity",
    "make_transient",
    "make_transient_to_detached",
    "object_session",
    "was_deleted",
]

#: The Sessions in memory, by their numbers.
all_sessions: WeakValueDictionary[int, Any] = WeakValueDictionary()


class SessionLookups:
    """What can be asked of the class ``Session`` and of its makers alike."""

    @classmethod
    def close_all(cls) -> None:
        """Close all Sessions in memory; :func:`close_all_sessions` is today's name."""
        close_all_sessions()

    @classmethod
    def identity_key(
        cls,
        class_: Any = None,
        ident: Any = None,
        *,
        instance: Any = None,
        row: Any = None,
        identity_token: Any = None,
    ) -> tuple[Any, ...]:
        """Give an identity key: of a primary key, of a row, or of an object.

        :param class_: a mapped class; with ``ident`` or ``row``.
        :param ident: the primary key: a value, or a tuple of several.
        :param row: a row of a result, with the primary key columns.
        :param instance: an object; on its own.
        :param identity_token: the key's third part.
        :return: ``(class, primary key tuple, token)``.
        :raises ArgumentError: nothing was given from which a key could be made.
        :raises UnmappedClassError: the class is not mapped.
        """
        return identity_key(class_, ident, instance=instance, row=row, identity_token=identity_token)

    @classmethod
    def object_session(cls, instance: Any) -> Any:
        """Give the Session that an object belongs to; see :func:`object_session`."""
        return object_session(instance)


def object_session(instance: Any) -> Any:
    """Give the Session that an object belongs to, or ``None``.

    :raises UnmappedInstanceError: its class is not mapped.
    """
    return instance_state(instance).session


def close_all_sessions() -> None:
    """Close every Session in memory."""
    for reference in all_sessions.valuerefs():  # a list of its own: other threads make Sessions meanwhile
        session = reference()
        if session is not None:
            session.close()


def make_transient(instance: Any) -> None:
    """Make an object as if it had just been created: no Session, no identity, nothing expired.

    Values that are loaded stay; what was expired and not loaded again is gone.
    """
    state = instance_state(instance)
    session = state.session
    if session is not None:
        session._expunge_states([state])
    state.detach()
    state.expired = False
    state.expired_keys = None
    loaders = state.peek("callables")
    if loaders:
        loaders.clear()
    state.reset_identity()


def make_transient_to_detached(instance: Any) -> None:
    """Make a new object as if it were detached: its row is taken to exist under the primary key it has.

    All attributes that it has no value for are expired, and load when it is back in a Session.

    :raises InvalidRequestError: the object belongs to a Session, or has identity already.
    """
    state = instance_state(instance)
    if state.session is not None or state.ident is not None:
        raise InvalidRequestError(
            f"make_transient_to_detached() takes an object without Session and identity; {state_label(state)} has one"
        )
    state.key = state.manager.mapper.identity_key_from_instance(instance)
    state._deleted = False
    state.commit_all(state.dict)
    state.expire_attributes(state.dict, [key for key in state.unloaded if state.manager[key].impl is not None])


def has_identity(instance: Any) -> bool:
    """Tell whether an object has an identity key: it has, or had, a row."""
    return bool(instance_state(instance).has_identity)


def was_deleted(object_: Any) -> bool:
    """Tell whether a flush has deleted the row of an object, in a transaction that still counts or was committed."""
    return bool(instance_state(object_).was_deleted)
