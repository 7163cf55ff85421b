"""Copying objects on to others: the walk of ``Session.merge``, and what it does with each attribute.

In comes an object, with the Session's own object for it once that is found (``session/merge.py`` finds it).  Its
attributes are copied one by one, as a :class:`MergePlan` says that was made once for each mapper; what a
relationship with the ``merge`` cascade refers to is merged first.  The walk keeps a stack of its own, so that depth is
no matter.  ``cext/merging.pyx`` is the compiled twin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from session.constants import INSTANCE_STATE, PASSIVE_MERGE
from session.exc import UnmappedInstanceError
from session.heard import heard

__all__ = ["COLUMN", "OTHER", "RELATED", "MergePlan", "MergeStep", "MergeWalk", "put_related", "related_to_merge"]

COLUMN, RELATED, OTHER = range(3)


class MergeStep:
    """What is done with one attribute.

    :param kind: ``COLUMN`` for a plain value, ``RELATED`` for a relationship, ``OTHER`` for properties that copy by
        their own method ``merge()``.
    :param prop: the property.
    :param attribute: the attribute on the class of the objects that are copied to.
    """

    __slots__ = ("attribute", "key", "kind", "prop")

    def __init__(self, kind: int, prop: Any, attribute: Any) -> None:
        self.kind = kind
        self.prop = prop
        self.key = prop.key
        self.attribute = attribute


class MergePlan:
    """How objects of one mapper are copied on to objects of one class.

    :param steps: one for each attribute that both have, in the order in which they are copied.
    :param version_key: the attribute with the version, or ``None``.
    """

    __slots__ = ("steps", "version_key")

    def __init__(self, steps: Iterable[MergeStep], version_key: str | None) -> None:
        self.steps = tuple(steps)
        self.version_key = version_key


class _Visit:
    """One object on the stack of the walk."""

    __slots__ = ("at", "index", "made", "own", "own_state", "own_values", "present", "state", "steps", "values")

    def __init__(self, state: Any, values: dict[str, Any], own: Any, made: bool) -> None:
        self.state = state
        self.values = values
        self.own = own
        self.own_values = own.__dict__
        self.own_state = self.own_values[INSTANCE_STATE]
        self.made = made
        self.steps: tuple[MergeStep, ...] = ()
        self.at = 0
        #: related objects of the present step, and how many of them have been looked at
        self.present: Sequence[Any] | None = None
        self.index = 0


class MergeWalk:
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

    __slots__ = ("by_key", "check_version", "find", "load", "merged", "plan_for", "session")

    def __init__(
        self,
        session: Any,
        load: bool,
        merged: dict[Any, Any],
        by_key: dict[Any, Any],
        find: Callable[[Any, dict[str, Any]], tuple[Any, bool]],
        plan_for: Callable[[Any, Any], MergePlan],
        check_version: Callable[[str, Any, dict[str, Any], dict[str, Any]], None],
    ) -> None:
        self.session = session
        self.load = load
        self.merged = merged
        self.by_key = by_key
        self.find = find
        self.plan_for = plan_for
        self.check_version = check_version

    def run(self, state: Any, values: dict[str, Any]) -> Any:
        """Merge one object; give the Session's object for it."""
        known = self.merged.get(state)
        if known is not None:
            return known
        visit = self.begin(state, values)
        stack: list[_Visit] = []
        while True:
            waiting = self.advance(visit)
            if waiting is not None:
                stack.append(visit)
                visit = self.begin(waiting.__dict__[INSTANCE_STATE], waiting.__dict__)
                continue
            self.finish(visit)
            if not stack:
                return visit.own
            visit = stack.pop()

    def begin(self, state: Any, values: dict[str, Any]) -> _Visit:
        """Find the Session's object for a given one, and make ready to copy."""
        own, made = self.present(state, values), False
        if own is None:
            own, made = self.find(state, values)
        visit = _Visit(state, values, own, made)
        self.merged[state] = own
        own_state = visit.own_state
        if state is own_state:
            return visit
        mapper, manager = state.manager.mapper, own_state.manager
        plan = mapper.merge_plans.get(manager)
        if plan is None:
            plan = mapper.merge_plans[manager] = self.plan_for(mapper, manager)
        if plan.version_key is not None:
            self.check_version(plan.version_key, state, values, visit.own_values)
        own_state.load_path = state.load_path
        own_state.load_options = state.load_options
        loaders = state.peek("callables")
        if loaders:
            own_state.callables.update(loaders)
        visit.steps = plan.steps
        return visit

    def present(self, state: Any, values: dict[str, Any]) -> Any:
        """Give the Session's object with the identity of a given one, if that is all there is to ask."""
        manager = state.manager
        ident, token = state.ident, state.identity_token
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
        shelf = self.session.identity_map.shelves.get((manager.identity_class, token))
        found = None if shelf is None else shelf.get(ident)
        return None if found is None else found()

    def advance(self, visit: _Visit) -> Any:
        """Copy attributes; give an object that has to be merged first, ``None`` at the end."""
        load, merged = self.load, self.merged
        state, values = visit.state, visit.values
        own_state, own_values = visit.own_state, visit.own_values
        while visit.at < len(visit.steps):
            step = visit.steps[visit.at]
            if step.kind == COLUMN:
                copy_column(step, values, own_state, own_values, load)
            elif step.kind == RELATED:
                if visit.present is None:
                    visit.present = related_to_merge(step.prop, state, values, own_state, own_values, load, merged)
                    visit.index = 0
                if visit.present is not None:
                    waiting = self.next_related(visit, step.prop)
                    if waiting is not None:
                        return waiting
                    found = [merged[obj.__dict__[INSTANCE_STATE]] for obj in visit.present if obj is not None]
                    visit.present = None
                    put_related(step.prop, own_state, own_values, found, load)
            else:
                step.prop.merge(self.session, state, values, own_state, own_values, load, merged, self.by_key)
            visit.at += 1
        return None

    def next_related(self, visit: _Visit, prop: Any) -> Any:
        """Give the next related object that has not been merged yet, ``None`` after the last."""
        present: Any = visit.present
        while visit.index < len(present):
            obj = present[visit.index]
            visit.index += 1
            if obj is None:
                continue
            try:
                state = obj.__dict__[INSTANCE_STATE]
            except (AttributeError, KeyError):
                raise UnmappedInstanceError(obj) from None
            self.merged[state, prop] = True
            if self.merged.get(state) is None:
                return obj
        return None

    def finish(self, visit: _Visit) -> None:
        """All is copied: tell it."""
        own_state = visit.own_state
        if not self.load:
            own_state.commit_all(visit.own_values)
            own_state.manager.dispatch._sa_event_merge_wo_load(own_state, None)
        if visit.made and "load" in heard:
            own_state.manager.dispatch.load(own_state, None)


def copy_column(
    step: MergeStep, values: dict[str, Any], own_state: Any, own_values: dict[str, Any], load: bool
) -> None:
    """Copy a value if the source has it loaded; where it is only unloaded there, expire it here."""
    key = step.key
    if key in values:
        impl = step.attribute.impl
        if load:
            impl.set(own_state, own_values, values[key], None)
        else:
            impl.set_committed_value(own_state, own_values, values[key])
    elif own_state.ident is not None and key not in own_values:
        own_state.expire_attributes(own_values, [key], no_loader=True)


def related_to_merge(
    prop: Any,
    source_state: Any,
    source_dict: dict[str, Any],
    dest_state: Any,
    dest_dict: dict[str, Any],
    load: bool,
    recursive: dict[Any, Any],
) -> Sequence[Any] | None:
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


def put_related(prop: Any, dest_state: Any, dest_dict: dict[str, Any], merged: list[Any], load: bool) -> None:
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
