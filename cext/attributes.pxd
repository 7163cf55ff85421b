# Declarations of attribute descriptors and implementations, for the other compiled modules.

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


cdef class ScalarAttribute(AttributeImpl):
    pass


cdef class ObjectAttribute(AttributeImpl):
    cpdef fire_replace_event(self, state, dict_, value, previous, initiator)


cdef class CollectionAttribute(AttributeImpl):
    cdef public object adapt
    cdef public object factory
    cdef public bint duplicates


cdef class PendingCollection:
    cdef public dict added_items
    cdef public dict deleted_items


cdef class AttributeDescriptor:
    cdef public object key
    cdef public object impl
