# Declarations of the instance state, for the other compiled modules.

from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef struct PyWeakReference:
        PyObject *wr_object
        PyObject *wr_callback

    ctypedef class weakref.ReferenceType [object PyWeakReference, check_size ignore]:
        pass

    PyObject *PyWeakref_GET_OBJECT(PyObject *reference)


cdef class InstanceState(ReferenceType):
    cdef public object manager
    cdef public object ident
    cdef public object identity_token
    cdef public object home
    cdef public dict shelf
    cdef public dict committed
    cdef public object expired_keys
    cdef public object strong
    cdef public object load_options
    cdef public object load_path
    cdef public dict extras
    cdef public long long insert_order
    cdef public long long run_id
    cdef public bint expired
    cdef public bint modified
    cdef public bint _deleted

    cpdef modified_event(self, dict_, key, previous, copier=*)
    cpdef mark_modified(self, key=*)
    cpdef commit(self, dict_, keys)
    cpdef commit_all(self, dict_)
    cpdef expire(self, dict_)
    cpdef unexpire(self, keys)
    cdef _leave_modified(self)


cdef object live_object(InstanceState state)
