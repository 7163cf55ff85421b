# cython: optimize.use_switch=False, nonecheck=True
"""Attributes that hold a column's value, compiled; ``session/_py/scalars.py`` explains them."""

from cpython.dict cimport PyDict_Contains, PyDict_GetItemWithError, PyDict_SetItem
from cpython.object cimport PyObject

from session._cy.attributes cimport AttributeImpl
from session._cy.listening cimport tell_of_change
from session._cy.state cimport InstanceState

from session._cy.attributes import UNTOUCHED
from session.constants import (
    INIT_OK as _INIT_OK,
    NO_VALUE as _NO_VALUE,
    PASSIVE_NO_RESULT as _PASSIVE_NO_RESULT,
    PASSIVE_OFF as _PASSIVE_OFF,
    PASSIVE_RETURN_NO_VALUE,
)
from session.history import HISTORY_BLANK, History

cdef long INIT_OK = _INIT_OK
cdef object NO_VALUE = _NO_VALUE
cdef object PASSIVE_NO_RESULT = _PASSIVE_NO_RESULT
cdef object PASSIVE_OFF = _PASSIVE_OFF

__all__ = ["ScalarAttribute"]


cdef bint plain_set(ScalarAttribute impl, InstanceState state, dict dict_, value) except -1:
    """Set a column's value that nobody listens to; False if it takes the long way."""
    if impl.listened or not impl.send_modified:
        return False
    cdef dict committed = state.committed
    cdef PyObject *found
    key = impl.key
    if impl.active_history and not PyDict_Contains(dict_, key):
        return False  # the old value has to be loaded first
    if not state.modified or (state._strong_obj is None and state.home is not None):
        found = PyDict_GetItemWithError(dict_, key)
        old = NO_VALUE if found is NULL else <object>found
        state.modified_event(dict_, key, old)
    elif committed is None or not PyDict_Contains(committed, key):
        found = PyDict_GetItemWithError(dict_, key)
        state.keep_old(key, NO_VALUE if found is NULL else <object>found)
    PyDict_SetItem(dict_, key, value)
    return True


cdef class ScalarAttribute(AttributeImpl):
    """A column's value, or any plain value."""

    def set(self, state, dict_, value, initiator=None, passive=PASSIVE_OFF, check_old=None, pop=False):
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

    def fire_replace_event(self, state, dict_, value, previous, initiator):
        token = self.replace_token if initiator is None else initiator
        return tell_of_change(self.on_set, state, value, previous, token)

    def delete(self, state, dict_):
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
                raise AttributeError(
                    f"{self.class_.__name__}.{key} has no value on this object that could be deleted."
                )

    def get_history(self, state, dict_, passive=PASSIVE_OFF):
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

    def history_of(self, state, dict_, current, passive):
        committed = state.committed
        original = UNTOUCHED if committed is None else committed.get(self.key, UNTOUCHED)
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
