"""Merging the objects of a relationship from one object into another, for ``Session.merge``."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from session.constants import PASSIVE_MERGE
from session.instrument.attributes import init_state_collection
from session.instrument.base import instance_state

__all__ = ["merge", "merge_steps"]


def merge_steps(
    prop: Any,
    source_state: Any,
    source_dict: dict[str, Any],
    dest_state: Any,
    dest_dict: dict[str, Any],
    load: bool,
    recursive: dict[Any, Any],
) -> Generator[tuple[Any, dict[str, Any]], Any, None]:
    """Merge the related objects of one relationship, one at a time.

    Each step yields ``(state, dict)`` of an object to be merged, and is to be sent the result; so the caller may
    keep a stack of its own in place of recursion.

    :param prop: the relationship.
    :param load: whether unloaded values of the destination may be loaded, and its changes make history.
    :param recursive: what is being merged already: states, and pairs of a state and a relationship.
    """
    key = prop.key
    if load and any((source_state, reverse) in recursive for reverse in prop.reverse_properties):
        return
    impl = dest_state.get_impl(key)
    if not prop.cascade.merge:
        return
    if impl.dynamic:
        present = source_state.get_impl(key).get_collection(source_state, source_dict)
        if not present:
            return
    elif key not in source_dict:
        return
    elif not prop.uselist:
        present = [source_dict[key]]
    else:
        present = list(source_state.get_impl(key).get_collection(source_state, source_dict, source_dict[key]))
        if load:
            # the collection that is there now must be known, for the history of the change
            impl.get(dest_state, dest_dict, PASSIVE_MERGE)
    merged = []
    for obj in present:
        if obj is None:
            continue
        state = instance_state(obj)
        recursive[state, prop] = True
        found = yield state, obj.__dict__
        if found is not None:
            merged.append(found)
    if prop.uselist and load:
        impl.set(dest_state, dest_dict, merged, passive=PASSIVE_MERGE, adapt_value=False)
    elif impl.dynamic:
        return
    elif prop.uselist:
        collection = init_state_collection(dest_state, dest_dict, key)
        for obj in merged:
            collection.append_without_event(obj)
    elif load:
        impl.set(dest_state, dest_dict, merged[0] if merged else None)
    else:
        dest_dict[key] = merged[0] if merged else None


def merge(
    prop: Any,
    session: Any,
    source_state: Any,
    source_dict: dict[str, Any],
    dest_state: Any,
    dest_dict: dict[str, Any],
    load: bool,
    recursive: dict[Any, Any],
    resolve_conflict_map: dict[Any, Any],
) -> None:
    """Merge the related objects of one relationship by ``session._merge()``."""
    steps = merge_steps(prop, source_state, source_dict, dest_state, dest_dict, load, recursive)
    result = None
    while True:
        try:
            state, dict_ = steps.send(result)
        except StopIteration:
            return
        result = session._merge(
            state,
            dict_,
            load=load,
            options=None,
            recursive=recursive,
            resolve_conflict_map=resolve_conflict_map,
        )
