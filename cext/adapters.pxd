# Declaration of what ties a collection to its owner, for the other compiled modules.


cdef class CollectionAdapter:
    cdef object __weakref__
    cdef public object impl
    cdef public object owner_state
    cdef public object _data
    cdef public bint invalidated
    cdef public bint empty
    cdef public bint distinct
    cdef public bint taken_out
    cdef public list gone

    cdef came(self, item, initiator, key)
    cdef came_again(self, item, initiator, key)
    cdef goes(self, item, initiator, key)
    cdef will_go(self, initiator, key)
    cdef dict before_event(self)
    cdef become_owned(self, dict dict_)
    cdef collection(self)
    cpdef bint holds_twice(self, item) except -1
