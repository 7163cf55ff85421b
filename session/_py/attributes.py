"""What all attributes of mapped classes share, and the tokens of their changes.  Pure reference version.

A mapped attribute is a *descriptor* on the class (``descriptors.py``), which answers a read from the
object's ``__dict__`` and hands everything else to its *implementation*: ``ScalarAttribute`` for columns
(``scalars.py``), ``ObjectAttribute`` for references to one object (``references.py``),
``CollectionAttribute`` for collections (``collected.py``).  Changes go to the object's state
(``state.py``) and to listeners; values that are missing come from the row
(``InstanceState.load_expired``) or from the attribute's own loader.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import eq
from typing import Any

from session._py.listening import Listeners
from session._py.state import InstanceState
from session.constants import (
    ATTR_EMPTY,
    ATTR_WAS_SET,
    CALLABLES_OK,
    INIT_OK,
    INSTANCE_STATE,
    NO_VALUE,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
)
from session.exc import StaleDataError, UnmappedInstanceError
from session.history import History

__all__ = [
    "OP_APPEND",
    "OP_BULK_REPLACE",
    "OP_MODIFIED",
    "OP_REMOVE",
    "OP_REPLACE",
    "AttributeEventToken",
    "AttributeImpl",
]

OP_REMOVE = "REMOVE"
OP_APPEND = "APPEND"
OP_REPLACE = "REPLACE"
OP_BULK_REPLACE = "BULK_REPLACE"
OP_MODIFIED = "MODIFIED"

UNTOUCHED: Any = object()
"""In place of a committed value: the attribute has not changed since the last flush or load."""


class AttributeEventToken:
    """Which attribute began a chain of changes, and by what operation.

    Given to attribute listeners as ``initiator``; passing it on lets a chain of two-way changes
    end where it began.
    """

    __slots__ = ("impl", "op", "parent_token")

    def __init__(self, impl: AttributeImpl, op: str) -> None:
        self.impl = impl
        self.op = op
        self.parent_token = impl.parent_token

    @property
    def key(self) -> str:
        return self.impl.key

    @property
    def hasparent(self) -> Callable[..., bool]:
        return self.impl.hasparent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AttributeEventToken) and other.impl is self.impl and other.op == self.op

    def __hash__(self) -> int:
        return hash((id(self.impl), self.op))


class AttributeImpl:
    """What all kinds of attributes share.

    :param class_: the mapped class.
    :param key: the attribute's name.
    :param manager: the class manager.
    :param dispatch: the attribute's event dispatch.
    :param loader: ``loader(state, passive)`` for a value that is not in the object, or ``None``.
    :param active_history: load the old value before a change.
    :param trackparent: note on related objects which parent they belong to.
    :param compare: equality of two values, ``==`` by default.
    :param accepts_row_loader: the value comes with the object's row and expires with it.
    :param send_modified: changes mark the object as modified.
    """

    __slots__ = (
        "accepts_row_loader",
        "active_history",
        "append_token",
        "bulk_replace_token",
        "class_",
        "compare",
        "dispatch",
        "key",
        "listened",
        "loader",
        "manager",
        "modified_token",
        "on_append",
        "on_append_again",
        "on_bulk_replace",
        "on_dispose_collection",
        "on_init_collection",
        "on_init_scalar",
        "on_remove",
        "on_set",
        "parent_token",
        "remove_token",
        "replace_token",
        "send_modified",
        "trackparent",
    )

    collection = False
    uses_objects = False
    dynamic = False
    supports_population = True

    def __init__(
        self,
        class_: type[Any],
        key: str,
        manager: Any,
        dispatch: Any,
        loader: Callable[..., Any] | None = None,
        active_history: bool = False,
        trackparent: bool = False,
        compare: Callable[[Any, Any], Any] | None = None,
        accepts_row_loader: bool = False,
        send_modified: bool = True,
        parent_token: Any = None,
    ) -> None:
        self.class_ = class_
        self.key = key
        self.manager = manager
        self.dispatch = dispatch
        self.loader = loader
        self.active_history = active_history
        self.trackparent = trackparent
        self.compare = eq if compare is None else compare
        self.accepts_row_loader = accepts_row_loader
        self.send_modified = send_modified
        self.parent_token = self if parent_token is None else parent_token
        self.append_token = AttributeEventToken(self, OP_APPEND)
        self.remove_token = AttributeEventToken(self, OP_REMOVE)
        self.replace_token = AttributeEventToken(self, OP_REPLACE)
        self.bulk_replace_token = AttributeEventToken(self, OP_BULK_REPLACE)
        self.modified_token = AttributeEventToken(self, OP_MODIFIED)
        self.note_listeners()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.class_.__name__}.{self.key}>"

    @property
    def _modified_token(self) -> AttributeEventToken:
        """What ``flag_modified()`` of ``sqlalchemy.orm`` tells listeners."""
        return self.modified_token

    def note_listeners(self) -> None:
        """Look again whether anybody listens to this attribute's changes."""
        dispatch = self.dispatch
        self.on_set = Listeners(dispatch.set)
        self.on_append = Listeners(dispatch.append)
        self.on_append_again = Listeners(dispatch.append_wo_mutation)
        self.on_remove = Listeners(dispatch.remove)
        self.on_bulk_replace = Listeners(dispatch.bulk_replace)
        self.on_init_scalar = Listeners(dispatch.init_scalar)
        self.on_init_collection = Listeners(dispatch.init_collection)
        self.on_dispose_collection = Listeners(dispatch.dispose_collection)
        self.listened = bool(
            self.on_set or self.on_remove or self.on_append or self.on_append_again or self.on_bulk_replace
        )

    # -- reading -----------------------------------------------------------------------------

    def get(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> Any:
        """Give the value, loading it as far as ``passive`` allows.

        :return: the value, or ``NO_VALUE`` / ``PASSIVE_NO_RESULT`` if there is none to be had.
        """
        key = self.key
        if key in dict_:
            return dict_[key]
        committed = state.committed
        if committed is None or committed.get(key, NO_VALUE) is NO_VALUE:
            if not passive & CALLABLES_OK:
                return PASSIVE_NO_RESULT
            value = self.load(state, passive)
            if value is PASSIVE_NO_RESULT or value is NO_VALUE:
                return value
            if value is ATTR_WAS_SET:
                try:
                    return dict_[key]
                except KeyError:
                    raise KeyError(
                        f"The loader of {self.class_.__name__}.{key} said that it had set the value, and did not."
                    ) from None
            if value is not ATTR_EMPTY:
                return self.set_committed_value(state, dict_, value)
        if not passive & INIT_OK:
            return NO_VALUE
        return self.empty_value(state, dict_)

    def load(self, state: Any, passive: int) -> Any:
        """Run whatever can give the missing value: the row, a loader of the object, our own."""
        key = self.key
        if self.accepts_row_loader:
            expired = state.expired_keys
            if expired is not None and key in expired:
                committed = state.committed
                if committed is None or key not in committed:
                    return state.load_expired(passive)
        extras = state.extras
        if extras is not None:
            callables = extras.get("callables")
            if callables and key in callables:
                return callables[key](state, passive)
        loader = self.loader
        return ATTR_EMPTY if loader is None else loader(state, passive)

    def empty_value(self, state: Any, dict_: dict[str, Any]) -> Any:
        """Give the value of an attribute that has none; it is not stored."""
        value = None
        for fn in self.on_init_scalar.now():
            given = fn(state, value, dict_)
            if given is not ATTR_EMPTY:
                value = given
        return value

    initialize = empty_value

    def get_committed_value(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> Any:
        """Give the value as of the last flush or load."""
        committed = state.committed
        if committed is None or self.key not in committed:
            return self.get(state, dict_, passive)
        value = committed[self.key]
        return None if value is NO_VALUE else value

    def set_committed_value(self, state: Any, dict_: dict[str, Any], value: Any) -> Any:
        """Store a value as if it had been loaded: no event, no history."""
        dict_[self.key] = value
        state.commit(dict_, (self.key,))
        return value

    def is_equal(self, first: Any, second: Any) -> Any:
        return self.compare(first, second)

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> History:
        raise NotImplementedError

    def get_all_pending(self, state: Any, dict_: dict[str, Any], passive: int = 0) -> list[tuple[Any, Any]]:
        """Give (state, object) of every object that is or was referred to since the last flush."""
        return []

    def append(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        """Add an object to what the attribute refers to."""
        raise NotImplementedError

    def pop(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        """Take an object out of what the attribute refers to, if it is there."""
        raise NotImplementedError

    # -- parents -----------------------------------------------------------------------------

    def hasparent(self, state: Any, optimistic: bool = False) -> bool:
        """True if the object of ``state`` belongs to a parent by this attribute."""
        parent = state.parent_by(self.parent_token)
        return optimistic if parent is None else parent is not False

    def sethasparent(self, state: Any, parent_state: Any, value: bool) -> None:
        """Note that the object of ``state`` came to, or left, a parent.

        :raises StaleDataError: the parent last noted is another one, and has been collected.
        """
        token = self.parent_token
        if value:
            state.note_parent(token, parent_state)
            return
        last = state.parent_by(token)
        if last is not None and last is not False and last is not parent_state and last.key != parent_state.key:
            if last() is None:
                raise StaleDataError(
                    f"Can't remove a {state.class_.__name__} object from "
                    f"{self.class_.__name__}.{self.key} of {parent_state!r}: the parent that it "
                    f"was last added to, {last!r}, has been garbage collected."
                )
            return
        state.note_parent(token, False)


def related_state(attribute: Any, value: Any) -> Any:
    """Give the state of an object that is to be a value of an attribute."""
    try:
        state = value.__dict__[INSTANCE_STATE]
    except (AttributeError, KeyError):
        state = None
    if not isinstance(state, InstanceState):
        raise UnmappedInstanceError(
            value,
            f"{type(value).__name__!r} object can't be a value of "
            f"{attribute.class_.__name__}.{attribute.key}: it is not a mapped instance.",
        )
    return state


def is_object(value: Any) -> bool:
    """True if ``value`` is an object, not ``None`` and not a marker for a missing value."""
    return value is not None and value is not NO_VALUE and value is not PASSIVE_NO_RESULT
