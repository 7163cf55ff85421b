# cython: nonecheck=True
"""What follows a change of a relationship by itself, compiled; ``session/_py/followers.py`` explains it.

The listeners are objects here, which the attribute implementations call without a Python call.
"""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject

from session._cy.attributes cimport AttributeEventToken, AttributeImpl, is_object, known_state, related_state
from session._cy.collected cimport CollectionAttribute
from session._cy.descriptors cimport AttributeDescriptor
from session._cy.listening cimport Follower
from session._cy.references cimport ObjectAttribute
from session._cy.state cimport InstanceState, instance_dict, live_object

from sqlalchemy.exc import ArgumentError

from session._cy.attributes import OP_APPEND, OP_BULK_REPLACE, OP_REMOVE, OP_REPLACE
from session.constants import PASSIVE_NO_FETCH as _PASSIVE_NO_FETCH

cdef object PASSIVE_NO_FETCH = _PASSIVE_NO_FETCH
cdef object REMOVING = OP_REMOVE
cdef tuple ADDING = (OP_APPEND, OP_REPLACE, OP_BULK_REPLACE)
cdef tuple LEAVING = (OP_REMOVE, OP_REPLACE, OP_BULK_REPLACE)

__all__ = ["backref_followers", "cascade_followers"]


# -- the other side --------------------------------------------------------------------------------


def backref_followers(key, reverse_key, uselist):
    """Make the listeners by which changes of an attribute change the reverse attribute of the related objects.

    :param key: name of the attribute.
    :param reverse_key: name of the attribute on the related class.
    :param uselist: the attribute itself is a collection.
    :return: listeners of ``append``, ``set`` and ``remove``.
    :raises ArgumentError: later, when an object comes whose reverse attribute is no relationship.
    """
    return (
        BackrefAppend(key, reverse_key, uselist),
        BackrefSet(key, reverse_key, uselist),
        BackrefRemove(key, reverse_key, uselist),
    )


cdef class Backref(Follower):
    cdef object key
    cdef object reverse_key
    cdef bint uselist

    def __init__(self, key, reverse_key, uselist):
        self.key = key
        self.reverse_key = reverse_key
        self.uselist = uselist

    cdef own(self, InstanceState state):
        return state.manager[self.key].impl

    cdef reverse_of(self, InstanceState state, child, InstanceState child_state):
        """Give the implementation of the reverse attribute of a related object."""
        manager = child_state.manager
        cdef PyObject *found = NULL
        if isinstance(manager, dict):
            found = PyDict_GetItemWithError(manager, self.reverse_key)
        if found is not NULL:
            attribute = <object>found
            impl = (<AttributeDescriptor>attribute).impl if isinstance(attribute, AttributeDescriptor) else attribute.impl
            if type(impl) is ObjectAttribute or type(impl) is CollectionAttribute or (
                impl is not None and impl.uses_objects
            ):
                return impl
        own = self.own(state)
        raise ArgumentError(
            f"{type(child).__name__} object can't be related by {own}: its attribute "
            f"{self.reverse_key!r} is not a relationship back to {own.class_.__name__}."
        )

    cdef link(self, InstanceState state, child, initiator):
        cdef InstanceState child_state = self.state_of(state, child)
        impl = self.reverse_of(state, child, child_state)
        if comes_from(initiator, impl, ADDING):
            return
        obj = live_object(state)
        if isinstance(impl, AttributeImpl):
            (<AttributeImpl>impl).append(child_state, instance_dict(child), obj, initiator, PASSIVE_NO_FETCH)
        else:
            impl.append(child_state, instance_dict(child), obj, initiator, PASSIVE_NO_FETCH)

    cdef unlink(self, InstanceState state, child, initiator, passed_on):
        cdef InstanceState child_state = self.state_of(state, child)
        impl = self.reverse_of(state, child, child_state)
        if comes_from(initiator, impl, (REMOVING,) if impl.collection else LEAVING):
            return
        impl.pop(child_state, instance_dict(child), live_object(state), passed_on, PASSIVE_NO_FETCH)

    cdef InstanceState state_of(self, InstanceState state, child):
        found = known_state(child)
        return related_state(self.own(state), child) if found is None else found


cdef bint stands_twice(impl, InstanceState state, child) except -1:
    """A list may hold an object twice; it stays related while one of the two is left."""
    if not impl.duplicates:
        return False
    collection = state.dict.get(impl.key)
    return collection is not None and bool(collection._sa_adapter.holds_twice(child))


cdef bint comes_from(initiator, impl, tuple operations) except -1:
    """True if a chain of changes began at an attribute, by one of some operations."""
    cdef AttributeEventToken token
    if type(initiator) is AttributeEventToken and isinstance(impl, AttributeImpl):
        token = <AttributeEventToken>initiator
        return token.parent_token is (<AttributeImpl>impl).parent_token and token.op in operations
    return initiator.parent_token is impl.parent_token and initiator.op in operations


cdef class BackrefAppend(Backref):
    cdef follow(self, InstanceState state, child, previous, initiator):
        if child is not None:
            self.link(state, child, initiator)
        return child

    def __call__(self, InstanceState state not None, child, initiator, *, key=None):
        return self.follow(state, child, None, initiator)


cdef class BackrefSet(Backref):
    cdef follow(self, InstanceState state, child, previous, initiator):
        if previous is child:
            return child
        if is_object(previous):
            # the removal from the old parent is a chain of its own, which ends at this attribute
            self.unlink(state, previous, initiator, self.own(state).replace_token)
        if child is not None:
            self.link(state, child, initiator)
        return child

    def __call__(self, InstanceState state not None, child, previous, initiator):
        return self.follow(state, child, previous, initiator)


cdef class BackrefRemove(Backref):
    cdef follow(self, InstanceState state, child, previous, initiator):
        if not is_object(child):
            return child
        if not self.uselist:
            self.unlink(state, child, initiator, initiator)
        elif stands_twice(self.own(state), state, child):
            self.thin_out(state, child, initiator)
        else:
            self.unlink_all(state, child, initiator)
        return child

    cdef unlink_all(self, InstanceState state, child, initiator):
        """The object is gone, so it goes from the other side however often it stands there."""
        cdef InstanceState child_state = self.state_of(state, child)
        impl = self.reverse_of(state, child, child_state)
        cdef Py_ssize_t before
        if impl.collection:
            while stands_twice(impl, child_state, live_object(state)):
                before = len(child_state.dict[self.reverse_key])
                self.unlink(state, child, initiator, initiator)
                if len(child_state.dict[self.reverse_key]) == before:
                    return
            self.forget_queued(state, child, child_state)
        self.unlink(state, child, initiator, initiator)

    cdef thin_out(self, InstanceState state, child, initiator):
        """One of several is gone: one goes from the other side too, which keeps the last."""
        cdef InstanceState child_state = self.state_of(state, child)
        impl = self.reverse_of(state, child, child_state)
        if not impl.collection:
            return
        if self.reverse_key not in child_state.dict:
            self.forget_queued(state, child, child_state)
        elif stands_twice(impl, child_state, live_object(state)):
            self.unlink(state, child, initiator, initiator)

    cdef forget_queued(self, InstanceState state, child, InstanceState child_state):
        """What waits for a collection that is not loaded is in it already, if the row is there."""
        queued = (child_state.peek("pending") or {}).get(self.reverse_key)
        if queued is None:
            return
        added = queued.added
        before = (state.committed or {}).get(self.key)
        number = id(live_object(state))
        if number not in added or not isinstance(before, list):
            return
        for item in before:
            if item is child:
                del added[number]
                return

    def __call__(self, InstanceState state not None, child, initiator, *, key=None):
        return self.follow(state, child, None, initiator)


# -- the way into the Session ----------------------------------------------------------------------


def cascade_followers(key, uselist, saves, keeps_no_orphans, state_of, part):
    """Make the listeners by which objects follow their parent into its Session, and leave it as orphans.

    Only the side on which a change was made brings an object in; the other side of a two-way relationship,
    which follows by itself, does not.

    :param key: name of the attribute.
    :param uselist: it is a collection.
    :param saves: objects that come join the Session of the parent (the ``save-update`` cascade).
    :param keeps_no_orphans: objects that leave may be orphans (``delete-orphan``).
    :param state_of: gives the state of an object, or raises.
    :param part: ``part(session, object, outside)`` sees to a possible orphan.
    :return: listeners of ``append`` (and ``append_wo_mutation``), ``set`` and ``remove``.
    """
    arguments = (key, uselist, saves, keeps_no_orphans, state_of, part)
    return CascadeAppend(*arguments), CascadeSet(*arguments), CascadeRemove(*arguments)


cdef class Cascade(Follower):
    cdef object key
    cdef bint uselist
    cdef bint saves
    cdef bint keeps_no_orphans
    cdef object state_of
    cdef object part

    def __init__(self, key, uselist, saves, keeps_no_orphans, state_of, part):
        self.key = key
        self.uselist = uselist
        self.saves = saves
        self.keeps_no_orphans = keeps_no_orphans
        self.state_of = state_of
        self.part = part

    cdef into_session(self, session, item, initiator):
        if initiator.key == self.key:
            state = self.state_of(item)
            if not session._contains_state(state):
                session._save_or_update_state(state)


cdef class CascadeAppend(Cascade):
    cdef follow(self, InstanceState state, item, previous, initiator):
        home = state.home
        if item is None or home is None:
            return item
        session = home.session()
        if session is not None:
            if session._warn_on_events:
                session._flush_warning("collection append")
            if self.saves:
                self.into_session(session, item, initiator)
        return item

    def __call__(self, InstanceState state not None, item, initiator, *, key=None):
        return self.follow(state, item, None, initiator)


cdef class CascadeSet(Cascade):
    cdef follow(self, InstanceState state, value, previous, initiator):
        home = state.home
        if previous is value or home is None:
            return value
        session = home.session()
        if session is None:
            return value
        if session._warn_on_events:
            session._flush_warning("related attribute set")
        if value is not None and self.saves:
            self.into_session(session, value, initiator)
        if self.keeps_no_orphans and is_object(previous):
            self.part(session, previous, False)
        return value

    def __call__(self, InstanceState state not None, value, previous, initiator):
        return self.follow(state, value, previous, initiator)


cdef class CascadeRemove(Cascade):
    cdef follow(self, InstanceState state, item, previous, initiator):
        if not is_object(item):
            return item
        session = state.session
        if session is not None and session._warn_on_events:
            session._flush_warning("collection remove" if self.uselist else "related attribute delete")
        if self.keeps_no_orphans:
            self.part(session, item, True)
        return item

    def __call__(self, InstanceState state not None, item, initiator, *, key=None):
        return self.follow(state, item, None, initiator)
