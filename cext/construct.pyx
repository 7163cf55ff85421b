# cython: nonecheck=True
"""The ``__init__`` of mapped classes, compiled; ``session/_py/construct.py`` explains it.

Python hands the keywords of a class that is called to its ``__init__`` in a dictionary.  A function would have them
taken apart and put together again, a method written in Cython would copy them; :class:`Init` is an object whose call
is a C function, and takes the dictionary as it is.
"""

from types import MethodType

from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next, PyDict_SetItem
from cpython.object cimport PyObject, PyTypeObject, ternaryfunc

from session._cy.descriptors cimport AttributeDescriptor
from session._cy.histories cimport FreshHistory
from session._cy.scalars cimport ScalarAttribute
from session._cy.state cimport InstanceState, instance_dict

from session.constants import CLASS_MANAGER as _CLASS_MANAGER
from session.constants import INSTANCE_STATE as _INSTANCE_STATE
from session.constants import NO_VALUE as _NO_VALUE

cdef extern from "Python.h":
    const unsigned long Py_TPFLAGS_METHOD_DESCRIPTOR
    const unsigned long Py_TPFLAGS_VALID_VERSION_TAG
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
    cdef FreshHistory fresh

    def __init__(self, manager, original, instrument):
        self.manager = manager
        self.class_ = manager.class_
        self.original = original
        self.instrument = instrument
        self.by_keywords = getattr(original, "_session_sets_keywords", False)
        self.fresh = FreshHistory()
        self.__name__ = "__init__"
        self.__qualname__ = f"{manager.class_.__qualname__}.__init__"

    def __repr__(self):
        return f"<__init__ of {self.class_.__name__}>"

    def __get__(self, instance, owner):
        return self if instance is None else MethodType(self, instance)

    def __call__(self, /, *args, **kwargs):
        """Make the state of an object, and run the class's own ``__init__``."""
        return call_init(<PyObject*>self, <PyObject*>args, <PyObject*>kwargs)


cdef object call_init(PyObject *init, PyObject *arguments, PyObject *keywords):
    """Make the state of an object, and run the class's own ``__init__``; a ``ternaryfunc``.

    :param arguments: the object, and what is given by position.
    :param keywords: the dictionary of keywords, which may be somebody else's, or ``NULL``.
    """
    cdef Init self = <Init>init
    cdef tuple args = <tuple>arguments
    cdef dict kwargs = {} if keywords is NULL else <dict>keywords
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
    state.fresh = self.fresh
    dict_[INSTANCE_STATE] = state
    on_init = field(manager, known, "on_init")
    if on_init:
        for prepare in on_init:
            prepare(state, dict_)
    if field(manager, known, "init_listened"):
        init_with_listeners(manager, state, self.original, obj, args[1:], dict(kwargs))
    elif self.by_keywords and len(args) == 1:
        set_keywords(manager, state, dict_, self.original, obj, kwargs)
    else:
        self.original(*args, **kwargs)


(<PyTypeObject*>Init).tp_call = <ternaryfunc><void*>call_init
# Called on an object, it need not be bound first.
(<PyTypeObject*>Init).tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR


cdef inline field(owner, dict known, name):
    """Give an attribute of an object whose dictionary is at hand."""
    cdef PyObject *found = PyDict_GetItemWithError(known, name)
    return getattr(owner, name) if found is NULL else <object>found


cdef inline unsigned int version_of(PyTypeObject *cls):
    """Give a number that no class had before and this one has until it changes; 0 if it has none."""
    return cls.tp_version_tag if cls.tp_flags & Py_TPFLAGS_VALID_VERSION_TAG else 0


cdef bint is_settled(mapper) except -1:
    """True if the mapper's registry has no mappers that are not configured yet."""
    cdef PyObject *found = PyDict_GetItemWithError(instance_dict(mapper), "registry")
    if found is NULL:
        return False
    registry = <object>found
    return not registry.pending


cdef set_keywords(manager, InstanceState state, dict dict_, original, obj, dict kwargs):
    """Set what is given by keyword.

    As long as an object sets what the one before it has set, nothing is looked up: the history that both share knows
    the attribute that comes next.
    """
    class_ = type(obj)
    cdef PyTypeObject *cls = <PyTypeObject*>class_
    cdef unsigned int version = version_of(cls)
    cdef FreshHistory fresh = state.fresh
    cdef ScalarAttribute impl
    cdef PyObject *name
    cdef PyObject *given
    cdef Py_ssize_t place = 0, done = 0, at = 0
    if version and len(dict_) == 1 and state.committed is None and state.home is None:
        while PyDict_Next(kwargs, &place, &name, &given):
            if <PyObject*>fresh.next_key != name or fresh.next_version != version:
                break
            impl = <ScalarAttribute>fresh.next_impl
            if impl.listened or impl.active_history or not impl.send_modified:
                break
            PyDict_SetItem(dict_, impl.key, <object>given)
            fresh = fresh.next
            done += 1
        if done:
            state.fresh = fresh
            state.committed = fresh.committed
            state.modified = True
    if done == len(kwargs):
        return
    for key, value in kwargs.items():
        at += 1
        if at > done:
            set_keyword(manager, state, dict_, cls, original, obj, key, value)


cdef set_keyword(manager, InstanceState state, dict dict_, PyTypeObject *cls, original, obj, key, value):
    """Set what is given by one keyword; the long way for all but columns that nobody listens to."""
    cdef PyObject *found = PyDict_GetItemWithError(manager, key)
    cdef FreshHistory before = state.fresh
    cdef ScalarAttribute impl
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
                and _PyType_Lookup(cls, key) == <PyObject*>attribute
            ):
                if state.committed is None or key not in state.committed:
                    found = PyDict_GetItemWithError(dict_, key)
                    state.keep_old(key, NO_VALUE if found is NULL else <object>found)
                    if before is not state.fresh:
                        before.next_key, before.next_impl, before.next = impl.key, impl, state.fresh
                        before.next_version = version_of(cls)
                state.modified = True
                PyDict_SetItem(dict_, impl.key, value)
                return
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
