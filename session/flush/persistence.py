"""Rows of objects: what the unit of work calls to save or delete objects of one class hierarchy.

In come states of one base mapper, in any order; the events ``before_insert`` .. ``after_delete`` are
fired around the statements of ``insert.py``, ``update.py`` and ``delete.py``, one table after the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import InvalidRequestError, SAWarning

from session._accel import gather, linking, topological
from session.constants import PASSIVE_OFF, PASSIVE_RETURN_NO_VALUE
from session.exc import ObjectDeletedError
from session.flush.delete import delete_rows
from session.flush.insert import insert_rows
from session.flush.recipes import recipe_of
from session.flush.update import update_columns, update_rows
from session.heard import heard

__all__ = ["delete_states", "post_update", "save_states"]

Groups = list[tuple[Any, list[Any]]]

_insert_order = attrgetter("insert_order")


def save_states(uow: Any, base: Any, states: Iterable[Any]) -> None:
    """Insert the pending objects and update the persistent ones.

    :param uow: the flush.
    :param base: the base mapper of them all.
    :param states: their states.
    :raises StaleDataError: see :func:`session.flush.update.update_rows`.
    SQL: for each table UPDATEs in the order of the primary key, then INSERTs in the order of adding.
    """
    for connection, members in uow.by_connection(base, states):
        pending, persistent = _sorted(base, members)
        if base.batch:
            _save_batch(uow, base, connection, pending, persistent)
            continue
        for state in pending:
            _save_batch(uow, base, connection, [state], [])
        for state in persistent:
            _save_batch(uow, base, connection, [], [state])


def _save_batch(uow: Any, base: Any, connection: Connection, pending: list[Any], persistent: list[Any]) -> None:
    inserts = gather.segments(pending) if pending else []
    updates = gather.segments(persistent) if persistent else []
    for mapper, members in inserts:
        if "before_insert" in heard and mapper.dispatch.before_insert:
            for state in members:
                mapper.dispatch.before_insert(mapper, connection, state)
        if mapper.polymorphic_prop_key is not None:
            mapper.check_discriminators(members)
    for mapper, members in updates:
        if "before_update" in heard and mapper.dispatch.before_update:
            for state in members:
                mapper.dispatch.before_update(mapper, connection, state)
        if mapper.polymorphic_prop_key is not None:
            mapper.check_discriminators(members)
    if pending:
        switched = _row_switches(uow, base, inserts)
        if switched:
            inserts = gather.segments([state for state in pending if state not in switched])
            updates = gather.segments([*persistent, *switched])
            _ask_for_rest_of_rows(uow, switched)

    for table in _tables(inserts, updates):
        if updates:
            update_rows(uow, connection, table, _having(table, updates))
        if inserts:
            insert_rows(uow, connection, table, _having(table, inserts))

    for mapper, members in inserts:
        _after_save(mapper, connection, members, "after_insert")
    for mapper, members in updates:
        _after_save(mapper, connection, members, "after_update")


def delete_states(uow: Any, base: Any, states: Iterable[Any]) -> None:
    """Delete the rows of objects.

    :param uow: the flush.
    :param base: the base mapper of them all.
    :param states: their states.
    :raises StaleDataError: see :func:`session.flush.delete.delete_rows`.
    SQL: for each table DELETEs in the order of the primary key.
    """
    wanted = [state for state in states if state not in uow.spared] if uow.spared else list(states)
    for connection, members in uow.by_connection(base, wanted):
        _delete_batch(uow, base, connection, list(members))


def _delete_batch(uow: Any, base: Any, connection: Connection, wanted: list[Any]) -> None:
    if not wanted:
        return
    groups = gather.segments(_by_key(base, wanted))
    for mapper, members in groups:
        if "before_delete" in heard and mapper.dispatch.before_delete:
            for state in members:
                mapper.dispatch.before_delete(mapper, connection, state)
    for mapper, members in groups:
        _load_expired_keys(mapper, members)
    for table in reversed(_tables(groups, [])):
        having = [
            (mapper, members)
            for mapper, members in _having(table, groups)
            if not (mapper.passive_deletes and recipe_of(mapper).table(table).equated)
        ]
        delete_rows(uow, connection, table, having)
    for mapper, members in groups:
        if "after_delete" in heard and mapper.dispatch.after_delete:
            for state in members:
                mapper.dispatch.after_delete(mapper, connection, state)


def _load_expired_keys(mapper: Any, states: list[Any]) -> None:
    """Load expired objects once more: they keep their values after their rows are gone, and the version is asked for.

    :raises ObjectDeletedError: a row is gone already.
    """
    keys = [mapper.pk_keys[0]]
    if mapper.version_id_col is not None:
        keys.append(mapper.prop_of_column[mapper.version_id_col].key)
    for key in keys:
        for state in linking.lacking(states, key):
            state.manager[key].impl.get(state, state.dict, PASSIVE_RETURN_NO_VALUE)


def post_update(uow: Any, base: Any, columns: dict[Any, set[Any]]) -> None:
    """Write foreign keys that had to wait until all rows were there.

    :param uow: the flush.
    :param base: the base mapper of the objects.
    :param columns: for each state the columns to write.
    SQL: UPDATEs by primary key.
    """
    wanted = [state for state in columns if state not in uow.spared]
    for connection, states in uow.by_connection(base, wanted):
        pending, persistent = _sorted(base, states)
        for mapper, members in gather.segments([*persistent, *pending]):
            run = [(state, frozenset(columns[state])) for state in members]
            update_columns(uow, connection, mapper, run)


# -- order -----------------------------------------------------------------------------------


def _sorted(base: Any, states: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Pending states in the order of adding, persistent ones in that of their keys."""
    pending, persistent = gather.divide(states)
    if len(pending) > 1:
        pending.sort(key=_insert_order)
    return pending, _by_key(base, persistent)


def _by_key(base: Any, states: list[Any]) -> list[Any]:
    """States in the order of their primary keys.

    :raises sqlalchemy.exc.InvalidRequestError: if keys cannot be compared.
    """
    if len(states) < 2:
        return states
    try:
        return sorted(states, key=_identity_key(base))
    except TypeError as error:
        raise InvalidRequestError(
            f"The primary keys of {base.class_.__name__} objects cannot be put in order, as a flush has to do "
            f"before it updates or deletes them: {error}; give the type of the key a sort_key_function"
        ) from error


_identity = attrgetter("ident")


def _identity_key(base: Any) -> Any:
    """How states are sorted by primary key: by enum values in their type's order, else by themselves."""
    ranks = [column.type.sort_key_function for column in base.primary_key]
    if not any(ranks):
        return _identity
    if len(ranks) == 1:
        return lambda state: ranks[0](state.ident)
    return lambda state: tuple(
        value if rank is None else rank(value) for rank, value in zip(ranks, state.ident, strict=True)
    )


def _tables(one: Groups, other: Groups) -> Sequence[Any]:
    """All tables of the mappers, each after the tables that it extends."""
    mappers = {mapper: None for mapper, _ in one}
    mappers.update([(mapper, None) for mapper, _ in other])
    chains = [recipe_of(mapper).tables for mapper in mappers]
    if len(chains) == 1:
        return chains[0]
    edges = [edge for chain in chains for edge in pairwise(chain)]
    return topological.sort(edges, [table for chain in chains for table in chain])


def _having(table: Any, groups: Groups) -> Groups:
    """The groups whose mapper writes to a table."""
    return [(mapper, members) for mapper, members in groups if table in recipe_of(mapper).tables]


# -- row switch ------------------------------------------------------------------------------


def _row_switches(uow: Any, base: Any, inserts: Groups) -> dict[Any, Any]:
    """Find pending objects whose key belongs to an object that this flush deletes: they take its row.

    :return: the states that are to be updated in place of an INSERT.
    """
    found: dict[Any, Any] = {}
    shelves = uow.session.identity_map.shelves
    if not shelves:
        return found
    for mapper, members in inserts:
        keys = mapper.pk_keys
        composite = len(keys) > 1
        for state in members:
            dict_ = state().__dict__
            if composite:
                ident: Any = tuple([dict_.get(key) for key in keys])
                if None in ident:
                    continue
            else:
                ident = dict_.get(keys[0])
                if ident is None:
                    continue
            if not composite and gather.is_expression(ident):
                continue
            shelf = shelves.get((mapper.identity_class, state.identity_token))
            if not shelf:
                continue
            try:
                other = shelf.get(ident)
            except TypeError:
                continue
            if other is None or other is state or other() is None:
                continue
            if uow.is_deleted(other):
                uow.spare(other)
                uow.row_switches[state] = other
                found[state] = other
                continue
            if other.expired and not _still_there(uow, other):
                continue
            warnings.warn(
                f"The new {state.class_.__name__} object has the primary key {ident!r} of another object of this "
                f"Session that is not deleted; its INSERT goes on and will most likely fail",
                SAWarning,
                stacklevel=2,
            )
    return found


def _ask_for_rest_of_rows(uow: Any, states: Iterable[Any]) -> None:
    """Have what the database has made in rows that new objects take over loaded, where ``eager_defaults`` wants it."""
    for state in states:
        mapper = state.manager.mapper
        if mapper.eager_defaults is True:
            made = [key for table in recipe_of(mapper).tables for key in recipe_of(mapper).table(table).made_keys]
            uow.load_after([state], frozenset(made).difference(state().__dict__))


def _still_there(uow: Any, state: Any) -> bool:
    """Load an expired object; one whose row is gone leaves the Session."""
    try:
        state.load_expired(PASSIVE_OFF)
    except ObjectDeletedError:
        uow.session._remove_newly_deleted([state])
        return False
    return True


# -- afterwards ------------------------------------------------------------------------------


def _after_save(mapper: Any, connection: Connection, states: list[Any], event: str) -> None:
    """Expire what the database works out from the row, then fire the event."""
    read_only = recipe_of(mapper).read_only
    if read_only:
        for state in states:
            dict_ = state().__dict__
            committed = state.committed or ()
            stale = [
                key
                for key, expire_on_flush, deferred in read_only
                if key not in committed
                and (
                    (expire_on_flush and (not deferred or key in dict_))
                    or (not expire_on_flush and not deferred and key not in dict_)
                )
            ]
            if stale:
                state.expire_attributes(dict_, stale)
    if event in heard:
        listeners = getattr(mapper.dispatch, event)
        for state in states:
            listeners(mapper, connection, state)
