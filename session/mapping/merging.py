"""Merging the objects of a relationship from one object into another, for ``Session.merge``."""

from __future__ import annotations

from typing import Any

from session._accel import merging as hot
from session.instrument.base import instance_state

__all__ = ["merge"]


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
    """Merge the related objects of one relationship by ``session._merge()``.

    :param prop: the relationship.
    :param load: whether unloaded values of the destination may be loaded, and its changes make history.
    :param recursive: what is being merged already: states, and pairs of a state and a relationship.
    :param resolve_conflict_map: by identity key, objects that this merge has made.
    """
    present = hot.related_to_merge(prop, source_state, source_dict, dest_state, dest_dict, load, recursive)
    if present is None:
        return
    merged = []
    for obj in present:
        if obj is None:
            continue
        state = instance_state(obj)
        recursive[state, prop] = True
        merged.append(
            session._merge(
                state,
                obj.__dict__,
                load=load,
                options=None,
                recursive=recursive,
                resolve_conflict_map=resolve_conflict_map,
            )
        )
    hot.put_related(prop, dest_state, dest_dict, merged, load)
