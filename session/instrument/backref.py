"""Two-way relationships: a change on one side makes the matching change on the other.

Wired as attribute listeners, first in line, so that user's listeners find both sides changed in
the documented order.  The ``initiator`` token travels with the chain of changes and ends it where
it began.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import ArgumentError

from session._accel import attributes as hot
from session.constants import NO_VALUE, PASSIVE_NO_FETCH, PASSIVE_NO_RESULT

__all__ = ["wire_backref"]

_ADDING = (hot.OP_APPEND, hot.OP_REPLACE, hot.OP_BULK_REPLACE)
_LEAVING = (hot.OP_REMOVE, hot.OP_REPLACE, hot.OP_BULK_REPLACE)


def wire_backref(attribute: Any, reverse_key: str, uselist: bool) -> None:
    """Let changes of an attribute change the reverse attribute of the related objects.

    :param attribute: the class-bound relationship attribute.
    :param reverse_key: name of the attribute on the related class.
    :param uselist: the attribute itself is a collection.
    """

    def reverse_of(child: Any, own_impl: Any) -> tuple[Any, Any, Any]:
        state = hot.related_state(own_impl, child)
        found = state.manager.get(reverse_key)
        impl = None if found is None else found.impl
        if impl is None or not impl.uses_objects:
            raise ArgumentError(
                f"{type(child).__name__} object can't be related by {own_impl}: its attribute "
                f"{reverse_key!r} is not a relationship back to {own_impl.class_.__name__}."
            )
        return state, state.dict, impl

    def comes_from(initiator: Any, impl: Any, operations: tuple[str, ...]) -> bool:
        return initiator.parent_token is impl.parent_token and initiator.op in operations

    def own_impl_of(state: Any) -> Any:
        return state.manager[attribute.key].impl

    def link(state: Any, child: Any, initiator: Any) -> None:
        impl = own_impl_of(state)
        child_state, child_dict, child_impl = reverse_of(child, impl)
        if not comes_from(initiator, child_impl, _ADDING):
            child_impl.append(child_state, child_dict, state(), initiator, PASSIVE_NO_FETCH)

    def unlink(state: Any, child: Any, initiator: Any, passed_on: Any = None) -> None:
        impl = own_impl_of(state)
        child_state, child_dict, child_impl = reverse_of(child, impl)
        stops = (hot.OP_REMOVE,) if child_impl.collection else _LEAVING
        if comes_from(initiator, child_impl, stops):
            return
        child_impl.pop(child_state, child_dict, state(), passed_on or initiator, PASSIVE_NO_FETCH)

    def on_set(state: Any, child: Any, old: Any, initiator: Any) -> Any:
        if old is child:
            return child
        if old is not None and old is not NO_VALUE and old is not PASSIVE_NO_RESULT:
            # the removal from the old parent is a chain of its own, which ends at this attribute
            unlink(state, old, initiator, own_impl_of(state).replace_token)
        if child is not None:
            link(state, child, initiator)
        return child

    def on_append(state: Any, child: Any, initiator: Any, **kw: Any) -> Any:
        if child is not None:
            link(state, child, initiator)
        return child

    def on_remove(state: Any, child: Any, initiator: Any, **kw: Any) -> None:
        if child is None or child is NO_VALUE or child is PASSIVE_NO_RESULT:
            return
        if uselist and stands_twice(state, child):
            return
        unlink(state, child, initiator)

    def stands_twice(state: Any, child: Any) -> bool:
        """A list may hold an object twice; it stays related while one of the two is left."""
        if not own_impl_of(state).duplicates:
            return False
        items = state.dict.get(attribute.key, ())
        return sum(1 for item in items if item is child) > 1

    options: dict[str, Any] = {"retval": True, "raw": True, "include_key": True}
    if uselist:
        event.listen(attribute, "append", on_append, **options)
    else:
        event.listen(attribute, "set", on_set, **options)
    event.listen(attribute, "remove", on_remove, **options)
