# cython: binding=True, nonecheck=True
"""The ``__init__`` of mapped classes, compiled; ``session/_py/construct.py`` explains it."""

from cpython.dict cimport PyDict_Contains, PyDict_GetItem, PyDict_SetItem
from cpython.object cimport PyObject

from session._cy.descriptors cimport AttributeDescriptor
from session._cy.scalars cimport ScalarAttribute
from session._cy.state cimport InstanceState, instance_dict

from session.constants import CLASS_MANAGER as _CLASS_MANAGER
from session.constants import INSTANCE_STATE as _INSTANCE_STATE
from session.constants import NO_VALUE as _NO_VALUE

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        pass

    PyObject *_PyType_Lookup(PyTypeObject *cls, object name)

__all__ = ["make_init"]

cdef str CLASS_MANAGER = _CLASS_MANAGER
cdef str INSTANCE_STATE = _INSTANCE_STATE
cdef object NO_VALUE = _NO_VALUE


def make_init(manager, original, instrument):
    """Make the ``__init__`` of an instrumented class.

    The listeners of ``init`` run before the class's own code, those of ``init_failure`` if it
    raises; ``first_init`` runs once per class, before its first instance is made.

    :param manager: the class manager.
    :param original: the class's own ``__init__``.
    :param instrument: gives the manager of a subclass that was never instrumented itself.
    """
    class_ = manager.class_
    cdef bint by_keywords = getattr(original, "_session_sets_keywords", False)

    def __init__(self, /, *args, **kwargs):
        cdef dict dict_ = instance_dict(self)
        if INSTANCE_STATE in dict_:
            original(self, *args, **kwargs)
            return
        cls = type(self)
        own = manager
        if cls is not class_:
            own = cls.__dict__.get(CLASS_MANAGER)
            if own is None:
                own = instrument(cls, manager)
        mapper = own.mapper
        if mapper is not None:
            mapper.ensure_configured()
        cdef InstanceState state = InstanceState.__new__(InstanceState, self, own)
        dict_[INSTANCE_STATE] = state
        for prepare in own.on_init:
            prepare(state, dict_)
        if own.init_listened:
            init_with_listeners(own, state, original, self, args, kwargs)
        elif by_keywords and not args:
            set_keywords(own, state, dict_, original, self, kwargs)
        else:
            original(self, *args, **kwargs)

    return __init__


cdef set_keywords(manager, InstanceState state, dict dict_, original, obj, dict kwargs):
    cdef ScalarAttribute impl
    cdef PyObject *found
    cdef dict committed
    cls = type(obj)
    for key, value in kwargs.items():
        found = PyDict_GetItem(manager, key)
        if found is not NULL and isinstance(<object>found, AttributeDescriptor):
            attribute = <object>found
            kind = (<AttributeDescriptor>attribute).impl
            if type(kind) is ScalarAttribute:
                impl = <ScalarAttribute>kind
                if (
                    not impl.listened
                    and not impl.active_history
                    and impl.send_modified
                    and state.home is None
                    and _PyType_Lookup(<PyTypeObject*>cls, key) == <PyObject*>attribute
                ):
                    committed = state.committed
                    if committed is None:
                        committed = state.committed = {}
                    if not PyDict_Contains(committed, key):
                        found = PyDict_GetItem(dict_, key)
                        committed[key] = NO_VALUE if found is NULL else <object>found
                    state.modified = True
                    PyDict_SetItem(dict_, key, value)
                    continue
        original(obj, **{key: value})


cdef init_with_listeners(manager, state, original, obj, tuple args, dict kwargs):
    dispatch = manager.dispatch
    if not manager.first_init_done:
        manager.first_init_done = True
        dispatch.first_init(manager, manager.class_)
    dispatch.init(state, args, kwargs)
    try:
        original(obj, *args, **kwargs)
    except BaseException:
        dispatch.init_failure(state, args, kwargs)
        raise
