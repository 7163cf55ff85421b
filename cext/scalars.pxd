# Declarations of attributes that hold a column's value.

from session._cy.attributes cimport AttributeImpl
from session._cy.state cimport InstanceState


cdef class ScalarAttribute(AttributeImpl):
    pass


cdef bint plain_set(ScalarAttribute impl, InstanceState state, dict dict_, value) except -1
