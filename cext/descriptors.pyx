# cython: optimize.use_switch=False, nonecheck=True
"""The data descriptor of a mapped attribute, compiled; ``session/_py/descriptors.py`` explains it.

Reading and plain setting go straight to the object's dictionary.
"""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next
from cpython.object cimport PyObject

from session._cy.scalars cimport ScalarAttribute, plain_set
from session._cy.state cimport InstanceState, instance_dict

from session.constants import INSTANCE_STATE as _INSTANCE_STATE, PASSIVE_OFF as _PASSIVE_OFF
from session.exc import UnmappedInstanceError

cdef str INSTANCE_STATE = _INSTANCE_STATE
cdef object PASSIVE_OFF = _PASSIVE_OFF

__all__ = ["AttributeDescriptor"]


def _stateless(instance, key):
    return UnmappedInstanceError(
        instance,
        f"{type(instance).__name__!r} object has no ORM state, so attribute {key!r} can't be used; "
        "create it by calling its class, not by __new__() alone.",
    )


cdef inline PyObject *held_state(dict dict_) except? NULL:
    """Give the state in an object's dictionary, borrowed, or ``NULL`` without an error: it is nearly always the first."""
    cdef Py_ssize_t place = 0
    cdef PyObject *name
    cdef PyObject *value
    if PyDict_Next(dict_, &place, &name, &value) and name == <PyObject*>INSTANCE_STATE:
        return value
    return PyDict_GetItemWithError(dict_, INSTANCE_STATE)


cdef class AttributeDescriptor:
    """The data descriptor of one mapped attribute on one class."""

    def __get__(self, instance, owner):
        if instance is None:
            return self
        cdef dict dict_ = instance_dict(instance)
        key = self.key
        cdef PyObject *found = PyDict_GetItemWithError(dict_, key)
        if found is not NULL:
            return <object>found
        impl = self.impl
        if impl is None:
            raise AttributeError(f"{key!r} of {type(instance).__name__!r} can't be read on an object.")
        found = held_state(dict_)
        if found is NULL:
            raise _stateless(instance, key)
        state = <object>found
        return impl.get(state, dict_, PASSIVE_OFF)

    def __set__(self, instance, value):
        cdef dict dict_ = instance_dict(instance)
        cdef PyObject *found = held_state(dict_)
        if found is NULL:
            raise _stateless(instance, self.key)
        state = <object>found
        impl = self.impl
        if type(impl) is ScalarAttribute and type(state) is InstanceState:
            if plain_set(<ScalarAttribute>impl, <InstanceState>state, dict_, value):
                return
        impl.set(state, dict_, value, None)

    def __delete__(self, instance):
        cdef dict dict_ = instance_dict(instance)
        cdef PyObject *found = held_state(dict_)
        if found is NULL:
            raise _stateless(instance, self.key)
        state = <object>found
        self.impl.delete(state, dict_)
