# Declarations of attributes that hold a collection.

from session._cy.attributes cimport AttributeImpl
from session._cy.state cimport InstanceState


cdef class CollectionAttribute(AttributeImpl):
    cdef public object adapt
    cdef public object factory
    cdef public bint duplicates

    cpdef fire_append_event(self, state, dict_, value, initiator, key=*)
    cpdef fire_append_wo_mutation_event(self, state, dict_, value, initiator, key=*)
    cpdef fire_pre_remove_event(self, state, dict_, initiator, key=*)
    cpdef fire_remove_event(self, state, dict_, value, initiator, key=*)
    cpdef remove(self, state, dict_, value, initiator, passive=*)
    cdef int will_change(self, InstanceState state, dict dict_) except -1


cdef class PendingCollection:
    cdef public dict added
    cdef public dict deleted
