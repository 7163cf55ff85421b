# Declarations of attributes that hold a collection.

from session._cy.attributes cimport AttributeImpl


cdef class CollectionAttribute(AttributeImpl):
    cdef public object adapt
    cdef public object factory
    cdef public bint duplicates


cdef class PendingCollection:
    cdef public dict added_items
    cdef public dict deleted_items
