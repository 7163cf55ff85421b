# Declarations of attribute tokens and of what all attribute implementations share.

from session._cy.listening cimport Listeners
from session._cy.state cimport InstanceState


cdef class AttributeEventToken:
    cdef public object impl
    cdef public object op
    cdef public object parent_token


cdef class AttributeImpl:
    cdef public object class_
    cdef public object key
    cdef public object manager
    cdef public object dispatch
    cdef public object loader
    cdef public object compare
    cdef public object parent_token
    cdef public object append_token
    cdef public object remove_token
    cdef public object replace_token
    cdef public object bulk_replace_token
    cdef public object modified_token
    cdef public bint active_history
    cdef public bint trackparent
    cdef public bint accepts_row_loader
    cdef public bint send_modified
    cdef public bint listened
    cdef object idle_loader
    cdef readonly Listeners on_set
    cdef readonly Listeners on_append
    cdef readonly Listeners on_append_again
    cdef readonly Listeners on_remove
    cdef readonly Listeners on_bulk_replace
    cdef readonly Listeners on_init_scalar
    cdef readonly Listeners on_init_collection
    cdef readonly Listeners on_dispose_collection

    cpdef get(self, state, dict_, passive=*)
    cpdef load(self, state, passive)
    cpdef empty_value(self, state, dict_)
    cpdef append(self, state, dict_, value, initiator, passive=*)
    cpdef pop(self, state, dict_, value, initiator, passive=*)
    cpdef get_all_pending(self, state, dict_, passive=*)
    cpdef sethasparent(self, state, parent_state, value)


cpdef InstanceState related_state(attribute, value)
cdef InstanceState known_state(value)
cpdef bint is_object(value) except -1
