# cython: nonecheck=True
"""Many states at once, compiled; ``session/_py/state_loops.py`` is the reference version."""

from session._cy.state cimport InstanceState, instance_dict, live_object

__all__ = ["commit_all_states", "expire_keys", "expire_states"]


def commit_all_states(states):
    """Run ``InstanceState.commit_all`` on many states."""
    cdef InstanceState state
    for state in states:
        obj = live_object(state)
        state.commit_all({} if obj is None else instance_dict(obj))


def expire_states(states):
    """Run ``InstanceState.expire`` on many states."""
    cdef InstanceState state
    for state in states:
        obj = live_object(state)
        if obj is not None:
            state.expire(instance_dict(obj))


def expire_keys(states, keys):
    """Have some column attributes of many states loaded when they are read next.

    :param keys: a frozenset of attribute keys.
    """
    cdef InstanceState state
    for state in states:
        dict_ = instance_dict(live_object(state))
        for key in keys:
            dict_.pop(key, None)
            if state.committed is not None and key in state.committed:
                del state.own_committed()[key]
        state.merge_expired(keys)
