# cython: nonecheck=True
"""The listeners of attribute events, compiled; ``session/_py/listening.py`` explains them.

Listeners of our own are :class:`Follower` objects (``followers.pyx``), which are called without a Python call.
"""

from session._cy.state cimport InstanceState

__all__ = ["Listeners"]


cdef class Listeners:
    """The listeners of one event of one attribute, in their order.

    A tuple of them is kept, and made anew once their number changes; who adds a listener makes a new object
    of this class.

    :param collection: the event's collection of listeners in the attribute's dispatch, or any sequence.
    """

    def __init__(self, collection):
        self.own = getattr(collection, "listeners", collection)
        self.inherited = getattr(collection, "parent_listeners", ())
        self.known = tuple(self.own)

    def __bool__(self):
        return bool(self.own or self.inherited)

    cpdef tuple now(self):
        """Give the listeners as they are now."""
        if len(self.inherited):
            return (*self.inherited, *self.own)
        if len(self.own) != len(self.known):
            self.known = tuple(self.own)
        return self.known


cdef class Follower:
    """A listener of our own: what is to happen by itself when an attribute changes."""

    cdef follow(self, InstanceState state, value, previous, token):
        """Do it; give the value that the attribute takes."""
        raise NotImplementedError


cdef tell_of_change(Listeners listeners, InstanceState state, value, previous, token):
    """Tell the listeners of ``set``; give the value that they leave."""
    for listener in listeners.now():
        if isinstance(listener, Follower):
            value = (<Follower>listener).follow(state, value, previous, token)
        else:
            value = listener(state, value, previous, token)
    return value


cdef tell_of_arrival(Listeners listeners, InstanceState state, value, token, key):
    """Tell the listeners of ``append`` and ``append_wo_mutation``; give the value that they leave."""
    for listener in listeners.now():
        if isinstance(listener, Follower):
            value = (<Follower>listener).follow(state, value, None, token)
        else:
            value = listener(state, value, token, key=key)
    return value


cdef int tell_of_leaving(Listeners listeners, InstanceState state, value, token, key) except -1:
    """Tell the listeners of ``remove`` on a collection."""
    for listener in listeners.now():
        if isinstance(listener, Follower):
            (<Follower>listener).follow(state, value, None, token)
        else:
            listener(state, value, token, key=key)
    return 0
