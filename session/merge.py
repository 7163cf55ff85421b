"""Copying objects from outside into a Session: ``Session.merge``.

For each object that comes in, the Session's own object of the same primary key is found, loaded or made, and
what the given one has loaded is copied on to it, attribute by attribute; relationships with the ``merge`` cascade go
on to the objects behind them.  Next on the way: ``_py/merging.py``, which walks and copies.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy.exc import InvalidRequestError, SAWarning

from session._accel import merging as hot
from session.constants import NO_VALUE
from session.exc import StaleDataError
from session.instrument.base import instance_state, state_label
from session.mapping.base import MapperProperty
from session.mapping.columns import ColumnProperty
from session.mapping.relationship_property import RelationshipProperty

__all__ = ["merge", "merge_all", "merge_state"]


def merge(session: Any, instance: Any, load: bool = True, options: Sequence[Any] | None = None) -> Any:
    """Copy an object into a Session; see ``Session.merge``."""
    return merge_all(session, (instance,), load, options)[0]


def merge_all(
    session: Any, instances: Iterable[Any], load: bool = True, options: Sequence[Any] | None = None
) -> list[Any]:
    """Copy objects into a Session; what they share is copied once.

    :return: the Session's objects, one for each given.
    """
    if session._warn_on_events:
        session._flush_warning("Session.merge()")
    if load:
        session._autoflush()
    run = _walk(session, load, options, {}, {}).run
    autoflush, session.autoflush = session.autoflush, False
    try:
        return [run(instance_state(instance), instance.__dict__) for instance in instances]
    finally:
        session.autoflush = autoflush


def merge_state(
    session: Any,
    state: Any,
    values: dict[str, Any],
    load: bool,
    options: Sequence[Any] | None,
    merged: dict[Any, Any],
    by_key: dict[Any, Any],
) -> Any:
    """Merge one object and those behind it.

    :param merged: by the state of a given object, the Session's object for it.
    :param by_key: by identity key, objects that this merge has made.
    """
    return _walk(session, load, options, merged, by_key).run(state, values)


def _walk(
    session: Any, load: bool, options: Sequence[Any] | None, merged: dict[Any, Any], by_key: dict[Any, Any]
) -> hot.MergeWalk:
    def find(state: Any, values: dict[str, Any]) -> tuple[Any, bool]:
        return _own_object(session, state, values, load, options, by_key)

    return hot.MergeWalk(session, load, merged, by_key, find, _plan_for, _check_version)


# -- plans -----------------------------------------------------------------------------------


def _plan_for(mapper: Any, manager: Any) -> hot.MergePlan:
    """Work out how objects of a mapper are copied on to objects of a class: relationships first, then columns."""
    steps = []
    for prop in sorted(mapper.attrs, key=attrgetter("is_column")):
        kind = _kind_of(prop)
        if kind is not None and prop.key in manager:
            steps.append(hot.MergeStep(kind, prop, manager[prop.key]))
    column = mapper.version_id_col
    return hot.MergePlan(steps, None if column is None else mapper.prop_of_column[column].key)


def _kind_of(prop: Any) -> int | None:
    """How a property is copied, ``None`` for one with nothing to copy."""
    method = type(prop).merge
    if method is ColumnProperty.merge:
        return hot.COLUMN if prop.instrument else None
    if method is RelationshipProperty.merge:
        return hot.RELATED
    return None if method is MapperProperty.merge else hot.OTHER


# -- the Session's own objects ---------------------------------------------------------------


def _own_object(
    session: Any,
    state: Any,
    values: dict[str, Any],
    load: bool,
    options: Sequence[Any] | None,
    by_key: dict[Any, Any],
) -> tuple[Any, bool]:
    """The Session's object to copy to, and whether it was made just now."""
    mapper = state.manager.mapper
    key = state.key
    if key is None:
        if state in session._new:
            warnings.warn(
                f"{state_label(state)} is pending in this very Session; merging it makes a second object",
                SAWarning,
                stacklevel=2,
            )
        if not load:
            raise InvalidRequestError(
                f"merge(load=False) cannot take {state_label(state)}, which has no row yet: it copies without SQL"
            )
        key = _key_of(mapper, values)
    if key is None:
        return _new_object(session, mapper), True
    own = session.identity_map.get(key)
    if own is None:
        own = by_key.get(key)
    if own is not None:
        return own, False
    made = False
    if not load:
        own, made = _copy_without_sql(session, state, mapper, key), True
    else:
        own = session.get(mapper.class_, key[1], identity_token=key[2], options=options)
        if own is None:
            own, made = _new_object(session, mapper), True
    by_key[key] = own
    return own, made


def _new_object(session: Any, mapper: Any) -> Any:
    own = mapper.class_manager.new_instance()
    session._save_or_update_state(instance_state(own))
    return own


def _copy_without_sql(session: Any, state: Any, mapper: Any, key: tuple[Any, ...]) -> Any:
    """A persistent object without values, for the row that a given object is known to stand for.

    :raises InvalidRequestError: the given object has changes.
    """
    if state.modified:
        raise InvalidRequestError(
            f"merge(load=False) cannot take {state_label(state)}, which has changes that were not flushed; "
            "flush them in its own Session first"
        )
    own = mapper.class_manager.new_instance()
    own_state = instance_state(own)
    own_state.key = key
    session._update_impl(own_state)
    return own


def _key_of(mapper: Any, values: dict[str, Any]) -> tuple[Any, ...] | None:
    """The identity key that an object without identity would get, if it has the values for it."""
    ident = tuple([values.get(key) for key in mapper.pk_keys])
    if None in ident and (
        not getattr(mapper, "allow_partial_pks", True)
        or all(value is None for value in ident)
        or not all(key in values for key in mapper.pk_keys)
    ):
        return None
    return (mapper.identity_class, ident, None)


def _check_version(name: str, state: Any, values: dict[str, Any], own_values: dict[str, Any]) -> None:
    theirs, ours = values.get(name, NO_VALUE), own_values.get(name, NO_VALUE)
    if theirs is NO_VALUE or ours is NO_VALUE or theirs == ours:
        return
    raise StaleDataError(
        f"Cannot merge {state_label(state)}: it has version {theirs!r}, but this Session's own object has "
        f"version {ours!r}; load it anew and make the change again",
        table=state.manager.mapper.local_table,
    )
