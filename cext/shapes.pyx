# cython: binding=False, nonecheck=True
"""What a statement looks like apart from its values, compiled; ``session/_py/shapes.py`` explains it."""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_SetItem, PyDict_Size
from cpython.list cimport PyList_Append
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

cdef extern from "Python.h":
    PyObject **_PyObject_GetDictPtr(object obj)
    object PyObject_GenericGetDict(object obj, void *context)

__all__ = [
    "BINARY",
    "CONSTANT",
    "ELEMENT",
    "ELEMENTS",
    "EMPTY",
    "FLAG",
    "GROUP",
    "IGNORED",
    "JOINS",
    "LABEL",
    "LASTING",
    "LIST",
    "MARK",
    "NOTHING",
    "PARAMETER",
    "SUBJECT",
    "UNARY",
    "Mark",
    "ShapeReader",
]

cdef enum Kind:
    ANY_BINARY = 1
    ANY_CONSTANT
    ANY_GROUP
    ANY_LABEL
    ANY_LIST
    ANY_PARAMETER
    ANY_UNARY

cdef enum FieldKind:
    IS_ELEMENT = 1
    IS_ELEMENTS
    IS_EMPTY
    IS_FLAG
    IS_IGNORED
    IS_JOINS
    IS_LASTING
    IS_NOTHING
    IS_SUBJECT

MARK = "_session_mark"
"""Under this name an element carries its mark."""

BINARY, CONSTANT, GROUP, LABEL, LIST, PARAMETER, UNARY = range(1, 8)
ELEMENT, ELEMENTS, EMPTY, FLAG, IGNORED, JOINS, LASTING, NOTHING, SUBJECT = range(1, 10)

cdef object MARKED = 0
cdef object REPEATED = -1
cdef object ABSENT = -2
cdef str THE_MARK = MARK
cdef list KIND_TOKENS = list(range(8))

cdef enum:
    DEPTH = 40


cdef inline dict attributes_of(element):
    """The dictionary of an element, ``None`` if it has none."""
    cdef PyObject **place = _PyObject_GetDictPtr(element)
    if place is NULL:
        return None
    return <dict?>PyObject_GenericGetDict(element, NULL)


cdef class Mark:
    """Stands for one element that is there for good.  A copy of the element does not count as the element.

    :param element: the element.
    """

    cdef void *_address

    def __init__(self, element):
        self._address = <PyObject*>element

    @property
    def address(self):
        return <size_t>self._address


cdef class ShapeReader:
    """Reads the shapes of statements of one class.

    :param kinds: by class, what kind of element it is.
    :param fields: the attributes that a statement can have, and what kind of attribute each is.
    :param plain_type: the type of expressions that is not worth a mention.
    :param uncacheable: what takes the place of the cache key of a type that has none.
    """

    cdef dict _kinds
    cdef tuple _names, _field_kinds, _numbers
    cdef object _plain_type, _uncacheable

    def __init__(self, kinds, fields, plain_type, uncacheable):
        self._kinds = dict(kinds)
        self._names = tuple([name for name, _ in fields])
        self._field_kinds = tuple([kind for _, kind in fields])
        self._numbers = tuple(range(len(self._names)))
        self._plain_type = plain_type
        self._uncacheable = uncacheable

    def read(self, statement):
        """Give the shape of a statement, and its parameters in the order in which they stand.

        :param statement: a statement of the class that this reader is for.
        """
        cdef dict attributes = attributes_of(statement)
        cdef Reading reading = Reading.__new__(Reading)
        cdef Py_ssize_t count = PyDict_Size(attributes), unread = count, number
        cdef PyObject *found
        cdef int kind
        reading.kinds = self._kinds
        reading.plain_type = self._plain_type
        reading.uncacheable = self._uncacheable
        reading.tokens = []
        reading.parameters = []
        for number in range(PyTuple_GET_SIZE(self._names)):
            found = PyDict_GetItemWithError(attributes, <object>PyTuple_GET_ITEM(self._names, number))
            if found is NULL:
                continue
            unread -= 1
            kind = <object>PyTuple_GET_ITEM(self._field_kinds, number)
            if kind != IS_IGNORED:
                value = <object>found
                if not reading.attribute(<object>PyTuple_GET_ITEM(self._numbers, number), kind, value):
                    return None
            if unread <= 0:
                break
        if unread != 0 or PyDict_Size(attributes) != count:  # another thread may have noted something on it meanwhile
            return None
        return tuple(reading.tokens), reading.parameters


cdef class Reading:
    """One reading of one statement: what has been found so far."""

    cdef dict kinds, seen
    cdef list tokens, parameters
    cdef object plain_type, uncacheable

    cdef bint attribute(self, number, int kind, value) except -1:
        """Read an attribute of the statement; ``False`` if the statement has no shape."""
        if kind == IS_NOTHING:
            return value is None
        if kind == IS_EMPTY:
            return len(value) == 0
        if value is None and (kind == IS_ELEMENT or kind == IS_ELEMENTS or kind == IS_JOINS):
            return True
        PyList_Append(self.tokens, number)
        if kind == IS_ELEMENTS:
            return self.elements(value, 0)
        if kind == IS_ELEMENT:
            return self.element(value, 0)
        if kind == IS_JOINS:
            return self.joins(value)
        if kind == IS_FLAG:
            PyList_Append(self.tokens, bool(value))
        elif kind == IS_LASTING:
            PyList_Append(self.tokens, <size_t><PyObject*>value)
        elif kind == IS_SUBJECT:
            PyList_Append(self.tokens, value.get("plugin_subject"))
        return True

    cdef bint elements(self, elements, int depth) except -1:
        if type(elements) is tuple:
            PyList_Append(self.tokens, len(<tuple>elements))
            for each in <tuple>elements:
                if not self.element(each, depth):
                    return False
            return True
        if type(elements) is list:
            PyList_Append(self.tokens, len(<list>elements))
            for each in <list>elements:
                if not self.element(each, depth):
                    return False
            return True
        return False

    cdef bint joins(self, joins) except -1:
        if type(joins) is not tuple:
            return False
        PyList_Append(self.tokens, len(<tuple>joins))
        for right, onclause, left, flags in <tuple>joins:
            for each in (right, onclause, left):
                if each is None:
                    PyList_Append(self.tokens, ABSENT)
                elif not self.element(each, 0):
                    return False
            if len(flags) != 2:
                return False
            PyList_Append(self.tokens, bool(flags["isouter"]))
            PyList_Append(self.tokens, bool(flags["full"]))
        return True

    cdef bint element(self, element, int depth) except -1:
        """Read an element and what it is made of."""
        cdef list tokens = self.tokens
        cdef dict attributes = attributes_of(element)
        cdef PyObject *found = PyDict_GetItemWithError(self.kinds, type(element))
        cdef int kind
        if attributes is None:
            return False
        if found is NULL:
            found = PyDict_GetItemWithError(attributes, THE_MARK)
            if found is NULL or type(<object>found) is not Mark:
                return False
            if (<Mark><object>found)._address != <void*><PyObject*>element:
                return False
            PyList_Append(tokens, MARKED)
            PyList_Append(tokens, <object>found)
            return True
        kind = <object>found
        if depth > DEPTH:
            return False
        depth += 1
        if kind == ANY_PARAMETER:
            return self.parameter(element, attributes)
        PyList_Append(tokens, KIND_TOKENS[kind])
        if kind == ANY_BINARY:
            PyList_Append(tokens, attributes["operator"])
            modifiers = attributes["modifiers"]
            PyList_Append(tokens, tuple(sorted(modifiers.items())) if modifiers else None)
            type_ = attributes["type"]
            if type_ is self.plain_type:
                PyList_Append(tokens, None)
            elif not self.type_(type_):
                return False
            return self.element(attributes["left"], depth) and self.element(attributes["right"], depth)
        if kind == ANY_LIST:
            PyList_Append(tokens, attributes["operator"])
            return self.elements(attributes["clauses"], depth)
        if kind == ANY_UNARY:
            PyList_Append(tokens, attributes["operator"])
            PyList_Append(tokens, attributes["modifier"])
            return self.element(attributes["element"], depth)
        PyList_Append(tokens, type(element))
        if kind == ANY_LABEL:
            name = attributes["name"]
            if type(name) is not str:
                return False
            PyList_Append(tokens, name)
            return self.element(attributes["_element"], depth)
        return kind == ANY_CONSTANT or self.element(attributes["element"], depth)

    cdef bint parameter(self, element, dict attributes) except -1:
        cdef list tokens = self.tokens
        cdef object address = <size_t><PyObject*>element
        cdef PyObject *found
        if self.seen is None:
            self.seen = {}
        found = PyDict_GetItemWithError(self.seen, address)
        if found is not NULL:
            PyList_Append(tokens, REPEATED)
            PyList_Append(tokens, <object>found)
            return True
        cdef object number = len(self.parameters)
        PyDict_SetItem(self.seen, address, number)
        PyList_Append(self.parameters, element)
        PyList_Append(tokens, KIND_TOKENS[<int>ANY_PARAMETER])
        PyList_Append(tokens, type(element))
        found = PyDict_GetItemWithError(attributes, "_anon_map_key")
        if found is NULL or <object>found is None:
            PyList_Append(tokens, str(attributes["key"]))
        else:
            anonymous = <object>found
            found = PyDict_GetItemWithError(self.seen, anonymous)
            if found is not NULL:
                return False
            PyDict_SetItem(self.seen, anonymous, number)
            PyList_Append(tokens, None)
        PyList_Append(tokens, bool(attributes["literal_execute"]))
        return self.type_(attributes["type"])

    cdef bint type_(self, type_) except -1:
        key = type_._static_cache_key
        PyList_Append(self.tokens, key)
        return key is not self.uncacheable
