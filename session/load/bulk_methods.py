"""The Session's bulk methods: objects and dictionaries become rows, and nothing becomes part of the Session.

In: what ``Session.bulk_save_objects`` and its like are given.  Next on the way: ``load/bulk.py``, which writes rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from session.instrument.base import instance_state
from session.load.bulk import Row, insert_rows, update_rows
from session.load.parameters import checked_rows

__all__ = ["bulk_insert_mappings", "bulk_save_objects", "bulk_update_mappings"]


def bulk_insert_mappings(
    session: Any, mapper: Any, mappings: Iterable[Row], *, return_defaults: bool = False, render_nulls: bool = False
) -> None:
    """Insert dictionaries; see ``Session.bulk_insert_mappings``.

    :param mapper: the mapper of the class.
    :param return_defaults: put generated primary keys into the dictionaries.
    :param render_nulls: see :func:`insert_rows`.
    """
    _need_one_connection(session)
    rows = checked_rows(mappings if isinstance(mappings, list) else list(mappings))
    if rows:
        insert_rows(session._connection_for(mapper), mapper, rows, render_nulls=render_nulls, keep_keys=return_defaults)


def bulk_update_mappings(session: Any, mapper: Any, mappings: Iterable[Row]) -> None:
    """Update by dictionaries with primary keys; see ``Session.bulk_update_mappings``."""
    _need_one_connection(session)
    rows = checked_rows(mappings if isinstance(mappings, list) else list(mappings))
    if rows:
        update_rows(session._connection_for(mapper), mapper, rows)


def bulk_save_objects(
    session: Any,
    objects: Iterable[Any],
    *,
    return_defaults: bool = False,
    update_changed_only: bool = True,
    preserve_order: bool = True,
) -> None:
    """Insert or update the rows of objects, without the objects becoming part of the Session.

    :param return_defaults: put generated primary keys into new objects.
    :param update_changed_only: UPDATE only what has changed since the object was loaded.
    :param preserve_order: write in the order given; otherwise by class, INSERTs apart from UPDATEs.
    """
    _need_one_connection(session)
    states = [instance_state(obj) for obj in objects]
    if not preserve_order:
        places = {mapper: place for place, mapper in enumerate(dict.fromkeys([state.mapper for state in states]))}
        states.sort(key=lambda state: (places[state.mapper], state.ident is not None))
    for mapper, persistent, group in _runs(states):
        connection = session._connection_for(mapper)
        if persistent:
            update_rows(
                connection, mapper, [row for row in (_changes(state, update_changed_only) for state in group) if row]
            )
            continue
        rows = [_row_of(state) for state in group]
        insert_rows(connection, mapper, rows, keep_keys=return_defaults)
        if return_defaults:
            for state, row in zip(group, rows, strict=True):
                found = {key: row[key] for key in mapper.pk_keys if key in row}
                state.obj().__dict__.update(found)
                if len(found) == len(mapper.pk_keys):
                    values = tuple(found[key] for key in mapper.pk_keys)
                    state.ident = values if len(values) > 1 else values[0]


def _need_one_connection(session: Any) -> None:
    if session.connection_callable is not None:
        raise NotImplementedError(
            "The bulk methods of a Session write all rows of a class to one connection, and this Session chooses one "
            "for each object; add() the objects, or run insert() or update() with bind_arguments for one shard"
        )


def _runs(states: Sequence[Any]) -> Iterator[tuple[Any, bool, list[Any]]]:
    """Split states where the class changes, or new ones follow persistent ones."""
    run: list[Any] = []
    current: tuple[Any, bool] | None = None
    for state in states:
        kind = (state.mapper, state.ident is not None)
        if kind != current:
            if current is not None:
                yield (*current, run)
            current, run = kind, []
        run.append(state)
    if current is not None:
        yield (*current, run)


def _row_of(state: Any) -> dict[str, Any]:
    dict_ = state.obj().__dict__
    return {prop.key: dict_[prop.key] for prop in state.mapper.column_props if prop.key in dict_}


def _changes(state: Any, changed_only: bool) -> dict[str, Any]:
    """Give what an UPDATE of an object's row has to set, with its key; nothing if there is nothing to set.

    The version of a row is counted on, and checked, whether anything else has changed or not.
    """
    row = _row_of(state)
    keys = state.mapper.pk_keys
    if changed_only:
        committed = state.committed or {}
        changed = {key: value for key, value in row.items() if key in committed and key not in keys}
        version = state.mapper.version_id_col
        if not changed and version is None:
            return {}
        if version is not None:
            version_key = state.mapper.prop_of_column[version].key
            if version_key in row:
                changed[version_key] = row[version_key]
        row = changed
    single = not isinstance(state.ident, tuple)
    row.update(zip(keys, (state.ident,) if single else state.ident, strict=True))
    return row
