"""Load one object by its identity; load, or load again, columns of an object that is there.

``Session.get``, ``refresh`` and attributes whose values have expired come here.  The statements are
prepared once per mapper and set of columns.  Next on the way: ``load/prepared.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.sql.selectable import LABEL_STYLE_NONE

from session.constants import (
    ATTR_WAS_SET,
    NO_AUTOFLUSH,
    NO_RAISE,
    PARTLY_EXPIRED,
    PASSIVE_NO_FETCH_RELATED,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
    SQL_OK,
)
from session.exc import DetachedInstanceError, ObjectDeletedError
from session.heard import heard
from session.load.carried import peers_of, rejoin
from session.load.context import EMPTY_DICT
from session.load.loader_option import RELATIONSHIP, AtPath, OnlyKeys, OwnClass
from session.load.prepared import PreparedSelect, run_select
from session.load.renamed import path_of
from session.load.row_columns import key_names, memo_of, row_columns
from session.mapping.aliased import as_read
from session.mapping.strategies import hooks

__all__ = ["load_by_identity", "load_columns", "load_row", "load_scalars", "prepared_identity", "refresh_state"]


def load_by_identity(
    session: Any,
    mapper: Any,
    ident: Sequence[Any],
    *,
    options: Sequence[Any] = (),
    populate_existing: bool = False,
    with_for_update: Any = None,
    identity_token: Any = None,
    execution_options: Mapping[str, Any] = EMPTY_DICT,
    bind_arguments: Any = None,
    refresh_of: Any = None,
    only_keys: Any = None,
    kind: str = "",
    path: Any = None,
    autoflush: bool = False,
) -> Any:
    """Load an object by its primary key, by a SELECT; the identity map is not asked.

    :param session: the Session.
    :param mapper: a mapper or alias.
    :param ident: the primary key values, in the order of the mapper's primary key.
    :param options: loader options.
    :param populate_existing: overwrite the object if the Session has it already.
    :param with_for_update: arguments of ``Select.with_for_update``, or ``True``.
    :param identity_token: the token of the object's identity key.
    :param refresh_of: the state of the object to be refreshed.
    :param only_keys: attributes to which the load is confined.
    :param kind: what listeners are told about the load: "relationship", "column", "refresh" or nothing.
    :param path: where the object stood in the statement that the options come from.
    :param autoflush: whether the load flushes; whoever calls has done so otherwise.
    :return: the object, ``None`` if there is no such row.
    """
    mapper = mapper.mapper
    for_update = lock_arguments(with_for_update)
    missing = frozenset([number for number, value in enumerate(ident, 1) if value is None])
    if not options and for_update is None and not execution_options and not missing:
        return load_row(
            session,
            mapper,
            ident,
            populate_existing=populate_existing,
            identity_token=identity_token,
            bind_arguments=bind_arguments,
            refresh_of=refresh_of,
            only_keys=only_keys,
            kind=kind,
        )
    statement = identity_statement(mapper, missing, kind)
    if only_keys is not None:
        statement = statement.options(OnlyKeys(only_keys))
    if options:
        statement = statement.options(*options, *(() if path is None else (AtPath(path),)))
    if for_update is not None:
        statement = statement.with_for_update(**for_update)
    settings: dict[str, Any] = {
        "populate_existing": populate_existing,
        "identity_token": identity_token,
        "refresh_state": refresh_of,
        "only_keys": only_keys,
        "options": tuple(options),
        "autoflush": autoflush,
    }
    if execution_options:
        settings["execution_options"] = execution_options
    values = {name: value for name, value in zip(key_names(mapper), ident, strict=True) if value is not None}
    peers = None if refresh_of is None else peers_of(refresh_of)
    found = run_select(session, statement, values, mapper, kind, bind_arguments, **settings)[0]
    if peers is not None:
        rejoin(refresh_of, peers)
    return first_object(found)


def load_row(
    session: Any,
    mapper: Any,
    ident: Sequence[Any],
    *,
    populate_existing: bool = False,
    identity_token: Any = None,
    bind_arguments: Any = None,
    refresh_of: Any = None,
    only_keys: Any = None,
    kind: str = "",
) -> Any:
    """Load an object by its primary key, without options: by a SELECT that is prepared.

    Arguments are those of :func:`load_by_identity`; no value of the key is ``None``.
    """
    prepared = prepared_identity(mapper, only_keys, kind)
    names = prepared.names
    values = {names[0]: ident[0]} if len(ident) == 1 else dict(zip(names, ident, strict=True))
    if only_keys is None and not populate_existing:
        return prepared.first(session, values, identity_token, bind_arguments, refresh_of)
    settings: dict[str, Any] = {"populate_existing": populate_existing}
    if identity_token is not None:
        settings["identity_token"] = identity_token
    if refresh_of is not None:
        settings["refresh_state"] = refresh_of
    if only_keys is not None:
        settings["only_keys"] = only_keys
    return first_object(prepared.columns(session, values, bind_arguments, **settings)[0])


def first_object(found: Iterable[Any]) -> Any:
    for obj in found:
        if obj is not None:
            return obj
    return None


AGAIN = ("column", "refresh")
"""The kinds of loads for an object that is there."""


def identity_statement(mapper: Any, missing: Iterable[int] = (), kind: str = "") -> Any:
    """Build the SELECT of one object by its primary key; ``missing`` numbers the key columns that are NULL."""
    criteria = [
        column.is_(None) if number in missing else column == bindparam(name, type_=column.type)
        for number, (name, column) in enumerate(
            zip(key_names(mapper), as_read(mapper, mapper.primary_key), strict=True), 1
        )
    ]
    if kind in AGAIN and mapper.has_concrete_heirs and mapper.polymorphic_on is not None:
        # what is read has rows of subclasses too, whose keys are their own
        criteria.append(mapper.polymorphic_on == mapper.polymorphic_identity)
    statement = select(mapper).where(*criteria)
    if kind == RELATIONSHIP:
        return statement.set_label_style(LABEL_STYLE_NONE)
    return statement.options(OwnClass()) if kind in AGAIN else statement


def prepared_identity(mapper: Any, only_keys: Any = None, kind: str = "") -> PreparedSelect:
    """Give the prepared SELECT of one object, of all or of some of its attributes."""
    memo = memo_of(mapper)
    wanted = None if only_keys is None else frozenset(only_keys)
    key = ("identity", wanted, kind) if wanted is not None or kind else "identity"
    found: PreparedSelect | None = memo.get(key)
    if found is None:
        statement = identity_statement(mapper, kind=kind)
        if wanted is not None:
            statement = statement.options(OnlyKeys(wanted))
        found = memo.setdefault(key, PreparedSelect(statement, mapper, kind, key_names(mapper)))
    return found


_LOCKS = ("nowait", "read", "of", "skip_locked", "key_share")


def lock_arguments(with_for_update: Any) -> dict[str, Any] | None:
    """Give the keywords of ``Select.with_for_update``, ``None`` for no lock.

    :raises ArgumentError: it is neither true nor false, nor a dictionary, nor what a SELECT keeps of its lock.
    """
    if with_for_update is None or with_for_update is False:
        return None
    if with_for_update is True:
        return {}
    if isinstance(with_for_update, Mapping):
        return dict(with_for_update)
    if not all(hasattr(with_for_update, name) for name in _LOCKS):
        raise ArgumentError(
            f"with_for_update={with_for_update!r} says nothing about the lock: give True, or a dictionary of the "
            f"keywords of Select.with_for_update(), such as {{'read': True}}"
        )
    return {name: value for name in _LOCKS if (value := getattr(with_for_update, name))}


# -- columns of one object ------------------------------------------------------------------------


def load_scalars(state: Any, keys: Any, passive: int) -> Any:
    """Load the expired columns of an object; what attributes call for values that belong to the row.

    :param state: the object's state.
    :param keys: the attributes to load.
    :param passive: what the look-up may do.
    :return: ``ATTR_WAS_SET``, or ``PASSIVE_NO_RESULT`` if SQL is not allowed.
    :raises DetachedInstanceError: the object has no Session.
    :raises ObjectDeletedError: its row is gone.
    """
    if not passive & SQL_OK:
        return PASSIVE_NO_RESULT
    load_columns(state, state.manager.expirable.intersection(keys), passive, whole=True)
    return ATTR_WAS_SET


def load_columns(state: Any, keys: Iterable[str], passive: int, whole: bool = False) -> None:
    """Load some columns of an object by one SELECT; see :func:`load_scalars`.  Pending changes are flushed first.

    :param whole: an object that has expired as a whole is loaded as by a query for it, with all that its mapping,
        and the options that it was loaded with, load eagerly; its pending changes stay.
    """
    session = state.session
    wanted = frozenset(keys)
    if session is None:
        names = ", ".join(sorted(wanted))
        raise DetachedInstanceError(
            f"Cannot load {names} of a {state.class_.__name__} object: it belongs to no Session. Load what is needed "
            "before the object is detached, or attach it with Session.add() or merge() first",
            state=state,
            key=next(iter(sorted(wanted)), None),
        )
    mapper = state.manager.mapper
    dict_ = state.dict
    columns = frozenset(key for key in wanted if is_row_key(mapper, key))
    if not columns:
        return
    if state.ident is None:
        if not row_columns(mapper, columns).load(session, state, dict_, unfiled_key(state, dict_)):
            raise ObjectDeletedError(state)
        return
    if not passive & NO_AUTOFLUSH:
        session._autoflush()
    options = state.load_options or ()
    if whole and state.extras is not None and state.extras.pop(PARTLY_EXPIRED, False):
        state.expired = True
    if state.expired and whole:
        state.expired = False
        found = None
        try:
            found = load_by_identity(
                session,
                mapper,
                state.identity,
                options=options,
                path=path_of(state) if options else None,
                identity_token=state.identity_token,
                only_keys=expired_with_row(mapper) if options else None,
                kind="column",
            )
        finally:
            if found is None:
                state.expired = True
        if found is None:
            raise ObjectDeletedError(state)
        columns = frozenset(key for key in columns if key not in dict_ and key not in (state.committed or ()))
        if not columns:
            return
    conditions = has_criteria(options)
    if conditions or ("do_orm_execute" in heard and session.dispatch.do_orm_execute):
        found = load_by_identity(
            session,
            mapper,
            state.identity,
            identity_token=state.identity_token,
            refresh_of=state,
            only_keys=columns,
            kind="column",
            options=options if conditions else (),
            path=path_of(state) if conditions else None,
        )
        if found is None:
            raise ObjectDeletedError(state)
        state.unexpire(columns)
    elif not row_columns(mapper, columns).load(session, state, dict_):
        raise ObjectDeletedError(state)


def expired_with_row(mapper: Any) -> frozenset[str]:
    """Give the attributes that an expired object has back after its next load: no columns of their own SELECT.

    Options that the object was loaded with are no reason to leave out one of these columns, or to load another.
    """
    memo = memo_of(mapper)
    found: frozenset[str] | None = memo.get("expired")
    if found is None:
        related = [prop.key for prop in mapper.props.values() if prop.is_relationship]
        found = memo.setdefault("expired", mapper.class_manager.expirable.union(related))
    return found


def unfiled_key(state: Any, dict_: dict[str, Any]) -> Any:
    """Give the primary key of an object that a flush has inserted, and has not made persistent yet.

    :raises InvalidRequestError: the object does not have all of it.
    """
    values = tuple([dict_.get(key) for key in state.manager.mapper.pk_keys])
    if None in values:
        raise InvalidRequestError(
            f"Cannot load attributes of a {state.class_.__name__} object that has no complete primary key; flush it "
            "first"
        )
    return values if len(values) > 1 else values[0]


def has_criteria(options: Any) -> bool:
    """Tell whether options that an object carries put conditions on what its columns may be worked out from."""
    return bool(options) and any(getattr(option, "is_loader_criteria", False) for option in options)


def is_row_key(mapper: Any, key: str) -> bool:
    """Tell whether an attribute is a column of the row."""
    prop = mapper.props.get(key)
    return prop is not None and prop.is_column


def row_is_gone(state: Any) -> InvalidRequestError:
    """Give the error of a refresh that finds no row."""
    return InvalidRequestError(
        f"Cannot refresh the {state.class_.__name__} object with primary key {state.identity!r}: "
        "its row is not in the database"
    )


def refresh_state(
    session: Any,
    state: Any,
    keys: Iterable[str] | None = None,
    with_for_update: Any = None,
    *,
    options: Sequence[Any] = (),
    autoflush: bool = True,
) -> None:
    """Load the row of an object again, over what the object has.

    :param session: its Session.
    :param state: its state.
    :param keys: the attributes to load; all by default.
    :param with_for_update: see :func:`load_by_identity`.
    :raises InvalidRequestError: the object has no identity, or its row is gone.
    """
    ident = state.identity
    if ident is None:
        raise InvalidRequestError(
            f"Cannot refresh a {state.class_.__name__} object that is not persistent in this Session; flush it first"
        )
    mapper = state.manager.mapper
    only = None if keys is None else frozenset(keys)
    later = () if only is None else [key for key in mapper.props if key in only and loads_when_read(mapper, key)]
    if only is not None and not all(is_row_key(mapper, key) for key in only):
        # related objects are found by the key
        only = only.union(mapper.pk_keys)
    given = options or state.load_options or ()
    lock = lock_arguments(with_for_update)
    if (
        only
        and not given
        and lock is None
        and not ("do_orm_execute" in heard and session.dispatch.do_orm_execute)
        and all(is_row_key(mapper, key) for key in only)
    ):
        try:
            load_columns(state, only, PASSIVE_OFF | NO_AUTOFLUSH)
        except ObjectDeletedError:
            raise row_is_gone(state) from None
        end_expiry(state)
        return
    partial = mapper.composite_key and any(value is None for value in ident)
    if given or lock is not None or partial:
        found = load_by_identity(
            session,
            mapper,
            ident,
            options=given,
            path=path_of(state) if given and not options else None,
            with_for_update=with_for_update,
            identity_token=state.identity_token,
            refresh_of=state,
            only_keys=only,
            kind="refresh",
        )
    else:
        found = load_row(
            session,
            mapper,
            ident,
            identity_token=state.identity_token,
            refresh_of=state,
            only_keys=only,
            kind="refresh",
        )
    if found is None:
        raise row_is_gone(state)
    end_expiry(state)
    if not later:
        return
    dict_ = state.dict
    for key in later:
        if key not in dict_:
            passive = PASSIVE_NO_FETCH_RELATED if leads_back(mapper, key) else PASSIVE_OFF
            state.manager[key].impl.get(state, dict_, passive | NO_RAISE)


def loads_when_read(mapper: Any, key: str) -> bool:
    """Tell whether a refresh that names a relationship has to load it by itself if the SELECT does not."""
    prop = mapper.props.get(key)
    return prop is not None and prop.is_relationship and prop.strategy in LOADED


def end_expiry(state: Any) -> None:
    """Note that an object that had expired as a whole has some of its values again: it has not expired any more.

    What is left is loaded at the next read as it would be for all, with what is loaded eagerly.
    """
    if state.expired:
        state.expired = False
        state.extra(PARTLY_EXPIRED, lambda: True)


def leads_back(mapper: Any, key: str) -> bool:
    """Tell whether a many-to-one leads to the class that it comes from, which ends eager loading unless ``join_depth``
    says how far it goes: a refresh takes what the Session has, and leaves the rest to the moment of reading.
    """
    prop = mapper.props[key]
    return prop.mapper is mapper and prop.use_get and not prop.join_depth


LOADED = frozenset({"select", "peers", "joined", "selectin", "subquery", "immediate", "raise", "raise_on_sql"})
"""Strategies of relationships that can be loaded into their attribute, also where a read of it may not."""


hooks.load_scalars = load_scalars
