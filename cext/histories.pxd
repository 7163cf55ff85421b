# Declarations of histories, for the state and the constructor.

cdef class FreshHistory:
    cdef dict committed
    cdef dict then
    cdef FreshHistory first
    cdef int known
    cdef object next_key
    cdef object next_impl
    cdef FreshHistory next
    cdef unsigned int next_version

    cdef FreshHistory after(self, key)


cpdef kept_copy(dict_, key, previous, copier)
cpdef remember_known(dict known, dict_)
