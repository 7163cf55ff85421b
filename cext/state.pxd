# Declarations of the instance state, for the other compiled modules, and what they all do with objects.

from cpython.object cimport PyObject

from session._cy.histories cimport FreshHistory

cdef extern from "Python.h":
    ctypedef struct PyWeakReference:
        PyObject *wr_object
        PyObject *wr_callback

    ctypedef class weakref.ReferenceType [object PyWeakReference, check_size ignore]:
        pass

    PyObject **_PyObject_GetDictPtr(object obj)
    object PyObject_GenericGetDict(object obj, void *context)

cdef extern from *:
    """
    static CYTHON_INLINE PyObject *session_referent(PyObject *reference) {
        PyObject *found;
    #if PY_VERSION_HEX >= 0x030D0000
        if (PyWeakref_GetRef(reference, &found) < 0) return NULL;
        if (found != NULL) return found;
        found = Py_None;
    #else
        found = PyWeakref_GET_OBJECT(reference);
    #endif
        Py_INCREF(found);
        return found;
    }
    """
    object session_referent(object reference)


cdef class InstanceState(ReferenceType):
    cdef public object manager
    cdef public object ident
    cdef public object identity_token
    cdef public object home
    cdef public dict shelf
    cdef public dict committed
    cdef public object expired_keys
    cdef public object _strong_obj
    cdef public object load_options
    cdef public object load_path
    cdef public dict extras
    cdef FreshHistory fresh
    cdef object first_token
    cdef object first_parent
    cdef public long long insert_order
    cdef public long long run_id
    cdef public bint expired
    cdef public bint modified
    cdef public bint _deleted

    cpdef modified_event(self, dict_, key, previous, copier=*)
    cpdef mark_modified(self, key=*)
    cpdef dict own_committed(self)
    cpdef parent_by(self, token)
    cpdef note_parent(self, token, parent)
    cpdef forget_parents(self)
    cdef keep_old(self, key, previous)
    cpdef commit(self, dict_, keys)
    cpdef commit_all(self, dict_)
    cpdef expire(self, dict_)
    cpdef merge_expired(self, keys)
    cpdef unexpire(self, keys)
    cdef _leave_modified(self)


cdef inline object live_object(InstanceState state):
    """The object as a new reference, or None."""
    if state is None:
        raise TypeError("'NoneType' object is not callable")
    return session_referent(state)


cdef inline dict instance_dict(obj):
    """The dictionary of an instance, without an attribute look-up where that can be."""
    cdef PyObject **place = _PyObject_GetDictPtr(obj)
    if place is NULL:
        return obj.__dict__
    if place[0] is NULL:
        return <dict>PyObject_GenericGetDict(obj, NULL)
    return <dict>place[0]
