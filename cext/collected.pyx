# cython: optimize.use_switch=False, nonecheck=True
"""Attributes that hold a collection of objects, compiled; ``session/_py/collected.py`` explains them."""

from cpython.dict cimport PyDict_Contains

from session._cy.attributes cimport AttributeImpl, related_state
from session._cy.listening cimport tell_of_arrival, tell_of_leaving
from session._cy.state cimport InstanceState

from session._cy.attributes import UNTOUCHED
from session.constants import (
    INCLUDE_PENDING_MUTATIONS as _INCLUDE_PENDING_MUTATIONS,
    INSTANCE_STATE as _INSTANCE_STATE,
    NO_VALUE as _NO_VALUE,
    PASSIVE_NO_RESULT as _PASSIVE_NO_RESULT,
    PASSIVE_OFF as _PASSIVE_OFF,
    PASSIVE_ONLY_PERSISTENT,
)
from session.history import HISTORY_BLANK, History

cdef long INCLUDE_PENDING_MUTATIONS = _INCLUDE_PENDING_MUTATIONS
cdef str INSTANCE_STATE = _INSTANCE_STATE
cdef object NO_VALUE = _NO_VALUE
cdef object PASSIVE_NO_RESULT = _PASSIVE_NO_RESULT
cdef object PASSIVE_OFF = _PASSIVE_OFF

__all__ = [
    "CollectionAttribute",
    "PendingCollection",
]


cdef class PendingCollection:
    """Changes to a collection that is not loaded: applied when it is, or read by a flush."""

    def __init__(self):
        self.added = {}
        self.deleted = {}

    @property
    def added_items(self):
        """The objects that were added, in their order."""
        return list(self.added.values())

    @property
    def deleted_items(self):
        """The objects that were removed, in their order."""
        return list(self.deleted.values())

    def append(self, value):
        if self.deleted.pop(id(value), None) is None:
            self.added[id(value)] = value

    def remove(self, value):
        if self.added.pop(id(value), None) is None:
            self.deleted[id(value)] = value


cdef class CollectionAttribute(AttributeImpl):
    """A collection of objects.

    :param factory: makes an empty collection.
    :param adapt: ``adapt(impl, state, collection)`` ties a collection to its owner and gives its
        adapter; the collections module supplies it.
    :param duplicates: the collection may hold an object twice (a list).
    """

    collection = True
    uses_objects = True

    def __init__(self, class_, key, manager, dispatch, factory, adapt, **options):
        super().__init__(class_, key, manager, dispatch, **options)
        self.factory = factory
        self.duplicates = False
        self.adapt = adapt

    # -- the collection itself ---------------------------------------------------------------

    def get_collection(self, state, dict_, collection=None, passive=PASSIVE_OFF):
        """Give the collection's adapter, or ``PASSIVE_NO_RESULT`` if it is not to be had."""
        if collection is None:
            collection = self.get(state, dict_, passive)
            if collection is PASSIVE_NO_RESULT or collection is NO_VALUE:
                return collection
        return collection._sa_adapter

    cpdef empty_value(self, state, dict_):
        """Give an empty collection; it becomes the object's own at its first change."""
        empty = state.extra("empty", dict)
        key = self.key
        if key in empty:
            return empty[key]
        adapter, collection = self.new_collection(state)
        adapter.empty = True
        empty[key] = collection
        return collection

    def initialize(self, state, dict_):
        return self.empty_value(state, dict_)

    def new_collection(self, state, collection=None):
        if collection is None:
            collection = self.factory()
        adapter = self.adapt(self, state, collection)
        for fn in self.on_init_collection.now():
            fn(state, collection, adapter)
        return adapter, collection

    def dispose_collection(self, state, collection):
        adapter = collection._sa_adapter
        for fn in self.on_dispose_collection.now():
            fn(state, collection, adapter)
        collection._sa_adapter = None

    def copy(self, collection):
        return list(collection._sa_adapter)

    # -- events ------------------------------------------------------------------------------

    cpdef fire_append_event(self, state, dict_, value, initiator, key=None):
        cdef InstanceState of = <InstanceState?>state
        if self.listened:
            token = self.append_token if initiator is None else initiator
            value = tell_of_arrival(self.on_append, of, value, token, key)
        if self.send_modified:
            self.will_change(of, <dict?>dict_)
        if self.trackparent and value is not None:
            self.sethasparent(related_state(self, value), of, True)
        return value

    cpdef fire_append_wo_mutation_event(self, state, dict_, value, initiator, key=None):
        token = self.append_token if initiator is None else initiator
        return tell_of_arrival(self.on_append_again, <InstanceState?>state, value, token, key)

    cpdef fire_pre_remove_event(self, state, dict_, initiator, key=None):
        """A removal begins whose value is not known yet: keep the old collection first."""
        if self.send_modified:
            self.will_change(<InstanceState?>state, <dict?>dict_)

    cpdef fire_remove_event(self, state, dict_, value, initiator, key=None):
        cdef InstanceState of = <InstanceState?>state
        if self.trackparent and value is not None:
            self.sethasparent(related_state(self, value), of, False)
        if self.listened:
            token = self.remove_token if initiator is None else initiator
            tell_of_leaving(self.on_remove, of, value, token, key)
        if self.send_modified:
            self.will_change(of, <dict?>dict_)

    cdef int will_change(self, InstanceState state, dict dict_) except -1:
        """Keep a copy of the collection as it was, at its first change since the last flush or load."""
        cdef dict committed = state.committed
        if committed is None or not PyDict_Contains(committed, self.key):
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)
        elif not state.modified or (state._strong_obj is None and state.home is not None):
            state.mark_modified(self.key)
        return 0

    def state_of(self, value):
        return related_state(self, value)

    # -- changes -----------------------------------------------------------------------------

    cpdef append(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        adapter = self.get_collection(state, dict_, None, passive)
        if adapter is PASSIVE_NO_RESULT or adapter is NO_VALUE:
            value = self.fire_append_event(state, dict_, value, initiator)
            self.queue(state).append(value)
        else:
            adapter.append_with_event(value, initiator)

    cpdef remove(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        adapter = self.get_collection(state, dict_, None, passive)
        if adapter is PASSIVE_NO_RESULT or adapter is NO_VALUE:
            self.fire_remove_event(state, dict_, value, initiator)
            self.queue(state).remove(value)
        else:
            adapter.remove_with_event(value, initiator)

    cpdef pop(self, state, dict_, value, initiator, passive=PASSIVE_OFF):
        try:
            self.remove(state, dict_, value, initiator, passive)
        except (ValueError, KeyError, IndexError):
            return

    def queue(self, state):
        pending = state.extra("pending", dict)
        try:
            return pending[self.key]
        except KeyError:
            made = pending[self.key] = PendingCollection()
            return made

    def set(self, state, dict_, value, initiator=None, passive=PASSIVE_OFF, check_old=None, pop=False, adapt_value=True):
        """Put another collection in place of the present one: a bulk replacement."""
        adapter, collection = self.new_collection(state, self.factory())
        items = adapter.incoming(value, adapt_value)
        token = self.bulk_replace_token
        if self.on_bulk_replace:
            items = list(items) if adapter.keys_of(value) is None else items
            for fn in self.on_bulk_replace.now():
                fn(state, items, token, keys=adapter.keys_of(value))
        old = self.get(state, dict_, PASSIVE_ONLY_PERSISTENT)
        if old is PASSIVE_NO_RESULT:
            old = self.empty_value(state, dict_)
        elif old is value:
            return
        if old is NO_VALUE:
            old = self.empty_value(state, dict_)
        if self.send_modified:
            state.modified_event(dict_, self.key, old, self.copy)
        old_adapter = old._sa_adapter
        dict_[self.key] = collection
        adapter.replace_from(items, old_adapter, token, self.keys_for(value, adapter))
        self.forget_empty(state)
        self.dispose_collection(state, old)

    def keys_for(self, value, adapter):
        return adapter.keys_of(value)

    def forget_empty(self, state):
        extras = state.extras
        if extras is not None:
            empty = extras.get("empty")
            if empty:
                empty.pop(self.key, None)

    def delete(self, state, dict_):
        if self.key not in dict_:
            return
        collection = dict_[self.key]
        adapter = collection._sa_adapter
        if self.send_modified:
            state.modified_event(dict_, self.key, NO_VALUE, self.copy)
        adapter.clear_with_event()
        dict_.pop(self.key, None)
        self.dispose_collection(state, collection)

    def set_committed_value(self, state, dict_, value):
        """Store loaded objects as the collection; queued changes are applied on top of them."""
        adapter, collection = self.new_collection(state)
        if value:
            adapter.append_multiple_without_event(value)
        dict_[self.key] = collection
        self.forget_empty(state)
        extras = state.extras
        queued = extras.get("pending") if extras is not None else None
        if not queued or self.key not in queued:
            state.commit(dict_, (self.key,))
            return collection
        changes = queued.pop(self.key)
        state.commit(dict_, (self.key,))
        added, deleted = changes.added, changes.deleted
        if added or deleted:
            state.modified_event(dict_, self.key, collection, self.copy)
            loaded = {id(item) for item in adapter} if deleted else ()
            for item in added.values():
                adapter.append_without_event(item)
            for item_id, item in deleted.items():
                if item_id in loaded:
                    adapter.remove_without_event(item)
        return collection

    # -- history -----------------------------------------------------------------------------

    def get_history(self, state, dict_, passive=PASSIVE_OFF):
        current = self.get(state, dict_, passive)
        if current is PASSIVE_NO_RESULT or current is NO_VALUE:
            if passive & INCLUDE_PENDING_MUTATIONS:
                pending = state.peek("pending")
                if pending and self.key in pending:
                    changes = pending[self.key]
                    return History(changes.added_items, (), changes.deleted_items)
            return HISTORY_BLANK
        adapter = current._sa_adapter
        committed = state.committed
        original = UNTOUCHED if committed is None else committed.get(self.key, UNTOUCHED)
        if original is UNTOUCHED:
            return History((), list(adapter), ())
        if original is NO_VALUE or original is None:
            return History(list(adapter), (), ())
        items = list(adapter)
        before = {id(item) for item in original}
        after = {id(item) for item in items}
        return History(
            [item for item in items if id(item) not in before],
            [item for item in items if id(item) in before],
            [item for item in original if id(item) not in after],
        )

    cpdef get_all_pending(self, state, dict_, passive=0):
        key = self.key
        if key not in dict_:
            return []
        items = list(dict_[key]._sa_adapter)
        committed = state.committed
        if committed is not None and key in committed:
            original = committed[key]
            if original is not NO_VALUE and original is not None:
                after = {id(item) for item in items}
                items += [item for item in original if id(item) not in after]
        return [(None if o is None else o.__dict__[INSTANCE_STATE], o) for o in items]
