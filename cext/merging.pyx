# cython: nonecheck=True
"""Copying objects on to others, compiled; ``session/_py/merging.py`` is the reference version and explains it.

Plain values go from dictionary to dictionary where nobody listens; references are owned before anything else can run.
"""

from cpython.dict cimport PyDict_Contains, PyDict_GetItemWithError
from cpython.object cimport PyObject

from session._cy.identity cimport IdentityMap
from session._cy.scalars cimport ScalarAttribute, plain_set
from session._cy.state cimport InstanceState, instance_dict, live_object

from session.constants import (
    INSTANCE_STATE as _INSTANCE_STATE,
    PASSIVE_MERGE as _PASSIVE_MERGE,
)
from session.exc import UnmappedInstanceError
from session.heard import heard as _heard

__all__ = ["COLUMN", "OTHER", "RELATED", "MergePlan", "MergeStep", "MergeWalk", "put_related", "related_to_merge"]

COLUMN, RELATED, OTHER = range(3)

cdef enum:
    IS_COLUMN = 0
    IS_RELATED = 1

cdef str INSTANCE_STATE = _INSTANCE_STATE
cdef object PASSIVE_MERGE = _PASSIVE_MERGE
cdef set heard = _heard


cdef class MergeStep:
    """What is done with one attribute.

    :param kind: ``COLUMN`` for a plain value, ``RELATED`` for a relationship, ``OTHER`` for properties that copy by
        their own method ``merge()``.
    :param prop: the property.
    :param attribute: the attribute on the class of the objects that are copied to.
    """

    cdef public int kind
    cdef public object prop, key, attribute

    def __init__(self, kind, prop, attribute):
        self.kind = kind
        self.prop = prop
        self.key = prop.key
        self.attribute = attribute


cdef class MergePlan:
    """How objects of one mapper are copied on to objects of one class.

    :param steps: one for each attribute that both have, in the order in which they are copied.
    :param version_key: the attribute with the version, or ``None``.
    """

    cdef public tuple steps
    cdef public object version_key

    def __init__(self, steps, version_key):
        self.steps = tuple(steps)
        self.version_key = version_key


cdef class _Visit:
    """One object on the stack of the walk."""

    cdef InstanceState state, own_state
    cdef dict values, own_values
    cdef object own
    cdef bint made
    cdef tuple steps
    cdef Py_ssize_t at, index
    cdef object present


cdef class MergeWalk:
    """One merge of an object and of those behind it.

    :param session: the Session that is merged into.
    :param load: whether values that are not loaded may be loaded, and changes make history.
    :param merged: by the state of a given object, the Session's object for it; besides, ``(state, relationship)`` of
        each object that was reached.
    :param by_key: by identity key, objects that this merge has made; for properties that merge by themselves.
    :param find: ``find(state, values)`` gives the Session's object for a given one where a look into the identity map
        is not enough, and whether it was made just now.
    :param plan_for: ``plan_for(mapper, manager)`` makes the plan from a mapper to a class.
    :param check_version: ``check_version(key, state, values, own_values)`` refuses another version.
    """

    cdef public object session, find, plan_for, check_version
    cdef public dict merged, by_key
    cdef public bint load

    def __init__(self, session, load, merged, by_key, find, plan_for, check_version):
        self.session = session
        self.load = load
        self.merged = merged
        self.by_key = by_key
        self.find = find
        self.plan_for = plan_for
        self.check_version = check_version

    def run(self, InstanceState state not None, dict values not None):
        """Merge one object; give the Session's object for it."""
        known = self.merged.get(state)
        if known is not None:
            return known
        cdef _Visit visit = self.begin(state, values)
        cdef list stack = []
        cdef dict waiting_values
        while True:
            waiting = self.advance(visit)
            if waiting is not None:
                stack.append(visit)
                waiting_values = instance_dict(waiting)
                visit = self.begin(waiting_values[INSTANCE_STATE], waiting_values)
                continue
            self.finish(visit)
            if not stack:
                return visit.own
            visit = stack.pop()

    cdef _Visit begin(self, InstanceState state, dict values):
        """Find the Session's object for a given one, and make ready to copy."""
        made = False
        own = self.present(state, values)
        if own is None:
            own, made = self.find(state, values)
        cdef _Visit visit = _Visit.__new__(_Visit)
        cdef InstanceState own_state
        visit.state = state
        visit.values = values
        visit.own = own
        visit.made = made
        visit.own_values = instance_dict(own)
        visit.own_state = own_state = visit.own_values[INSTANCE_STATE]
        visit.steps = ()
        self.merged[state] = own
        if state is own_state:
            return visit
        mapper = state.manager.mapper
        manager = own_state.manager
        plans = mapper.merge_plans
        plan = plans.get(manager)
        if plan is None:
            plan = plans[manager] = self.plan_for(mapper, manager)
        cdef MergePlan made_plan = plan
        if made_plan.version_key is not None:
            self.check_version(made_plan.version_key, state, values, visit.own_values)
        own_state.load_path = state.load_path
        own_state.load_options = state.load_options
        if state.extras is not None:
            loaders = state.extras.get("callables")
            if loaders:
                own_state.callables.update(loaders)
        visit.steps = made_plan.steps
        return visit

    cdef object present(self, InstanceState state, dict values):
        """Give the Session's object with the identity of a given one, if that is all there is to ask."""
        cdef IdentityMap home
        manager = state.manager
        ident = state.ident
        if ident is None:
            if not self.load or state in self.session._new:
                return None
            keys = manager.mapper.pk_keys
            if manager.composite_key:
                ident = tuple([values.get(key) for key in keys])
                if None in ident:
                    return None
            else:
                ident = values.get(keys[0])
                if ident is None:
                    return None
        home = self.session.identity_map
        shelf = home.shelves.get((manager.identity_class, state.identity_token))
        found = None if shelf is None else shelf.get(ident)
        return None if found is None else live_object(found)

    cdef object advance(self, _Visit visit):
        """Copy attributes; give an object that has to be merged first, ``None`` at the end."""
        cdef MergeStep step
        cdef Py_ssize_t count = len(visit.steps)
        cdef bint load = self.load
        cdef dict merged = self.merged
        while visit.at < count:
            step = visit.steps[visit.at]
            if step.kind == IS_COLUMN:
                copy_column(step, visit.values, visit.own_state, visit.own_values, load)
            elif step.kind == IS_RELATED:
                if visit.present is None:
                    visit.present = related_to_merge(
                        step.prop, visit.state, visit.values, visit.own_state, visit.own_values, load, merged
                    )
                    visit.index = 0
                if visit.present is not None:
                    waiting = self.next_related(visit, step.prop)
                    if waiting is not None:
                        return waiting
                    found = [merged[instance_dict(obj)[INSTANCE_STATE]] for obj in visit.present if obj is not None]
                    visit.present = None
                    put_related(step.prop, visit.own_state, visit.own_values, found, load)
            else:
                step.prop.merge(
                    self.session,
                    visit.state,
                    visit.values,
                    visit.own_state,
                    visit.own_values,
                    load,
                    merged,
                    self.by_key,
                )
            visit.at += 1
        return None

    cdef object next_related(self, _Visit visit, prop):
        """Give the next related object that has not been merged yet, ``None`` after the last."""
        present = visit.present
        cdef Py_ssize_t count = len(present)
        cdef dict merged = self.merged
        while visit.index < count:
            obj = present[visit.index]
            visit.index += 1
            if obj is None:
                continue
            try:
                state = instance_dict(obj)[INSTANCE_STATE]
            except (AttributeError, KeyError):
                raise UnmappedInstanceError(obj) from None
            merged[state, prop] = True
            if merged.get(state) is None:
                return obj
        return None

    cdef object finish(self, _Visit visit):
        """All is copied: tell it."""
        if self.load and not visit.made:
            return
        own_state = visit.own_state
        if not self.load:
            own_state.commit_all(visit.own_values)
            own_state.manager.dispatch._sa_event_merge_wo_load(own_state, None)
        if visit.made and "load" in heard:
            own_state.manager.dispatch.load(own_state, None)


cdef int copy_column(MergeStep step, dict values, InstanceState own_state, dict own_values, bint load) except -1:
    """Copy a value if the source has it loaded; where it is only unloaded there, expire it here."""
    key = step.key
    cdef PyObject *found = PyDict_GetItemWithError(values, key)
    if found is NULL:
        if own_state.ident is not None and not PyDict_Contains(own_values, key):
            own_state.expire_attributes(own_values, [key], no_loader=True)
        return 0
    value = <object>found
    impl = step.attribute.impl
    if not load:
        impl.set_committed_value(own_state, own_values, value)
    elif type(impl) is not ScalarAttribute or not plain_set(<ScalarAttribute>impl, own_state, own_values, value):
        impl.set(own_state, own_values, value, None)
    return 0


def related_to_merge(prop, source_state, source_dict, dest_state, dest_dict, load, recursive):
    """Give the objects of one relationship that are to be merged, ``None`` if it is to be left alone.

    :param prop: the relationship.
    :param load: whether unloaded values of the destination may be loaded.
    :param recursive: what is being merged already: states, and pairs of a state and a relationship.
    """
    key = prop.key
    if load:
        for reverse in prop.reverse_properties:
            if (source_state, reverse) in recursive:
                return None
    if not prop.cascade.merge:
        return None
    impl = dest_state.get_impl(key)
    if impl.dynamic:
        return list(source_state.get_impl(key).get_collection(source_state, source_dict)) or None
    if key not in source_dict:
        return None
    if not prop.uselist:
        return (source_dict[key],)
    present = list(source_state.get_impl(key).get_collection(source_state, source_dict, source_dict[key]))
    if load:
        # the collection that is there now must be known, for the history of the change
        impl.get(dest_state, dest_dict, PASSIVE_MERGE)
    return present


def put_related(prop, dest_state, dest_dict, merged, load):
    """Put merged objects in place of those that the destination has by one relationship.

    :param load: whether the change makes history, and fires events.
    """
    key = prop.key
    impl = dest_state.get_impl(key)
    if prop.uselist and load:
        impl.set(dest_state, dest_dict, merged, passive=PASSIVE_MERGE, adapt_value=False)
    elif impl.dynamic:
        return
    elif prop.uselist:
        before = dest_dict.pop(key, None)
        if before is not None:
            impl.dispose_collection(dest_state, before)
        adapter, collection = impl.new_collection(dest_state)
        dest_dict[key] = collection
        impl.forget_empty(dest_state)
        for obj in merged:
            adapter.append_without_event(obj)
    elif load:
        impl.set(dest_state, dest_dict, merged[0] if merged else None)
    else:
        dest_dict[key] = merged[0] if merged else None
