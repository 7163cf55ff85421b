# cython: annotation_typing=False, nonecheck=True
"""The walk of a cascade, compiled; ``session/_py/cascading.py`` explains it."""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.list cimport PyList_GetSlice
from cpython.object cimport PyObject

from session._cy.state cimport InstanceState, instance_dict, live_object

from session.constants import INSTANCE_STATE as _INSTANCE_STATE
from session.constants import NO_VALUE as _NO_VALUE
from session.constants import PASSIVE_NO_RESULT as _PASSIVE_NO_RESULT

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

__all__ = ["Step", "walk"]

cdef object NO_VALUE = _NO_VALUE
cdef object PASSIVE_NO_RESULT = _PASSIVE_NO_RESULT
cdef str INSTANCE_STATE = _INSTANCE_STATE
cdef object _NOTHING = frozenset()


cdef class Step:
    """One relationship along which an operation goes on, and what the walk has to know of it."""

    cdef readonly str key
    cdef readonly bint uselist
    cdef readonly bint former
    cdef readonly bint ask
    cdef readonly bint skip_new
    cdef readonly object manager
    cdef readonly object prop

    def __init__(self, str key, bint uselist, bint former, bint ask, bint skip_new, manager, prop):
        self.key = key
        self.uselist = uselist
        self.former = former
        self.ask = ask
        self.skip_new = skip_new
        self.manager = manager
        self.prop = prop


cdef list members(collection):
    """What is in a collection now; a list is not asked itself."""
    if type(collection)._session_kind is list and isinstance(collection, list):
        return PyList_GetSlice(collection, 0, PY_SSIZE_T_MAX)
    return list(collection._sa_adapter)


cdef class _Walk:
    """One walk: what it is for, where it halts, where it has been."""

    cdef object operation
    cdef object halt_on
    cdef object home
    cdef object new
    cdef set visited

    cdef bint is_left_out(self, InstanceState other) except -1:
        if other in self.visited:
            return True
        if self.halt_on is not None and self.halt_on(other):
            return True
        if self.home is not None:
            return (other.shelf is not None and other.home is self.home) or other in self.new
        return False

    def halts_at(self, InstanceState other):
        return (other.shelf is not None and other.home is self.home) or other in self.new

    cdef tuple enter(self, Step step, item):
        """The state and the object of one that the walk goes on to, else None."""
        cdef InstanceState other
        if item is None:
            return None
        other = <InstanceState?>instance_dict(item)[INSTANCE_STATE]
        if self.is_left_out(other):
            return None
        if other.manager is not step.manager:
            step.prop.check_member(other)
        if step.skip_new and other.ident is None:
            return None
        self.visited.add(other)
        return (other, item)

    cdef list reached(self, InstanceState state, obj, Step step):
        """What the operation goes on to along one relationship."""
        cdef dict dict_ = <dict?>state.dict if obj is None else instance_dict(obj)
        cdef dict committed = state.committed
        cdef PyObject *place = NULL
        cdef list found = []
        cdef tuple pair
        former = None
        changed = False
        if committed is not None:
            place = PyDict_GetItemWithError(committed, step.key)
            if place is not NULL:
                changed = True
                former = <object>place
        place = PyDict_GetItemWithError(dict_, step.key)
        value = NO_VALUE if place is NULL else <object>place
        if value is NO_VALUE and not (
            step.ask or changed or (state.extras is not None and "pending" in state.extras)
        ):
            return found
        if value is NO_VALUE or (step.former and former is not None and former is not NO_VALUE):
            halt = self.halt_on
            if halt is None and self.home is not None:
                halt = self.halts_at
            for item, _, other, _ in step.prop.cascade_iterator(self.operation, state, dict_, self.visited, halt):
                found.append((other, item))
            return found
        if value is None or value is PASSIVE_NO_RESULT:
            return found
        if not step.uselist:
            pair = self.enter(step, value)
            if pair is not None:
                found.append(pair)
            return found
        for item in members(value):
            pair = self.enter(step, item)
            if pair is not None:
                found.append(pair)
        return found


def walk(operation, start, halt_on=None, home=None, new=_NOTHING):
    """Find the objects that an operation on one goes on to."""
    cdef list found = []
    cdef list stack = [(start, live_object(start))]
    cdef list reached
    cdef tuple top
    cdef Step step
    cdef InstanceState state
    cdef Py_ssize_t number
    cdef object manager = None
    cdef tuple steps = ()
    cdef _Walk walking = _Walk.__new__(_Walk)
    walking.operation = operation
    walking.halt_on = halt_on
    walking.home = home
    walking.new = new
    walking.visited = {start}
    while stack:
        top = <tuple?>stack.pop()
        state = <InstanceState?>top[0]
        if len(top) == 2:
            if state is not start:
                found.append(top)
            if state.manager is not manager:
                manager = state.manager
                steps = <tuple?>manager.mapper.cascade_steps(operation)
            for number in range(len(steps) - 1, -1, -1):
                stack.append((state, top[1], steps[number]))
            continue
        step = <Step?>top[2]
        reached = walking.reached(state, top[1], step)
        for number in range(len(reached) - 1, -1, -1):
            stack.append(reached[number])
    return found
