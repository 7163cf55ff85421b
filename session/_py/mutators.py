"""The mutating methods of list, set and dictionary, wrapped so that they report what they do.  Pure reference version.

Each wrapper takes the method it replaces, the built-in's own or a subclass's, and gives one that
tells the collection's adapter (``adapters.py``) about every object that comes or goes.  ``_sa_initiator`` says where
a change began; ``False`` means: report nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

__all__ = ["WRAPPERS"]

Method = Callable[..., Any]
Wrapper = Callable[[Method], Method]


def _came(self: Any, item: Any, initiator: Any, key: Any = None) -> Any:
    adapter = self._sa_adapter
    if adapter is None:
        return item
    return adapter.fire_append_event(item, initiator, key)


def _came_again(self: Any, item: Any, initiator: Any, key: Any = None) -> None:
    adapter = self._sa_adapter
    if adapter is not None:
        adapter.fire_append_wo_mutation_event(item, initiator, key)


def _goes(self: Any, item: Any, initiator: Any, key: Any = None) -> None:
    adapter = self._sa_adapter
    if adapter is not None and initiator is not False:
        adapter.fire_remove_event(item, initiator, key)


def _will_go(self: Any, initiator: Any) -> None:
    adapter = self._sa_adapter
    if adapter is not None and initiator is not False:
        adapter.fire_pre_remove_event(initiator)


def _all_go(self: Any, items: Any, keys: Any) -> None:
    """Tell of objects that go together, one after the other, while all of them are still there."""
    adapter = self._sa_adapter
    if adapter is None:
        return
    gone: list[Any] = []
    adapter.gone = gone
    try:
        for item, key in zip(items, keys):
            _goes(self, item, None, key)
            gone.append(item)
    finally:
        adapter.gone = None


# -- lists -----------------------------------------------------------------------------------


def _list_append(fn: Method) -> Method:
    def append(self: Any, item: Any, _sa_initiator: Any = None) -> None:
        adapter = self._sa_adapter
        if adapter is not None:
            item = adapter.fire_append_event(item, _sa_initiator)
        fn(self, item)

    return append


def _list_remove(fn: Method) -> Method:
    def remove(self: Any, item: Any, _sa_initiator: Any = None) -> None:
        if item in self:
            _goes(self, item, _sa_initiator)
        fn(self, item)

    return remove


def _list_insert(fn: Method) -> Method:
    def insert(self: Any, index: int, item: Any) -> None:
        fn(self, index, _came(self, item, None, index))

    return insert


def _list_setitem(fn: Method) -> Method:
    def __setitem__(self: Any, index: Any, value: Any) -> None:
        if not isinstance(index, slice):
            _goes(self, self[index], None, index)
            fn(self, index, _came(self, value, None, index))
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
            _set_each(self, start, step, len(leaving), items)
            return
        _all_go(self, leaving, [start if together else start + number * step for number in range(len(leaving))])
        fn(self, index, [_came(self, item, None, start + number * step) for number, item in enumerate(items)])

    return __setitem__


def _set_each(self: Any, start: int, step: int, leaving: int, items: list[Any]) -> None:
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


def _list_delitem(fn: Method) -> Method:
    def __delitem__(self: Any, index: Any) -> None:
        if isinstance(index, slice):
            _all_go(self, self[index], repeat(index))
        else:
            _goes(self, self[index], None, index)
        fn(self, index)

    return __delitem__


def _list_extend(fn: Method) -> Method:
    def extend(self: Any, items: Any) -> None:
        for item in list(items):
            self.append(item)

    return extend


def _list_iadd(fn: Method) -> Method:
    def __iadd__(self: Any, items: Any) -> Any:
        for item in list(items):
            self.append(item)
        return self

    return __iadd__


def _list_pop(fn: Method) -> Method:
    def pop(self: Any, index: int = -1) -> Any:
        _will_go(self, None)
        item = fn(self, index)
        adapter = self._sa_adapter
        if adapter is None:
            return item
        adapter.taken_out = True  # the event comes late
        try:
            _goes(self, item, None, index)
        finally:
            adapter.taken_out = False
        return item

    return pop


def _list_clear(fn: Method) -> Method:
    def clear(self: Any) -> None:
        items = list(self)
        _all_go(self, items, range(len(items)))
        fn(self)

    return clear


# -- sets ------------------------------------------------------------------------------------


def _set_add(fn: Method) -> Method:
    def add(self: Any, item: Any, _sa_initiator: Any = None) -> None:
        if item in self:
            _came_again(self, item, _sa_initiator)
        else:
            item = _came(self, item, _sa_initiator)
        fn(self, item)

    return add


def _set_discard(fn: Method) -> Method:
    def discard(self: Any, item: Any, _sa_initiator: Any = None) -> None:
        if item in self:
            _goes(self, item, _sa_initiator)
        fn(self, item)

    return discard


def _set_pop(fn: Method) -> Method:
    def pop(self: Any) -> Any:
        _will_go(self, None)
        item = fn(self)
        _goes(self, item, None)
        return item

    return pop


def _set_clear(fn: Method) -> Method:
    def clear(self: Any) -> None:
        for item in list(self):
            self.remove(item)

    return clear


def _set_update(fn: Method) -> Method:
    def update(self: Any, *others: Any) -> None:
        for other in others:
            for item in list(other):
                self.add(item)

    return update


def _set_difference_update(fn: Method) -> Method:
    def difference_update(self: Any, *others: Any) -> None:
        for other in others:
            for item in list(other):
                self.discard(item)

    return difference_update


def _keep_only(self: Any, wanted: set[Any]) -> None:
    for item in [item for item in self if item not in wanted]:
        self.remove(item)


def _set_intersection_update(fn: Method) -> Method:
    def intersection_update(self: Any, *others: Any) -> None:
        _keep_only(self, set(self).intersection(*others))

    return intersection_update


def _toggle(self: Any, other: Any) -> None:
    wanted = set(self).symmetric_difference(other)
    present = set(self)
    _keep_only(self, wanted)
    for item in wanted.difference(present):
        self.add(item)


def _set_symmetric_difference_update(fn: Method) -> Method:
    def symmetric_difference_update(self: Any, other: Any) -> None:
        _toggle(self, other)

    return symmetric_difference_update


def _is_set(value: Any) -> bool:
    return isinstance(value, (set, frozenset)) or getattr(type(value), "__emulates__", None) is set


def _in_place(apply: Callable[[Any, Any], None]) -> Wrapper:
    def wrapper(fn: Method) -> Method:
        def operator(self: Any, other: Any) -> Any:
            if not _is_set(other):
                return NotImplemented
            apply(self, other)
            return self

        return operator

    return wrapper


def _add_each(self: Any, other: Any) -> None:
    for item in list(other):
        self.add(item)


def _discard_each(self: Any, other: Any) -> None:
    for item in list(other):
        self.discard(item)


def _keep_common(self: Any, other: Any) -> None:
    _keep_only(self, set(self).intersection(other))


# -- dictionaries ----------------------------------------------------------------------------

_NOTHING = object()


def _dict_setitem(fn: Method) -> Method:
    def __setitem__(self: Any, key: Any, value: Any, _sa_initiator: Any = None) -> None:
        if key in self:
            _goes(self, self[key], _sa_initiator, key)
        fn(self, key, _came(self, value, _sa_initiator, key))

    return __setitem__


def _dict_delitem(fn: Method) -> Method:
    def __delitem__(self: Any, key: Any, _sa_initiator: Any = None) -> None:
        if key in self:
            _goes(self, self[key], _sa_initiator, key)
        fn(self, key)

    return __delitem__


def _dict_clear(fn: Method) -> Method:
    def clear(self: Any) -> None:
        for key in list(self):
            _goes(self, self[key], None, key)
        fn(self)

    return clear


def _dict_pop(fn: Method) -> Method:
    def pop(self: Any, key: Any, default: Any = _NOTHING) -> Any:
        present = key in self
        _will_go(self, None)
        item = fn(self, key) if default is _NOTHING else fn(self, key, default)
        if present:
            _goes(self, item, None, key)
        return item

    return pop


def _dict_popitem(fn: Method) -> Method:
    def popitem(self: Any) -> Any:
        _will_go(self, None)
        pair = fn(self)
        _goes(self, pair[1], None, pair[0])
        return pair

    return popitem


def _dict_setdefault(fn: Method) -> Method:
    def setdefault(self: Any, key: Any, default: Any = None) -> Any:
        if key not in self:
            self.__setitem__(key, default)
            return default
        value = self[key]
        if value is default:
            _came_again(self, value, None, key)
        return value

    return setdefault


def _dict_update(fn: Method) -> Method:
    def update(self: Any, /, *others: Any, **named: Any) -> None:
        for key, value in dict(*others, **named).items():
            if key not in self or self[key] is not value:
                self[key] = value
            else:
                _came_again(self, value, None, key)

    return update


def _dict_ior(fn: Method) -> Method:
    def __ior__(self: Any, other: Any) -> Any:
        self.update(other)
        return self

    return __ior__


WRAPPERS: dict[Any, dict[str, Wrapper]] = {
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
