# Declaration of attributes that refer to one object.

from session._cy.attributes cimport AttributeImpl


cdef class ObjectAttribute(AttributeImpl):
    cdef public bint defers_history

    cpdef set(self, state, dict_, value, initiator=*, passive=*, check_old=*, pop=*)
    cpdef fire_replace_event(self, state, dict_, value, previous, initiator)
