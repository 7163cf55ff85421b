# Declarations of the listeners of attribute events, and how they are told.

from session._cy.state cimport InstanceState


cdef class Listeners:
    cdef object own
    cdef object inherited
    cdef tuple known

    cpdef tuple now(self)


cdef class Follower:
    cdef object __weakref__

    cdef follow(self, InstanceState state, value, previous, token)


cdef tell_of_change(Listeners listeners, InstanceState state, value, previous, token)
cdef tell_of_arrival(Listeners listeners, InstanceState state, value, token, key)
cdef int tell_of_leaving(Listeners listeners, InstanceState state, value, token, key) except -1
