# cython: optimize.use_switch=False, nonecheck=True
"""What all attributes of mapped classes share, compiled; ``session/_py/attributes.py`` explains it.

Borrowed references are turned into owned ones before anything else can run.
"""

from operator import eq

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject

from session._cy.listening cimport Listeners
from session._cy.state cimport InstanceState, _PyObject_GetDictPtr, instance_dict

from session.constants import (
    ATTR_EMPTY as _ATTR_EMPTY,
    ATTR_WAS_SET as _ATTR_WAS_SET,
    CALLABLES_OK as _CALLABLES_OK,
    INIT_OK as _INIT_OK,
    INSTANCE_STATE as _INSTANCE_STATE,
    NO_VALUE as _NO_VALUE,
    PASSIVE_NO_RESULT as _PASSIVE_NO_RESULT,
    PASSIVE_OFF as _PASSIVE_OFF,
)
from session.exc import StaleDataError, UnmappedInstanceError

cdef object ATTR_EMPTY = _ATTR_EMPTY
cdef object ATTR_WAS_SET = _ATTR_WAS_SET
cdef long CALLABLES_OK = _CALLABLES_OK
cdef long INIT_OK = _INIT_OK
cdef str INSTANCE_STATE = _INSTANCE_STATE
cdef object NO_VALUE = _NO_VALUE
cdef object PASSIVE_NO_RESULT = _PASSIVE_NO_RESULT
cdef object PASSIVE_OFF = _PASSIVE_OFF

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

UNTOUCHED = object()


cdef class AttributeEventToken:
    """Which attribute began a chain of changes, and by what operation.

    Given to attribute listeners as ``initiator``; passing it on lets a chain of two-way changes
    end where it began.
    """

    def __init__(self, impl, op):
        self.impl = impl
        self.op = op
        self.parent_token = impl.parent_token

    @property
    def key(self):
        return self.impl.key

    @property
    def hasparent(self):
        return self.impl.hasparent

    def __eq__(self, other):
        return (
            isinstance(other, AttributeEventToken)
            and other.impl is self.impl
            and other.op == self.op
        )

    def __hash__(self):
        return hash((id(self.impl), self.op))


cdef class AttributeImpl:
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

    collection = False
    uses_objects = False
    dynamic = False
    supports_population = True

    def __init__(self, class_, key, manager, dispatch, loader=None, active_history=False, trackparent=False, compare=None, accepts_row_loader=False, send_modified=True, parent_token=None):
        self.class_ = class_
        self.key = key
        self.manager = manager
        self.dispatch = dispatch
        self.loader = loader
        self.idle_loader = loader if getattr(loader, "passes_transients", False) else NO_VALUE
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

    def __repr__(self):
        return f"<{type(self).__name__} {self.class_.__name__}.{self.key}>"

    @property
    def _modified_token(self):
        """What ``flag_modified()`` of ``sqlalchemy.orm`` tells listeners."""
        return self.modified_token

    def note_listeners(self):
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

    cpdef get(self, state, dict_, passive=PASSIVE_OFF):
        """Give the value, loading it as far as ``passive`` allows.

        :return: the value, or ``NO_VALUE`` / ``PASSIVE_NO_RESULT`` if there is none to be had.
        """
        cdef InstanceState of = <InstanceState?>state
        cdef dict values = <dict?>dict_
        cdef long flags = passive
        cdef PyObject *found
        key = self.key
        found = PyDict_GetItemWithError(values, key)
        if found is not NULL:
            return <object>found
        committed = of.committed
        if committed is None or committed.get(key, NO_VALUE) is NO_VALUE:
            if not flags & CALLABLES_OK:
                return PASSIVE_NO_RESULT
            if self.loader is self.idle_loader and of.ident is None and of.home is None and (
                of.extras is None or "callables" not in of.extras
            ):
                value = ATTR_EMPTY
            else:
                value = self.load(of, passive)
            if value is PASSIVE_NO_RESULT or value is NO_VALUE:
                return value
            if value is ATTR_WAS_SET:
                try:
                    return dict_[key]
                except KeyError:
                    raise KeyError(
                        f"The loader of {self.class_.__name__}.{key} said that it had set the value, "
                        "and did not."
                    ) from None
            if value is not ATTR_EMPTY:
                return self.set_committed_value(state, dict_, value)
        if not flags & INIT_OK:
            return NO_VALUE
        return self.empty_value(of, values)

    cpdef load(self, state, passive):
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

    cpdef empty_value(self, state, dict_):
        """Give the value of an attribute that has none; it is not stored."""
        value = None
        for fn in self.on_init_scalar.now():
            given = fn(state, value, dict_)
            if given is not ATTR_EMPTY:
                value = given
        return value

    def initialize(self, state, dict_):
        return self.empty_value(state, dict_)

    def get_committed_value(self, state, dict_, passive=PASSIVE_OFF):
        """Give the value as of the last flush or load."""
        committed = state.committed
        if committed is None or self.key not in committed:
            return self.get(state, dict_, passive)
        value = committed[self.key]
        return None if value is NO_VALUE else value

    def set_committed_value(self, state, dict_, value):
        """Store a value as if it had been loaded: no event, no history."""
        dict_[self.key] = value
        state.commit(dict_, (self.key,))
        return value

    def is_equal(self, first, second):
        return self.compare(first, second)

    def get_history(self, state, dict_, passive=PASSIVE_OFF):
        raise NotImplementedError

    cpdef get_all_pending(self, state, dict_, passive=0):
        """Give (state, object) of every object that is or was referred to since the last flush."""
        return []

    cpdef append(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        """Add an object to what the attribute refers to."""
        raise NotImplementedError

    cpdef pop(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        """Take an object out of what the attribute refers to, if it is there."""
        raise NotImplementedError

    # -- parents -----------------------------------------------------------------------------

    def hasparent(self, state, optimistic=False):
        """True if the object of ``state`` belongs to a parent by this attribute."""
        parent = (<InstanceState?>state).parent_by(self.parent_token)
        return optimistic if parent is None else parent is not False

    cpdef sethasparent(self, state, parent_state, value):
        """Note that the object of ``state`` came to, or left, a parent.

        :raises StaleDataError: the parent last noted is another one, and has been collected.
        """
        cdef InstanceState of = <InstanceState?>state
        token = self.parent_token
        if value:
            of.note_parent(token, parent_state)
            return
        last = of.parent_by(token)
        if last is not None and last is not False and last is not parent_state and last.key != parent_state.key:
            if last() is None:
                raise StaleDataError(
                    f"Can't remove a {state.class_.__name__} object from "
                    f"{self.class_.__name__}.{self.key} of {parent_state!r}: the parent that it "
                    f"was last added to, {last!r}, has been garbage collected."
                )
            return
        of.note_parent(token, False)


cdef InstanceState known_state(value):
    """Give the state of an object, or ``None`` if it is not a mapped instance."""
    if _PyObject_GetDictPtr(value) is NULL:
        return None
    cdef PyObject *found = PyDict_GetItemWithError(instance_dict(value), INSTANCE_STATE)
    if found is NULL:
        return None
    state = <object>found
    return <InstanceState>state if isinstance(state, InstanceState) else None


cpdef InstanceState related_state(attribute, value):
    """Give the state of an object that is to be a value of an attribute."""
    state = known_state(value)
    if state is None:
        raise UnmappedInstanceError(
            value,
            f"{type(value).__name__!r} object can't be a value of "
            f"{attribute.class_.__name__}.{attribute.key}: it is not a mapped instance.",
        )
    return state


cpdef bint is_object(value) except -1:
    """True if ``value`` is an object, not ``None`` and not a marker for a missing value."""
    return value is not None and value is not NO_VALUE and value is not PASSIVE_NO_RESULT
