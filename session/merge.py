"""Copying objects from outside into a Session: ``Session.merge``.

For each object that comes in, the Session's own object of the same primary key is found, loaded or made, and
what the given one has loaded is copied on to it, attribute by attribute; relationships with the ``merge`` cascade go
on to the objects behind them.  The walk keeps a stack of its own, so that depth is no matter.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from sqlalchemy.exc import InvalidRequestError, SAWarning

from session.constants import NO_VALUE
from session.exc import StaleDataError
from session.instrument.base import instance_state, state_label

__all__ = ["merge", "merge_all", "merge_state"]

Steps = Generator[tuple[Any, dict[str, Any]], Any, Any]


def merge(session: Any, instance: Any, load: bool = True, options: Sequence[Any] | None = None) -> Any:
    """Copy an object into a Session; see ``Session.merge``."""
    return merge_all(session, [instance], load=load, options=options)[0]


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
    merged: dict[Any, Any] = {}
    by_key: dict[Any, Any] = {}
    autoflush, session.autoflush = session.autoflush, False
    try:
        return [
            merge_state(session, instance_state(instance), instance.__dict__, load, options, merged, by_key)
            for instance in instances
        ]
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
    stack: list[Steps] = []
    request: tuple[Any, dict[str, Any]] | None = (state, values)
    answer: Any = None
    while True:
        if request is not None:
            known = merged.get(request[0])
            if known is None:
                stack.append(_steps(session, *request, load, options, merged, by_key))
                answer = None
            elif stack:
                answer = known
            else:
                return known
        try:
            request = stack[-1].send(answer)
        except StopIteration as done:
            stack.pop()
            answer, request = done.value, None
            if not stack:
                return answer


def _steps(
    session: Any,
    state: Any,
    values: dict[str, Any],
    load: bool,
    options: Sequence[Any] | None,
    merged: dict[Any, Any],
    by_key: dict[Any, Any],
) -> Steps:
    """Merge one object; yield each related one that has to be merged first, and be sent what became of it."""
    mapper = state.manager.mapper
    key = state.key
    if key is None:
        if not load:
            raise InvalidRequestError(
                f"merge(load=False) cannot take {state_label(state)}, which has no row yet: it copies without SQL"
            )
        if state in session._new:
            warnings.warn(
                f"{state_label(state)} is pending in this very Session; merging it makes a second object",
                SAWarning,
                stacklevel=2,
            )
        key = _key_of(mapper, values)
    own, made = _own_object(session, state, mapper, key, load, options, by_key)
    own_state, own_values = instance_state(own), own.__dict__
    merged[state] = own
    if key is not None:
        by_key[key] = own
    if state is not own_state:
        _check_version(mapper, state, values, own_values)
        own_state.load_path = state.load_path
        own_state.load_options = state.load_options
        loaders = state.peek("callables")
        if loaders:
            own_state.callables.update(loaders)
        for prop in list(mapper.attrs):
            if prop.key not in own_state.manager:
                continue
            steps = getattr(prop, "merge_steps", None)
            if steps is None:
                prop.merge(session, state, values, own_state, own_values, load, merged, by_key)
            else:
                yield from steps(session, state, values, own_state, own_values, load, merged)
    dispatch = own_state.manager.dispatch
    if not load:
        own_state.commit_all(own_values)
        dispatch._sa_event_merge_wo_load(own_state, None)
    if made:
        dispatch.load(own_state, None)
    return own


def _own_object(
    session: Any,
    state: Any,
    mapper: Any,
    key: tuple[Any, ...] | None,
    load: bool,
    options: Sequence[Any] | None,
    by_key: dict[Any, Any],
) -> tuple[Any, bool]:
    """The Session's object to copy to, and whether it was made just now."""
    own = None
    if key is not None:
        own = session.identity_map.get(key)
        if own is None:
            own = by_key.get(key)
    if own is not None:
        return own, False
    if not load:
        if state.modified:
            raise InvalidRequestError(
                f"merge(load=False) cannot take {state_label(state)}, which has changes that were not flushed; "
                "flush them in its own Session first"
            )
        own = mapper.class_manager.new_instance()
        own_state = instance_state(own)
        own_state.key = key
        session._update_impl(own_state)
        return own, True
    if key is not None:
        own = session.get(mapper.class_, key[1], identity_token=key[2], options=options)
        if own is not None:
            return own, False
    own = mapper.class_manager.new_instance()
    session._save_or_update_state(instance_state(own))
    return own, True


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


def _check_version(mapper: Any, state: Any, values: dict[str, Any], own_values: dict[str, Any]) -> None:
    column = mapper.version_id_col
    if column is None:
        return
    name = mapper.prop_of_column[column].key
    theirs, ours = values.get(name, NO_VALUE), own_values.get(name, NO_VALUE)
    if theirs is NO_VALUE or ours is NO_VALUE or theirs == ours:
        return
    raise StaleDataError(
        f"Cannot merge {state_label(state)}: it has version {theirs!r}, but this Session's own object has "
        f"version {ours!r}; load it anew and make the change again",
        table=mapper.local_table,
    )
