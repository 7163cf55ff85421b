# Declarations of attribute tokens and of what all attribute implementations share.

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

    cpdef get(self, state, dict_, passive=*)
    cpdef load(self, state, passive)
