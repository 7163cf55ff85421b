# cython: nonecheck=True, auto_pickle=False
"""What ties a collection to the object that owns it, compiled; ``session/_py/adapters.py`` explains it."""

from collections.abc import Mapping
from weakref import ref

from session._cy.collected cimport CollectionAttribute
from session._cy.state cimport InstanceState, instance_dict, live_object, session_referent

from sqlalchemy.util import warn

from session.constants import NO_VALUE as _NO_VALUE

cdef object NO_VALUE = _NO_VALUE

__all__ = ["CollectionAdapter"]

cdef enum:
    LONG = 100


cdef class CollectionAdapter:
    """Ties one collection to the object that owns it.

    :param impl: the attribute's implementation.
    :param owner_state: state of the owning object.
    :param data: the collection; held weakly, since it holds the adapter.
    """

    def __init__(self, impl, owner_state, data):
        self.impl = impl
        self.owner_state = owner_state
        self._data = ref(data)
        self.invalidated = False
        self.empty = False
        self.distinct = False
        self.taken_out = False

    @property
    def data(self):
        """The collection itself."""
        return self.collection()

    @property
    def attr(self):
        return self.impl

    @property
    def _key(self):
        return self.impl.key

    @property
    def owner(self):
        return self.owner_state()

    @property
    def _referenced_by_owner(self):
        """Whether the collection is the owner's now; ``sqlalchemy.ext.orderinglist`` asks."""
        owner = self.owner_state()
        return owner is not None and owner.__dict__.get(self.impl.key) is self.collection()

    def _role(self, name):
        data = self.collection()
        return getattr(data, type(data)._session_roles[name])

    # -- the collection's content ------------------------------------------------------------

    def __iter__(self):
        data = self.collection()
        if type(data)._session_kind is list and isinstance(data, list):
            return list.__iter__(data)
        return iter(self._role("iterator")())

    def __len__(self):
        data = self.collection()
        return len(data) if isinstance(data, (list, set, dict)) else sum(1 for _ in self)

    def __bool__(self):
        return True

    def append_with_event(self, item, initiator=None):
        self._role("appender")(item, _sa_initiator=initiator)

    def append_without_event(self, item):
        self._role("appender")(item, _sa_initiator=False)

    def append_multiple_without_event(self, items):
        data = self.collection()
        fill = type(data)._session_fill
        if fill is not None:
            self.distinct = False
            fill(data, items)
            return
        append = self._role("appender")
        for item in items:
            append(item, _sa_initiator=False)

    def remove_with_event(self, item, initiator=None):
        self._role("remover")(item, _sa_initiator=initiator)

    def remove_without_event(self, item):
        self._role("remover")(item, _sa_initiator=False)

    def clear_with_event(self, initiator=None):
        remove = self._role("remover")
        for item in list(self):
            remove(item, _sa_initiator=initiator)

    def clear_without_event(self):
        remove = self._role("remover")
        for item in list(self):
            remove(item, _sa_initiator=False)

    cpdef bint holds_twice(self, item) except -1:
        """Tell whether an object is in the collection more than once."""
        cdef list items
        cdef Py_ssize_t times = self.taken_out
        if self.distinct:
            return False
        items = list(self)
        for other in items:
            times += other is item
        if times > 1 and self.gone:
            for other in self.gone:
                times -= other is item
        if times > 1:
            return True
        if len(items) >= LONG:
            self.distinct = len({id(other) for other in items}) == len(items)
        return False

    # -- replacing all of it -----------------------------------------------------------------

    def incoming(self, value, adapt=True):
        """Check a value assigned to the attribute and give the objects in it.

        :raises TypeError: the value is not of the collection's kind.
        """
        data = self.collection()
        cls = type(data)
        if not adapt:
            return list(value)
        if "converter" in cls._session_roles:
            return list(getattr(data, cls._session_roles["converter"])(value))
        kind = cls._session_kind
        if kind is dict:
            if not isinstance(value, Mapping):
                raise self._wrong_kind(value, "dictionary")
            return list(value.values())
        if kind is list:
            if not isinstance(value, (list, tuple)) and not _is_kind(value, list):
                raise self._wrong_kind(value, "list")
            return list(value)
        if kind is set:
            if not isinstance(value, (set, frozenset)) and not _is_kind(value, set):
                raise self._wrong_kind(value, "set")
            return list(value)
        try:
            return list(collection_iterator(value))
        except TypeError:
            raise self._wrong_kind(value, cls.__name__) from None

    def _wrong_kind(self, value, kind):
        impl = self.impl
        return TypeError(
            f"Incompatible collection type: {type(value).__name__} can't be assigned to "
            f"{impl.class_.__name__}.{impl.key}, which is a {kind} collection."
        )

    def keys_of(self, value):
        """Give the keys that go with the objects of an assigned dictionary; ``None`` for others."""
        if type(self.collection())._session_kind is dict and isinstance(value, Mapping):
            return list(value.keys())
        return None

    def replace_from(self, items, old, token, keys):
        """Fill this new collection in place of an old one: events for what came and what left."""
        before = {id(item): item for item in old}
        coming = {id(item) for item in items}
        staying = dict.fromkeys([item_id for item_id in before if item_id in coming])
        append = self._role("appender")
        if keys is not None and self._keyed_by_hand():
            data = self.collection()
            for key, item in zip(keys, items):
                silent = id(item) in staying
                data.__setitem__(key, item, _sa_initiator=False if silent else token)
        else:
            for item in items:
                append(item, _sa_initiator=False if id(item) in staying else token)
        for item_id in staying:
            old.fire_append_wo_mutation_event(before[item_id], token)
        for item_id, item in before.items():
            if item_id not in staying:
                old.fire_remove_event(item, token)

    def _keyed_by_hand(self):
        return not hasattr(self.collection(), "keyfunc")

    # -- events ------------------------------------------------------------------------------

    def fire_append_event(self, item, initiator=None, key=None):
        return self.came(item, initiator, key)

    def fire_append_wo_mutation_event(self, item, initiator=None, key=None):
        return self.came_again(item, initiator, key)

    def fire_remove_event(self, item, initiator=None, key=None):
        self.goes(item, initiator, key)

    def fire_pre_remove_event(self, initiator=None, key=None):
        self.will_go(initiator, key)

    cdef came(self, item, initiator, key):
        self.distinct = False
        if initiator is False:
            return item
        cdef dict dict_ = self.before_event()
        impl = self.impl
        if type(impl) is CollectionAttribute:
            return (<CollectionAttribute>impl).fire_append_event(self.owner_state, dict_, item, initiator, key)
        return impl.fire_append_event(self.owner_state, dict_, item, initiator, key)

    cdef came_again(self, item, initiator, key):
        self.distinct = False
        if initiator is False:
            return item
        cdef dict dict_ = self.before_event()
        return self.impl.fire_append_wo_mutation_event(self.owner_state, dict_, item, initiator, key)

    cdef goes(self, item, initiator, key):
        if initiator is False:
            return
        cdef dict dict_ = self.before_event()
        self.impl.fire_remove_event(self.owner_state, dict_, item, initiator, key)

    cdef will_go(self, initiator, key):
        if initiator is False:
            return
        if self.invalidated:
            warn_stale_collection(self)
        self.impl.fire_pre_remove_event(self.owner_state, values_of(self.owner_state), initiator, key)

    cdef dict before_event(self):
        """Give the owner's dictionary; an empty collection given out by a read becomes its own there."""
        if self.invalidated:
            warn_stale_collection(self)
        cdef dict dict_ = values_of(self.owner_state)
        if self.empty:
            self.become_owned(dict_)
        return dict_

    cdef become_owned(self, dict dict_):
        impl = self.impl
        state = self.owner_state
        key = impl.key
        if impl.send_modified:
            state.modified_event(dict_, key, NO_VALUE, impl.copy)
        data = self.collection()
        self.empty = False
        if key not in dict_:
            dict_[key] = data
        empty = state.peek("empty")
        if empty:
            empty.pop(key, None)

    cdef collection(self):
        reference = self._data
        return session_referent(reference) if type(reference) is ref else reference()


cdef dict values_of(state):
    """Give the dictionary of the object of a state; an empty one once it is gone."""
    if not isinstance(state, InstanceState):
        return state.dict
    obj = live_object(<InstanceState>state)
    return {} if obj is None else instance_dict(obj)


def collection_iterator(value):
    """Give the objects of a collection of any prepared class."""
    roles = getattr(type(value), "_session_roles", None)
    items = iter(value) if roles is None else getattr(value, roles["iterator"])()
    return items


def _is_kind(value, kind):
    return getattr(type(value), "_session_kind", None) is kind or getattr(
        type(value), "__emulates__", None
    ) is kind


def warn_stale_collection(adapter):
    """Warn that a collection changes whose object has loaded, or will load, another one."""
    warn(
        f"This collection of {adapter.impl.class_.__name__}.{adapter.impl.key} has been invalidated: "
        "its object was expired or refreshed; changes to it are lost."
    )
