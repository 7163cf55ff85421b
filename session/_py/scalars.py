"""Attributes that hold a column's value: get, set, delete, history.  Pure reference version.

``attributes.py`` has what all attributes share.
"""

from __future__ import annotations

from typing import Any

from session._py.attributes import UNTOUCHED, AttributeImpl
from session.constants import INIT_OK, NO_VALUE, PASSIVE_NO_RESULT, PASSIVE_OFF, PASSIVE_RETURN_NO_VALUE
from session.history import HISTORY_BLANK, History

__all__ = ["ScalarAttribute"]


class ScalarAttribute(AttributeImpl):
    """A column's value, or any plain value."""

    __slots__ = ()

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
        key = self.key
        if self.active_history:
            old = self.get(state, dict_, PASSIVE_RETURN_NO_VALUE)
        else:
            old = dict_.get(key, NO_VALUE)
        if self.listened:
            value = self.fire_replace_event(state, dict_, value, old, initiator)
        if self.send_modified:
            committed = state.committed
            if committed is None or key not in committed or not state.modified:
                state.modified_event(dict_, key, old)
            elif state._strong_obj is None and state.home is not None:
                state.mark_modified(key)
        dict_[key] = value

    def fire_replace_event(self, state: Any, dict_: dict[str, Any], value: Any, previous: Any, initiator: Any) -> Any:
        token = self.replace_token if initiator is None else initiator
        for fn in self.on_set.now():
            value = fn(state, value, previous, token)
        return value

    def delete(self, state: Any, dict_: dict[str, Any]) -> None:
        key = self.key
        if self.active_history:
            old = self.get(state, dict_, PASSIVE_RETURN_NO_VALUE)
        else:
            old = dict_.get(key, NO_VALUE)
        for fn in self.on_remove.now():
            fn(state, old, self.remove_token)
        if self.send_modified:
            state.modified_event(dict_, key, old)
        present = dict_.pop(key, NO_VALUE)
        if present is NO_VALUE and old is NO_VALUE and not state.expired:
            if key not in (state.expired_keys or ()):
                raise AttributeError(f"{self.class_.__name__}.{key} has no value on this object that could be deleted.")

    def get_history(self, state: Any, dict_: dict[str, Any], passive: int = PASSIVE_OFF) -> History:
        key = self.key
        committed = state.committed
        if key in dict_:
            current = dict_[key]
        elif committed is not None and key in committed:
            current = NO_VALUE
        else:
            if passive & INIT_OK:
                passive &= ~INIT_OK
            current = self.get(state, dict_, passive)
            if current is PASSIVE_NO_RESULT:
                return HISTORY_BLANK
            committed = state.committed
        return self.history_of(state, dict_, current, passive)

    def history_of(self, state: Any, dict_: dict[str, Any], current: Any, passive: int) -> History:
        committed = state.committed
        original: Any = UNTOUCHED if committed is None else committed.get(self.key, UNTOUCHED)
        if original is UNTOUCHED:
            return HISTORY_BLANK if current is NO_VALUE else History((), [current], ())
        if original is NO_VALUE or original is PASSIVE_NO_RESULT:
            # a deletion whose old value was never read counts as a change to None
            return History([None if current is NO_VALUE else current], (), ())
        if current is NO_VALUE:
            return History((), (), [original])
        if self.compare(current, original) is True:
            return History((), [current], ())
        return History([current], (), [original])
