# cython: binding=False, nonecheck=True
"""Comparisons of a column with plain values, compiled; ``session/_py/comparisons.py`` explains it."""

from cpython.dict cimport PyDict_Copy, PyDict_GetItemWithError, PyDict_SetItem
from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        object (*tp_new)(PyTypeObject *cls, PyObject *args, PyObject *kwargs)

cdef extern from *:
    """
    /* From 3.13 on the values of an object may stand in itself, and only the setter of its class knows how to move
       them out: PyObject_GenericSetDict() of 3.13.0 leaves them in force. */
    static CYTHON_INLINE int session_set_dict(PyObject *obj, PyObject *attributes, PyObject *name) {
    #if PY_VERSION_HEX >= 0x030D0000
        return PyObject_SetAttr(obj, name, attributes);
    #else
        return PyObject_GenericSetDict(obj, attributes, NULL);
    #endif
    }
    """
    int session_set_dict(object obj, dict attributes, object name) except -1

__all__ = ["Comparisons", "Pattern"]

cdef tuple NO_ARGUMENTS = ()


cdef inline object blank(kind):
    """An object of a class, without running its ``__init__``."""
    return (<PyTypeObject*>kind).tp_new(<PyTypeObject*>kind, <PyObject*>NO_ARGUMENTS, NULL)


cdef class Pattern:
    """One comparison of a column with a parameter, taken apart.

    :param comparison: the comparison; its class and attributes are taken from it.
    :param body: the part of the parameter's name that follows its address.
    """

    cdef type _kind, _parameter_kind, _label
    cdef dict _comparison, _parameter
    cdef object _left
    cdef str _suffix

    def __init__(self, comparison, str body not None):
        parameter = comparison.right
        self._kind = type(comparison)
        self._comparison = {**comparison.__dict__, "right": None, "_orig": None, "modifiers": None}
        self._parameter_kind = type(parameter)
        self._parameter = {**parameter.__dict__, "value": None}
        self._label = type(parameter.key)
        self._left = comparison._orig[0]
        self._suffix = " " + body

    def copy(self, value):
        """Give the same comparison with another value."""
        return make_copy(self, value)


cdef object make_copy(Pattern self, value):
    cdef dict attributes
    cdef object parameter = blank(self._parameter_kind)
    cdef str name = f"{<size_t><PyObject*>parameter}{self._suffix}"
    cdef tuple text = (f"%({name})s",)
    cdef object label = (<PyTypeObject*>str).tp_new(<PyTypeObject*>self._label, <PyObject*>text, NULL)
    label.quote = None
    attributes = PyDict_Copy(self._parameter)
    PyDict_SetItem(attributes, "key", label)
    PyDict_SetItem(attributes, "_identifying_key", label)
    PyDict_SetItem(attributes, "_anon_map_key", name)
    PyDict_SetItem(attributes, "value", value)
    session_set_dict(parameter, attributes, "__dict__")
    cdef object comparison = blank(self._kind)
    attributes = PyDict_Copy(self._comparison)
    PyDict_SetItem(attributes, "right", parameter)
    PyDict_SetItem(attributes, "_orig", (self._left, hash(parameter)))
    PyDict_SetItem(attributes, "modifiers", {})
    session_set_dict(comparison, attributes, "__dict__")
    return comparison


cdef class Comparisons:
    """The comparisons of one column expression.

    :param expression: the expression.
    :param pattern_of: ``pattern_of(expression, operator, value, comparison)`` gives the pattern of a comparison that
        Core has made, ``None`` if others cannot be made after it.
    """

    cdef object _expression, _pattern_of
    cdef dict _patterns

    def __init__(self, expression, pattern_of):
        self._expression = expression
        self._pattern_of = pattern_of
        self._patterns = {}

    def make(self, operator, value):
        """Compare with a value.

        :param operator: one of Core's operators.
        :param value: any value.
        :return: the expression, or ``None``: let Core make it, and show it to :meth:`learn`.
        """
        cdef PyObject *found = PyDict_GetItemWithError(self._patterns, operator)
        if found is NULL:
            return None
        found = PyDict_GetItemWithError(<dict>found, type(value))
        if found is NULL:
            return None
        cdef Pattern pattern = <Pattern?><object>found
        return make_copy(pattern, value)

    def learn(self, operator, value, comparison):
        """Keep the pattern of a comparison that Core has just made.

        :param comparison: what Core made of ``expression operator value``.
        """
        pattern = self._pattern_of(self._expression, operator, value, comparison)
        if pattern is not None:
            self._patterns.setdefault(operator, {})[type(value)] = <Pattern?>pattern
