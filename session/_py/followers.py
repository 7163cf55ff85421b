"""What follows a change of a relationship: the other side, and the way into the Session.  Pure reference version.

:func:`backref_followers` makes the listeners that change the reverse attribute of the related object; the
``initiator`` token travels with the chain of changes and ends it where it began.  :func:`cascade_followers` makes
those by which an object joins, or leaves, the Session of the one it is added to.  ``instrument/backref.py`` and
``mapping/cascades.py`` put them on attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import ArgumentError

from session._py.attributes import OP_APPEND, OP_BULK_REPLACE, OP_REMOVE, OP_REPLACE, is_object, related_state
from session.constants import NO_VALUE, PASSIVE_NO_FETCH, PASSIVE_NO_RESULT

__all__ = ["backref_followers", "cascade_followers"]

_ADDING = (OP_APPEND, OP_REPLACE, OP_BULK_REPLACE)
_LEAVING = (OP_REMOVE, OP_REPLACE, OP_BULK_REPLACE)

Listener = Callable[..., Any]


def backref_followers(key: str, reverse_key: str, uselist: bool) -> tuple[Listener, Listener, Listener]:
    """Make the listeners by which changes of an attribute change the reverse attribute of the related objects.

    :param key: name of the attribute.
    :param reverse_key: name of the attribute on the related class.
    :param uselist: the attribute itself is a collection.
    :return: listeners of ``append``, ``set`` and ``remove``.
    :raises ArgumentError: later, when an object comes whose reverse attribute is no relationship.
    """

    def own_of(state: Any) -> Any:
        return state.manager[key].impl

    def reverse_of(state: Any, child: Any) -> tuple[Any, Any]:
        own = own_of(state)
        child_state = related_state(own, child)
        found = child_state.manager.get(reverse_key)
        impl = None if found is None else found.impl
        if impl is None or not impl.uses_objects:
            raise ArgumentError(
                f"{type(child).__name__} object can't be related by {own}: its attribute "
                f"{reverse_key!r} is not a relationship back to {own.class_.__name__}."
            )
        return child_state, impl

    def link(state: Any, child: Any, initiator: Any) -> None:
        child_state, impl = reverse_of(state, child)
        if initiator.parent_token is not impl.parent_token or initiator.op not in _ADDING:
            impl.append(child_state, child_state.dict, state(), initiator, PASSIVE_NO_FETCH)

    def unlink(state: Any, child: Any, initiator: Any, passed_on: Any) -> None:
        child_state, impl = reverse_of(state, child)
        stops = (OP_REMOVE,) if impl.collection else _LEAVING
        if initiator.parent_token is not impl.parent_token or initiator.op not in stops:
            impl.pop(child_state, child_state.dict, state(), passed_on, PASSIVE_NO_FETCH)

    def on_append(state: Any, child: Any, initiator: Any, *, key: Any = None) -> Any:
        if child is not None:
            link(state, child, initiator)
        return child

    def on_set(state: Any, child: Any, old: Any, initiator: Any) -> Any:
        if old is child:
            return child
        if old is not None and old is not NO_VALUE and old is not PASSIVE_NO_RESULT:
            # the removal from the old parent is a chain of its own, which ends at this attribute
            unlink(state, old, initiator, state.manager[key].impl.replace_token)
        if child is not None:
            link(state, child, initiator)
        return child

    def on_remove(state: Any, child: Any, initiator: Any, *, key: Any = None) -> Any:
        if not is_object(child):
            return child
        if not uselist:
            unlink(state, child, initiator, initiator)
        elif stands_twice(own_of(state), state, child):
            thin_out(state, child, initiator)
        else:
            unlink_all(state, child, initiator)
        return child

    def stands_twice(impl: Any, state: Any, child: Any) -> bool:
        """A list may hold an object twice; it stays related while one of the two is left."""
        if not impl.duplicates:
            return False
        collection = state.dict.get(impl.key)
        return collection is not None and collection._sa_adapter.holds_twice(child)

    def unlink_all(state: Any, child: Any, initiator: Any) -> None:
        """The object is gone, so it goes from the other side however often it stands there."""
        child_state, impl = reverse_of(state, child)
        if impl.collection:
            while stands_twice(impl, child_state, state()):
                before = len(child_state.dict[reverse_key])
                unlink(state, child, initiator, initiator)
                if len(child_state.dict[reverse_key]) == before:
                    return
            forget_queued(state, child, child_state)
        unlink(state, child, initiator, initiator)

    def thin_out(state: Any, child: Any, initiator: Any) -> None:
        """One of several is gone: one goes from the other side too, which keeps the last."""
        child_state, impl = reverse_of(state, child)
        if not impl.collection:
            return
        if reverse_key not in child_state.dict:
            forget_queued(state, child, child_state)
        elif stands_twice(impl, child_state, state()):
            unlink(state, child, initiator, initiator)

    def forget_queued(state: Any, child: Any, child_state: Any) -> None:
        """What waits for a collection that is not loaded is in it already, if the row is there."""
        queued = (child_state.peek("pending") or {}).get(reverse_key)
        added = {} if queued is None else queued.added
        before = (state.committed or {}).get(key)
        if id(state()) in added and isinstance(before, list) and any(item is child for item in before):
            del added[id(state())]

    return on_append, on_set, on_remove


def cascade_followers(
    key: str,
    uselist: bool,
    saves: bool,
    keeps_no_orphans: bool,
    state_of: Callable[[Any], Any],
    part: Callable[[Any, Any, bool], None],
) -> tuple[Listener, Listener, Listener]:
    """Make the listeners by which objects follow their parent into its Session, and leave it as orphans.

    Only the side on which a change was made brings an object in; the other side of a two-way relationship,
    which follows by itself, does not.

    :param key: name of the attribute.
    :param uselist: it is a collection.
    :param saves: objects that come join the Session of the parent (the ``save-update`` cascade).
    :param keeps_no_orphans: objects that leave may be orphans (``delete-orphan``).
    :param state_of: gives the state of an object, or raises.
    :param part: ``part(session, object, outside)`` sees to a possible orphan.
    :return: listeners of ``append`` (and ``append_wo_mutation``), ``set`` and ``remove``.
    """
    removing = "collection remove" if uselist else "related attribute delete"

    def into_session(session: Any, item: Any, initiator: Any) -> None:
        if initiator.key == key:
            state = state_of(item)
            if not session._contains_state(state):
                session._save_or_update_state(state)

    def on_append(state: Any, item: Any, initiator: Any, *, key: Any = None) -> Any:
        home = state.home
        if item is None or home is None:
            return item
        session = home.session()
        if session is not None:
            if session._warn_on_events:
                session._flush_warning("collection append")
            if saves:
                into_session(session, item, initiator)
        return item

    def on_set(state: Any, value: Any, previous: Any, initiator: Any) -> Any:
        home = state.home
        if previous is value or home is None:
            return value
        session = home.session()
        if session is None:
            return value
        if session._warn_on_events:
            session._flush_warning("related attribute set")
        if value is not None and saves:
            into_session(session, value, initiator)
        if keeps_no_orphans and is_object(previous):
            part(session, previous, False)
        return value

    def on_remove(state: Any, item: Any, initiator: Any, *, key: Any = None) -> Any:
        if not is_object(item):
            return item
        session = state.session
        if session is not None and session._warn_on_events:
            session._flush_warning(removing)
        if keeps_no_orphans:
            part(session, item, True)
        return item

    return on_append, on_set, on_remove
