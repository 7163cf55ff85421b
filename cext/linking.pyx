# cython: annotation_typing=False, nonecheck=True
"""The loops of a flush that follow relationships, compiled; ``session/_py/linking.py`` explains them."""

from cpython.dict cimport PyDict_Contains, PyDict_GetItemWithError, PyDict_Next, PyDict_SetItem
from cpython.float cimport PyFloat_CheckExact
from cpython.list cimport PyList_GetSlice
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact

from session._cy.state cimport InstanceState, instance_dict, live_object

from session.constants import INSTANCE_STATE as _INSTANCE_STATE
from session.constants import NO_VALUE as _NO_VALUE

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

__all__ = [
    "DELETE",
    "LISTED_DELETE",
    "LISTED_SAVE",
    "SAVE",
    "Steps",
    "by_base",
    "by_class",
    "by_manager",
    "collected",
    "concerned",
    "lacking",
    "outcome",
    "refer_children",
    "refer_parents",
    "states_of",
    "unchanged",
    "unsaved",
]

cdef object NO_VALUE = _NO_VALUE
cdef str INSTANCE_STATE = _INSTANCE_STATE

cdef enum Status:
    IS_SAVE
    IS_DELETE
    IS_LISTED_SAVE
    IS_LISTED_DELETE

# What is done with a state; LISTED ones take part in relationships but are not written themselves.
SAVE = IS_SAVE
DELETE = IS_DELETE
LISTED_SAVE = IS_LISTED_SAVE
LISTED_DELETE = IS_LISTED_DELETE


cdef inline bint is_saved(dict statuses, state) except -1:
    """Tell whether a state is to be saved."""
    cdef PyObject *found = PyDict_GetItemWithError(statuses, state)
    return found is not NULL and <long><object>found == IS_SAVE


cdef inline object state_in(obj):
    """The state of a mapped object, or None of one that is None or not mapped."""
    if obj is None:
        return None
    cdef PyObject *found = PyDict_GetItemWithError(instance_dict(obj), INSTANCE_STATE)
    return None if found is NULL else <object>found


def by_manager(states):
    """Sort states by class."""
    cdef dict found = {}
    cdef list members = None
    cdef object manager = None
    cdef InstanceState state
    for state in states:
        if state.manager is not manager:
            manager = state.manager
            members = _members(found, manager)
        members.append(state)
    return list(found.items())


def by_class(states, dict statuses):
    """Sort states by class and by what is done with them."""
    cdef dict found = {}
    cdef list saves = None
    cdef list deletes = None
    cdef tuple group
    cdef object manager = None
    cdef InstanceState state
    cdef long status
    for state in states:
        if state.manager is not manager:
            manager = state.manager
            group = found.get(manager)
            if group is None:
                group = found[manager] = (manager, [], [])
            saves = <list>group[1]
            deletes = <list>group[2]
        status = statuses[state]
        if status == IS_SAVE:
            saves.append(state)
        elif status == IS_DELETE:
            deletes.append(state)
    return list(found.values())


cdef list _members(dict groups, base):
    cdef PyObject *found = PyDict_GetItemWithError(groups, base)
    if found is not NULL:
        return <list?><object>found
    members = groups[base] = []
    return members


def by_base(dict statuses):
    """Sort what is written by base mapper."""
    cdef dict saves = {}
    cdef dict deletes = {}
    cdef list saved = None
    cdef list deleted = None
    cdef object manager = None
    cdef object base = None
    cdef InstanceState state
    cdef long status
    for state, status in statuses.items():
        if state.manager is not manager:
            manager = state.manager
            base = manager.mapper.base_mapper
            saved = deleted = None
        if status == IS_SAVE:
            if saved is None:
                saved = _members(saves, base)
            saved.append(state)
        elif status == IS_DELETE:
            if deleted is None:
                deleted = _members(deletes, base)
            deleted.append(state)
    return saves, deletes


def outcome(dict statuses):
    """Give the states that are there after the flush, and those that are gone."""
    cdef list saved = []
    cdef list gone = []
    cdef long status
    for state, status in statuses.items():
        if status == IS_SAVE or status == IS_LISTED_SAVE:
            saved.append(state)
        else:
            gone.append(state)
    return saved, gone


cdef bint is_list(collection) except -1:
    """Tell whether a collection is a list, and keeps its objects in itself."""
    return isinstance(collection, list) and getattr(type(collection), "_session_kind", None) is list


cdef bint holds_same(old, value) except -1:
    """Tell whether a collection holds the objects that it held, or an attribute the object."""
    cdef Py_ssize_t number
    if type(old) is not list:
        return old is value
    if not is_list(value) or len(<list>old) != len(<list>value):
        return False
    for number in range(len(<list>old)):
        if (<list>old)[number] is not (<list>value)[number]:
            return False
    return True


cdef inline bint is_same(old, value) except -1:
    """Tell whether an attribute was set to the number or text that it had."""
    if PyLong_CheckExact(old):
        return PyLong_CheckExact(value) and value == old
    return PyUnicode_CheckExact(old) and PyUnicode_CheckExact(value) and value == old


def concerned(states, keys, frozenset watched):
    """Find out which relationships saving the states concerns."""
    cdef list holding = [[] for _ in keys]
    cdef dict changed = {}
    cdef set those
    cdef dict dict_
    cdef dict committed
    cdef InstanceState state
    cdef Py_ssize_t number
    cdef tuple known = tuple(keys)
    for state in states:
        committed = state.committed
        if state.ident is None:
            dict_ = instance_dict(live_object(state))
            for number in range(len(known)):
                key = known[number]
                if PyDict_Contains(dict_, key) or (committed is not None and PyDict_Contains(committed, key)):
                    (<list>holding[number]).append(state)
        elif committed:
            dict_ = instance_dict(live_object(state))
            those = None
            for key, old in committed.items():
                if key not in watched:
                    continue
                value = dict_.get(key)
                if not is_same(old, value) and not holds_same(old, value):
                    if those is None:
                        those = set()
                    those.add(key)
            if those is not None:
                group = frozenset(those)
                if group in changed:
                    (<list>changed[group]).append(state)
                else:
                    changed[group] = [state]
    return holding, changed


cdef inline bint is_constant(value):
    """Tell whether a value is of a kind that cannot change in place."""
    return value is None or value is True or value is False or PyFloat_CheckExact(value)


cdef bint is_unchanged(dict dict_, dict committed, frozenset keys) except -1:
    """Tell whether all values that were there before are there again."""
    cdef Py_ssize_t place = 0
    cdef PyObject *next_key
    cdef PyObject *next_old
    cdef PyObject *found
    while PyDict_Next(committed, &place, &next_key, &next_old):
        key, old = <object>next_key, <object>next_old  # held: strange keys in the object's dictionary are asked
        found = PyDict_GetItemWithError(dict_, key)
        if found is NULL:
            return False
        value = <object>found
        if not is_same(old, value) and not (old is value and is_constant(old)):
            return False
        if key not in keys:
            return False
    return True


def unchanged(states, frozenset keys):
    """Give the persistent states that were modified, but whose values are all what they were."""
    cdef list found = []
    cdef dict committed
    cdef InstanceState state
    for state in states:
        committed = state.committed
        if committed and state.ident is not None:
            if is_unchanged(instance_dict(live_object(state)), committed, keys):
                found.append(state)
    return found


def states_of(objects):
    """Give the states of mapped objects, ``None`` for ``None``."""
    cdef list found = []
    for obj in objects:
        found.append(None if obj is None else instance_dict(obj)[INSTANCE_STATE])
    return found


def collected(InstanceState state, str key):
    """Give what came to a new object's collection, all of it since the object was made."""
    cdef dict committed = state.committed
    cdef PyObject *found
    if state.ident is not None or committed is None or (state.extras is not None and "pending" in state.extras):
        return None
    found = PyDict_GetItemWithError(committed, key)
    if found is NULL:
        return None
    before = <object>found
    if before is not NO_VALUE and not (type(before) is list and not before):
        return None
    obj = live_object(state)
    if obj is None:
        return None
    found = PyDict_GetItemWithError(instance_dict(obj), key)
    collection = None if found is NULL else <object>found
    if is_list(collection):
        return PyList_GetSlice(collection, 0, PY_SSIZE_T_MAX)
    return None


def unsaved(states, dict statuses):
    """Give those of the states, and not ``None``, that are not to be saved yet."""
    cdef list found = []
    for state in states:
        if state is not None and not is_saved(statuses, state):
            found.append(state)
    return found


cdef list _values(dict source, pairs):
    """What the pairs read, with the attribute it goes to; None if something is not there."""
    cdef list values = []
    cdef PyObject *found
    for key, target in pairs:
        found = PyDict_GetItemWithError(source, key)
        if found is NULL or <object>found is NO_VALUE:
            return None
        values.append((target, <object>found))
    return values


cdef int _write(dict target, list values) except -1:
    cdef tuple pair
    for pair in values:
        PyDict_SetItem(target, pair[0], pair[1])
    return 0


def refer_children(InstanceState parent, children, pairs, dict statuses, manager):
    """Give new objects the key of the object that they belong to."""
    cdef list values = _values(instance_dict(live_object(parent)), pairs)
    cdef list left = []
    cdef InstanceState child
    if values is None:
        return list(children)
    for child in children:
        if child is None or child.manager is not manager or child.ident is not None or not is_saved(statuses, child):
            left.append(child)
            continue
        obj = live_object(child)
        if obj is None:
            left.append(child)
            continue
        _write(instance_dict(obj), values)
    return left


def refer_parents(states, str key, pairs, dict statuses, manager, home):
    """Give new objects the keys of the objects that they refer to."""
    cdef list left = []
    cdef list values
    cdef dict committed
    cdef dict dict_
    cdef InstanceState state
    cdef InstanceState target
    cdef PyObject *found
    for state in states:
        obj = live_object(state)
        committed = state.committed
        if obj is None or state.ident is not None or committed is None or not is_saved(statuses, state):
            left.append(state)
            continue
        found = PyDict_GetItemWithError(committed, key)
        if found is NULL or <object>found is not NO_VALUE:
            left.append(state)
            continue
        dict_ = instance_dict(obj)
        found = PyDict_GetItemWithError(dict_, key)
        referred = None if found is NULL else <object>found
        target = state_in(referred)
        if (
            target is None
            or target.manager is not manager
            or not (PyDict_Contains(statuses, target) or (target.shelf is not None and target.home is home))
        ):
            left.append(state)
            continue
        values = _values(instance_dict(referred), pairs)
        if values is None:
            left.append(state)
            continue
        _write(dict_, values)
    return left


def lacking(states, str key):
    """Give those of the states whose objects are alive and hold no value under the key."""
    cdef list found = []
    cdef InstanceState state
    for state in states:
        obj = live_object(state)
        if obj is not None and not PyDict_Contains(instance_dict(obj), key):
            found.append(state)
    return found


cdef inline object number_of(dict numbers, state):
    """The number of a state's step, or None."""
    cdef PyObject *found = PyDict_GetItemWithError(numbers, state)
    return None if found is NULL else <object>found


cdef class Steps:
    """The steps of a flush inside a cycle of mappers, as numbers, and which comes before which."""

    cdef readonly list names
    cdef readonly list edges

    def __cinit__(self):
        self.names = []
        self.edges = []

    def add(self, task):
        """Number a whole task."""
        self.names.append((task, None))
        return len(self.names) - 1

    def add_each(self, task, states, dict numbers):
        """Number what a task does for each state."""
        for state in states:
            numbers[state] = len(self.names)
            self.names.append((task, state))

    cpdef join(self, before, after):
        """Let one step come before another, if both are steps of this flush."""
        if before is not None and after is not None:
            self.edges.append((before, after))

    def precede(self, before, states, dict numbers):
        """Let one step come before those of the states; ``None`` among them is passed over."""
        if before is None:
            return
        for state in states:
            after = number_of(numbers, state)
            if after is not None:
                self.edges.append((before, after))

    def follow(self, states, dict numbers, after):
        """Let one step come after those of the states; ``None`` among them is passed over."""
        if after is None:
            return
        for state in states:
            before = number_of(numbers, state)
            if before is not None:
                self.edges.append((before, after))

    def refer(self, states, str key, dict links, dict saves):
        """Let objects be saved after those that they refer to by an attribute set for the first time."""
        cdef list left = []
        cdef dict committed
        cdef InstanceState state
        cdef PyObject *found
        for state in states:
            committed = state.committed
            obj = live_object(state)
            if obj is None or committed is None or state.ident is not None:
                left.append(state)
                continue
            found = PyDict_GetItemWithError(committed, key)
            if found is NULL or <object>found is not NO_VALUE:
                left.append(state)
                continue
            found = PyDict_GetItemWithError(instance_dict(obj), key)
            target = state_in(None if found is NULL else <object>found)
            if target is None:
                left.append(state)
                continue
            link = number_of(links, state)
            self.join(link, number_of(saves, state))
            self.join(number_of(saves, target), link)
        return left
