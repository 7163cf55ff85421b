# cython: binding=True
"""The mutating methods of list, set and dictionary, wrapped; ``session/_py/mutators.py`` explains it."""

from itertools import repeat

from session._cy.adapters cimport CollectionAdapter

__all__ = ["WRAPPERS"]


cdef came(collection, item, initiator, key):
    adapter = collection._sa_adapter
    if adapter is None:
        return item
    if isinstance(adapter, CollectionAdapter):
        return (<CollectionAdapter>adapter).came(item, initiator, key)
    return adapter.fire_append_event(item, initiator, key)


cdef int came_again(collection, item, initiator, key) except -1:
    adapter = collection._sa_adapter
    if adapter is not None:
        adapter.fire_append_wo_mutation_event(item, initiator, key)
    return 0


cdef int goes(collection, item, initiator, key) except -1:
    adapter = collection._sa_adapter
    if adapter is not None and initiator is not False:
        adapter.fire_remove_event(item, initiator, key)
    return 0


cdef int will_go(collection, initiator) except -1:
    adapter = collection._sa_adapter
    if adapter is not None and initiator is not False:
        adapter.fire_pre_remove_event(initiator)
    return 0


def all_go(collection, items, keys):
    """Tell of objects that go together, one after the other, while all of them are still there."""
    adapter = collection._sa_adapter
    if adapter is None:
        return
    gone = []
    adapter.gone = gone
    try:
        for item, key in zip(items, keys):
            goes(collection, item, None, key)
            gone.append(item)
    finally:
        adapter.gone = None


# -- lists -----------------------------------------------------------------------------------


def _list_append(fn):
    def append(self, item, _sa_initiator=None):
        fn(self, came(self, item, _sa_initiator, None))

    return append


def _list_remove(fn):
    def remove(self, item, _sa_initiator=None):
        if item in self:
            goes(self, item, _sa_initiator, None)
        fn(self, item)

    return remove


def _list_insert(fn):
    def insert(self, index, item):
        fn(self, index, came(self, item, None, index))

    return insert


def _list_setitem(fn):
    def __setitem__(self, index, value):
        if not isinstance(index, slice):
            goes(self, self[index], None, index)
            fn(self, index, came(self, value, None, index))
            return
        items = list(value)
        leaving = self[index]
        if index.step not in (None, 1) and len(items) != len(leaving):
            raise ValueError(
                f"attempt to assign sequence of size {len(items)} to extended slice of size {len(leaving)}"
            )
        start, _, step = index.indices(len(self))
        together = step == 1  # what was at these places makes room, and others come from the first place on
        if fn is not list.__setitem__:  # a class's own is asked for one place at a time
            set_each(self, start, step, len(leaving), items)
            return
        all_go(self, leaving, [start if together else start + number * step for number in range(len(leaving))])
        fn(self, index, [came(self, item, None, start + number * step) for number, item in enumerate(items)])

    return __setitem__


cdef set_each(self, start, step, leaving, list items):
    """Assign to a slice of a list whose class has a ``__setitem__`` of its own, by its other methods.

    :param leaving: how many objects stand in the slice.
    """
    if step != 1:
        for number, item in enumerate(items):
            self[start + number * step] = item
        return
    for _ in range(leaving):
        del self[start]
    for number, item in enumerate(items):
        self.insert(start + number, item)


def _list_delitem(fn):
    def __delitem__(self, index):
        if isinstance(index, slice):
            all_go(self, self[index], repeat(index))
        else:
            goes(self, self[index], None, index)
        fn(self, index)

    return __delitem__


def _list_extend(fn):
    def extend(self, items):
        for item in list(items):
            self.append(item)

    return extend


def _list_iadd(fn):
    def __iadd__(self, items):
        for item in list(items):
            self.append(item)
        return self

    return __iadd__


def _list_pop(fn):
    def pop(self, index=-1):
        will_go(self, None)
        item = fn(self, index)
        adapter = self._sa_adapter
        if adapter is None:
            return item
        adapter.taken_out = True  # the event comes late
        try:
            goes(self, item, None, index)
        finally:
            adapter.taken_out = False
        return item

    return pop


def _list_clear(fn):
    def clear(self):
        items = list(self)
        all_go(self, items, range(len(items)))
        fn(self)

    return clear


# -- sets ------------------------------------------------------------------------------------


def _set_add(fn):
    def add(self, item, _sa_initiator=None):
        if item in self:
            came_again(self, item, _sa_initiator, None)
        else:
            item = came(self, item, _sa_initiator, None)
        fn(self, item)

    return add


def _set_discard(fn):
    def discard(self, item, _sa_initiator=None):
        if item in self:
            goes(self, item, _sa_initiator, None)
        fn(self, item)

    return discard


def _set_pop(fn):
    def pop(self):
        will_go(self, None)
        item = fn(self)
        goes(self, item, None, None)
        return item

    return pop


def _set_clear(fn):
    def clear(self):
        for item in list(self):
            self.remove(item)

    return clear


def _set_update(fn):
    def update(self, *others):
        for other in others:
            for item in list(other):
                self.add(item)

    return update


def _set_difference_update(fn):
    def difference_update(self, *others):
        for other in others:
            for item in list(other):
                self.discard(item)

    return difference_update


def _keep_only(self, wanted):
    for item in [item for item in self if item not in wanted]:
        self.remove(item)


def _set_intersection_update(fn):
    def intersection_update(self, *others):
        _keep_only(self, set(self).intersection(*others))

    return intersection_update


def _toggle(self, other):
    wanted = set(self).symmetric_difference(other)
    present = set(self)
    _keep_only(self, wanted)
    for item in wanted.difference(present):
        self.add(item)


def _set_symmetric_difference_update(fn):
    def symmetric_difference_update(self, other):
        _toggle(self, other)

    return symmetric_difference_update


def _is_set(value):
    return isinstance(value, (set, frozenset)) or getattr(type(value), "__emulates__", None) is set


def _in_place(apply):
    def wrapper(fn):
        def operator(self, other):
            if not _is_set(other):
                return NotImplemented
            apply(self, other)
            return self

        return operator

    return wrapper


def _add_each(self, other):
    for item in list(other):
        self.add(item)


def _discard_each(self, other):
    for item in list(other):
        self.discard(item)


def _keep_common(self, other):
    _keep_only(self, set(self).intersection(other))


# -- dictionaries ----------------------------------------------------------------------------

_NOTHING = object()


def _dict_setitem(fn):
    def __setitem__(self, key, value, _sa_initiator=None):
        if key in self:
            goes(self, self[key], _sa_initiator, key)
        fn(self, key, came(self, value, _sa_initiator, key))

    return __setitem__


def _dict_delitem(fn):
    def __delitem__(self, key, _sa_initiator=None):
        if key in self:
            goes(self, self[key], _sa_initiator, key)
        fn(self, key)

    return __delitem__


def _dict_clear(fn):
    def clear(self):
        for key in list(self):
            goes(self, self[key], None, key)
        fn(self)

    return clear


def _dict_pop(fn):
    def pop(self, key, default=_NOTHING):
        present = key in self
        will_go(self, None)
        item = fn(self, key) if default is _NOTHING else fn(self, key, default)
        if present:
            goes(self, item, None, key)
        return item

    return pop


def _dict_popitem(fn):
    def popitem(self):
        will_go(self, None)
        pair = fn(self)
        goes(self, pair[1], None, pair[0])
        return pair

    return popitem


def _dict_setdefault(fn):
    def setdefault(self, key, default=None):
        if key not in self:
            self.__setitem__(key, default)
            return default
        value = self[key]
        if value is default:
            came_again(self, value, None, key)
        return value

    return setdefault


def _dict_update(fn):
    def update(self, /, *others, **named):
        for key, value in dict(*others, **named).items():
            if key not in self or self[key] is not value:
                self[key] = value
            else:
                came_again(self, value, None, key)

    return update


def _dict_ior(fn):
    def __ior__(self, other):
        self.update(other)
        return self

    return __ior__


WRAPPERS = {
    list: {
        "append": _list_append,
        "remove": _list_remove,
        "insert": _list_insert,
        "__setitem__": _list_setitem,
        "__delitem__": _list_delitem,
        "extend": _list_extend,
        "__iadd__": _list_iadd,
        "pop": _list_pop,
        "clear": _list_clear,
    },
    set: {
        "add": _set_add,
        "discard": _set_discard,
        "remove": _set_discard,
        "pop": _set_pop,
        "clear": _set_clear,
        "update": _set_update,
        "__ior__": _in_place(_add_each),
        "difference_update": _set_difference_update,
        "__isub__": _in_place(_discard_each),
        "intersection_update": _set_intersection_update,
        "__iand__": _in_place(_keep_common),
        "symmetric_difference_update": _set_symmetric_difference_update,
        "__ixor__": _in_place(_toggle),
    },
    dict: {
        "__setitem__": _dict_setitem,
        "__delitem__": _dict_delitem,
        "clear": _dict_clear,
        "pop": _dict_pop,
        "popitem": _dict_popitem,
        "setdefault": _dict_setdefault,
        "update": _dict_update,
        "__ior__": _dict_ior,
    },
}
