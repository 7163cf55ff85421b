# Declaration of the attribute descriptor, for the other compiled modules.

cdef class AttributeDescriptor:
    cdef public object key
    cdef public object impl
