# Declarations of the identity map, for the other compiled modules.

from session._cy.state cimport InstanceState


cdef class IdentityMap:
    cdef object __weakref__
    cdef public object session
    cdef public object session_id
    cdef public dict shelves
    cdef public dict _modified
    cdef public dict by_class

    cpdef dict shelf(self, identity_class, token=*)
    cpdef present(self, class_, ident)
    cpdef bint discard(self, state)
    cdef bint take_out(self, InstanceState state) except -1
