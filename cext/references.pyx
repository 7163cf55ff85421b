# cython: optimize.use_switch=False, nonecheck=True
"""Attributes that refer to one object, compiled; ``session/_py/references.py`` explains them."""

from cpython.dict cimport PyDict_SetItem

from session._cy.attributes cimport AttributeImpl, is_object, related_state
from session._cy.listening cimport tell_of_change
from session._cy.state cimport InstanceState

from session._cy.attributes import UNTOUCHED
from session.constants import (
    ATTR_EMPTY as _ATTR_EMPTY,
    ATTR_WAS_SET as _ATTR_WAS_SET,
    CALLABLES_OK as _CALLABLES_OK,
    INIT_OK as _INIT_OK,
    INSTANCE_STATE as _INSTANCE_STATE,
    LOAD_AGAINST_COMMITTED,
    NO_AUTOFLUSH,
    NO_RAISE,
    NO_VALUE as _NO_VALUE,
    PASSIVE_NO_FETCH,
    PASSIVE_NO_RESULT as _PASSIVE_NO_RESULT,
    PASSIVE_OFF as _PASSIVE_OFF,
    PASSIVE_ONLY_PERSISTENT,
)
from session.history import HISTORY_BLANK, History

cdef object ATTR_EMPTY = _ATTR_EMPTY
cdef object ATTR_WAS_SET = _ATTR_WAS_SET
cdef long CALLABLES_OK = _CALLABLES_OK
cdef long INIT_OK = _INIT_OK
cdef str INSTANCE_STATE = _INSTANCE_STATE
cdef object NO_VALUE = _NO_VALUE
cdef object PASSIVE_NO_RESULT = _PASSIVE_NO_RESULT
cdef object PASSIVE_OFF = _PASSIVE_OFF

__all__ = ["ObjectAttribute"]

_READ_OLD_OBJECT = PASSIVE_ONLY_PERSISTENT | NO_AUTOFLUSH | LOAD_AGAINST_COMMITTED
_LOAD_OLD_OBJECT = PASSIVE_ONLY_PERSISTENT | NO_AUTOFLUSH | LOAD_AGAINST_COMMITTED | NO_RAISE
_PEEK_OLD_OBJECT = (PASSIVE_NO_FETCH & ~INIT_OK) | LOAD_AGAINST_COMMITTED | NO_RAISE


cdef class ObjectAttribute(AttributeImpl):
    """A reference to one object, or to none.

    :param defers_history: a value that was replaced unread is loaded when the history is asked for.
    """

    uses_objects = True

    def __init__(self, class_, key, manager, dispatch, defers_history=False, **options):
        super().__init__(class_, key, manager, dispatch, **options)
        self.defers_history = defers_history

    cpdef set(self, state, dict_, value, initiator=None, passive=PASSIVE_OFF, check_old=None, pop=False):
        old = self.get(state, dict_, _READ_OLD_OBJECT if self.active_history else _PEEK_OLD_OBJECT)
        if check_old is not None and old is not PASSIVE_NO_RESULT and check_old is not old:
            if pop:
                return
            raise ValueError(
                f"Object {check_old!r} is not the value of {self.class_.__name__}.{self.key} "
                f"on {state!r}."
            )
        PyDict_SetItem(dict_, self.key, self.fire_replace_event(state, dict_, value, old, initiator))

    cpdef fire_replace_event(self, state, dict_, value, previous, initiator):
        if self.trackparent and previous is not value and is_object(previous):
            self.sethasparent(previous.__dict__[INSTANCE_STATE], state, False)
        cdef InstanceState of = <InstanceState?>state
        if self.listened:
            token = self.replace_token if initiator is None else initiator
            value = tell_of_change(self.on_set, of, value, previous, token)
        if self.send_modified:
            of.modified_event(dict_, self.key, previous)
        if self.trackparent and value is not None:
            self.sethasparent(related_state(self, value), of, True)
        return value

    def state_of(self, value):
        return related_state(self, value)

    cpdef append(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        self.set(state, dict_, value, initiator, passive)

    def remove(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        self.set(state, dict_, None, initiator, passive, check_old=value)

    cpdef pop(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        self.set(state, dict_, None, initiator, passive, check_old=value, pop=True)

    def delete(self, state, dict_):
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
            raise AttributeError(
                f"{self.class_.__name__}.{key} has no value on this object that could be deleted."
            )

    def get_history(self, state, dict_, passive=PASSIVE_OFF):
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
        original = UNTOUCHED if committed is None else committed.get(key, UNTOUCHED)
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

    def load_original(self, state):
        """Load the value that a change replaced unread."""
        loader = self.loader
        if loader is None:
            return NO_VALUE
        value = loader(state, _LOAD_OLD_OBJECT)
        if value is ATTR_WAS_SET or value is ATTR_EMPTY or value is PASSIVE_NO_RESULT:
            return NO_VALUE
        state.own_committed()[self.key] = value
        return value

    cpdef get_all_pending(self, state, dict_, passive=0):
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
