"""Attributes that refer to one object: get, set, delete, history.  Pure reference version.

``attributes.py`` has what all attributes share.
"""

from __future__ import annotations

from typing import Any

from session._py.attributes import UNTOUCHED, AttributeImpl, is_object, related_state
from session.constants import (
    ATTR_EMPTY,
    ATTR_WAS_SET,
    CALLABLES_OK,
    INIT_OK,
    INSTANCE_STATE,
    LOAD_AGAINST_COMMITTED,
    NO_AUTOFLUSH,
    NO_RAISE,
    NO_VALUE,
    PASSIVE_NO_FETCH,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
    PASSIVE_ONLY_PERSISTENT,
)
from session.history import HISTORY_BLANK, History

__all__ = ["ObjectAttribute"]

_READ_OLD_OBJECT = PASSIVE_ONLY_PERSISTENT | NO_AUTOFLUSH | LOAD_AGAINST_COMMITTED
_LOAD_OLD_OBJECT = PASSIVE_ONLY_PERSISTENT | NO_AUTOFLUSH | LOAD_AGAINST_COMMITTED | NO_RAISE
_PEEK_OLD_OBJECT = (PASSIVE_NO_FETCH & ~INIT_OK) | LOAD_AGAINST_COMMITTED | NO_RAISE


class ObjectAttribute(AttributeImpl):
    """A reference to one object, or to none.

    :param defers_history: a value that was replaced unread is loaded when the history is asked for.
    """

    __slots__ = ("defers_history",)

    uses_objects = True

    def __init__(
        self,
        class_: type[Any],
        key: str,
        manager: Any,
        dispatch: Any,
        defers_history: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(class_, key, manager, dispatch, **options)
        self.defers_history = defers_history

    def set(
        self,
        state: Any,
        dict_: dict[str, Any],
        value: Any,
        initiator: Any = None,
        passive: int = PASSIVE_OFF,
        check_old: Any = None,
        pop: bool = False,
    ) -> None:
        old = self.get(state, dict_, _READ_OLD_OBJECT if self.active_history else _PEEK_OLD_OBJECT)
        if check_old is not None and old is not PASSIVE_NO_RESULT and check_old is not old:
            if pop:
                return
            raise ValueError(
                f"Object {check_old!r} is not the value of {self.class_.__name__}.{self.key} on {state!r}."
            )
        dict_[self.key] = self.fire_replace_event(state, dict_, value, old, initiator)

    def fire_replace_event(self, state: Any, dict_: dict[str, Any], value: Any, previous: Any, initiator: Any) -> Any:
        if self.trackparent and previous is not value and is_object(previous):
            self.sethasparent(previous.__dict__[INSTANCE_STATE], state, False)
        if self.listened:
            token = self.replace_token if initiator is None else initiator
            for fn in self.on_set.now():
                value = fn(state, value, previous, token)
        if self.send_modified:
            state.modified_event(dict_, self.key, previous)
        if self.trackparent and value is not None:
            self.sethasparent(self.state_of(value), state, True)
        return value

    def state_of(self, value: Any) -> Any:
        return related_state(self, value)

    def append(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        self.set(state, dict_, value, initiator, passive)

    def remove(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        self.set(state, dict_, None, initiator, passive, check_old=value)

    def pop(self, state: Any, dict_: dict[str, Any], value: Any, initiator: Any, passive: int = PASSIVE_OFF) -> None:
        self.set(state, dict_, None, initiator, passive, check_old=value, pop=True)

    def delete(self, state: Any, dict_: dict[str, Any]) -> None:
        key = self.key
        if self.active_history:
            old = self.get(state, dict_, _READ_OLD_OBJECT)
        else:
            old = self.get(state, dict_, _PEEK_OLD_OBJECT)
        if self.trackparent and is_object(old):
            self.sethasparent(old.__dict__[INSTANCE_STATE], state, False)
        for fn in self.on_remove.now():
            fn(state, old, self.remove_token)
        if self.send_modified:
            state.modified_event(dict_, key, old)
        present = dict_.pop(key, NO_VALUE)
        if present is NO_VALUE and not is_object(old) and old is not PASSIVE_NO_RESULT:
            raise AttributeError(f"{self.class_.__name__}.{key} has no value on this object that could be deleted.")

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> History:
        key = self.key
        committed = state.committed
        if key in dict_:
            current = dict_[key]
        else:
            if passive & INIT_OK:
                passive &= ~INIT_OK
            current = self.get(state, dict_, passive)
            if current is PASSIVE_NO_RESULT:
                return HISTORY_BLANK
            committed = state.committed
        original: Any = UNTOUCHED if committed is None else committed.get(key, UNTOUCHED)
        if original is UNTOUCHED:
            return HISTORY_BLANK if current is NO_VALUE else History((), [current], ())
        if original is PASSIVE_NO_RESULT and self.defers_history:
            original = self.load_original(state)
        if current is original and current is not NO_VALUE:
            return History((), [current], ())
        if original is None or original is NO_VALUE or original is PASSIVE_NO_RESULT:
            return History([None if current is NO_VALUE else current], (), ())
        if current is NO_VALUE:
            return History((), (), [original])
        return History([current], (), [original])

    def load_original(self, state: Any) -> Any:
        """Load the value that a change replaced unread."""
        loader = self.loader
        if loader is None:
            return NO_VALUE
        value = loader(state, _LOAD_OLD_OBJECT)
        if value is ATTR_WAS_SET or value is ATTR_EMPTY or value is PASSIVE_NO_RESULT:
            return NO_VALUE
        state.own_committed()[self.key] = value
        return value

    def get_all_pending(self, state: Any, dict_: dict[str, Any], passive: int = 0) -> list[tuple[Any, Any]]:
        key = self.key
        if key in dict_:
            current = dict_[key]
        elif passive & CALLABLES_OK:
            current = self.get(state, dict_, passive)
        else:
            return []
        if current is PASSIVE_NO_RESULT or current is NO_VALUE:
            return []
        pairs = [(None if current is None else current.__dict__[INSTANCE_STATE], current)]
        committed = state.committed
        if committed is not None and key in committed:
            original = committed[key]
            if original is not current and is_object(original):
                pairs.append((original.__dict__[INSTANCE_STATE], original))
        return pairs
