# cython: nonecheck=True
"""The ``__init__`` of mapped classes, compiled; ``session/_py/construct.py`` explains it.

Python hands the keywords of a class that is called to its ``__init__`` in a dictionary.  A function would have them
taken apart and put together again; :class:`Init` is an object, and takes the dictionary.
"""

from types import MethodType

from cpython.dict cimport PyDict_GetItemWithError, PyDict_SetItem
from cpython.object cimport PyObject, PyTypeObject

from session._cy.descriptors cimport AttributeDescriptor
from session._cy.scalars cimport ScalarAttribute
from session._cy.state cimport InstanceState, instance_dict

from session.constants import CLASS_MANAGER as _CLASS_MANAGER
from session.constants import INSTANCE_STATE as _INSTANCE_STATE
from session.constants import NO_VALUE as _NO_VALUE

cdef extern from "Python.h":
    const unsigned long Py_TPFLAGS_METHOD_DESCRIPTOR
    PyObject *_PyType_Lookup(PyTypeObject *cls, object name)
    PyObject *PyDict_SetDefault(dict mapping, object key, object value) except NULL

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
    return Init(manager, original, instrument)


cdef class Init:
    """The ``__init__`` of one instrumented class; a method, as far as Python can tell."""

    cdef dict __dict__
    cdef object __weakref__
    cdef object manager
    cdef object class_
    cdef object original
    cdef object instrument
    cdef bint by_keywords

    def __init__(self, manager, original, instrument):
        self.manager = manager
        self.class_ = manager.class_
        self.original = original
        self.instrument = instrument
        self.by_keywords = getattr(original, "_session_sets_keywords", False)
        self.__name__ = "__init__"
        self.__qualname__ = f"{manager.class_.__qualname__}.__init__"

    def __repr__(self):
        return f"<__init__ of {self.class_.__name__}>"

    def __get__(self, instance, owner):
        return self if instance is None else MethodType(self, instance)

    def __call__(self, /, *args, **kwargs):
        if not args:
            raise TypeError("__init__() is called on an object")
        obj = args[0]
        cdef dict dict_ = instance_dict(obj)
        if INSTANCE_STATE in dict_:
            self.original(*args, **kwargs)
            return
        cls = type(obj)
        manager = self.manager
        if cls is not self.class_:
            manager = cls.__dict__.get(CLASS_MANAGER)
            if manager is None:
                manager = self.instrument(cls, self.manager)
        cdef dict known = instance_dict(manager)
        mapper = field(manager, known, "mapper")
        if mapper is not None and not is_settled(mapper):
            mapper.ensure_configured()
        cdef InstanceState state = InstanceState.__new__(InstanceState, obj, manager)
        dict_[INSTANCE_STATE] = state
        on_init = field(manager, known, "on_init")
        if on_init:
            for prepare in on_init:
                prepare(state, dict_)
        if field(manager, known, "init_listened"):
            init_with_listeners(manager, state, self.original, obj, args[1:], kwargs)
        elif self.by_keywords and len(args) == 1:
            set_keywords(manager, state, dict_, self.original, obj, kwargs)
        else:
            self.original(*args, **kwargs)


# Called on an object, it need not be bound first.
(<PyTypeObject*>Init).tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR


cdef inline field(owner, dict known, name):
    """Give an attribute of an object whose dictionary is at hand."""
    cdef PyObject *found = PyDict_GetItemWithError(known, name)
    return getattr(owner, name) if found is NULL else <object>found


cdef bint is_settled(mapper) except -1:
    """True if the mapper's registry has no mappers that are not configured yet."""
    cdef PyObject *found = PyDict_GetItemWithError(instance_dict(mapper), "registry")
    if found is NULL:
        return False
    registry = <object>found
    return not registry.pending


cdef set_keywords(manager, InstanceState state, dict dict_, original, obj, dict kwargs):
    cdef ScalarAttribute impl
    cdef PyObject *found
    cdef dict committed
    cls = type(obj)
    for key, value in kwargs.items():
        found = PyDict_GetItemWithError(manager, key)
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
                    found = PyDict_GetItemWithError(dict_, key)
                    PyDict_SetDefault(committed, key, NO_VALUE if found is NULL else <object>found)
                    state.modified = True
                    PyDict_SetItem(dict_, key, value)
                    continue
        original(obj, **{key: value})


cdef init_with_listeners(manager, InstanceState state, original, obj, tuple args, dict kwargs):
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
