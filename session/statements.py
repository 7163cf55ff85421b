"""Running statements for the user of a Session, and looking up objects by primary key.

``execute`` lets ``do_orm_execute`` listeners have their say and hands over to ``load/execute.py``; ``get`` looks
into the identity map first, and on a hit needs nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.engine import Connection, Result, ScalarResult
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoResultFound, SAWarning
from sqlalchemy.schema import DefaultGenerator

from session._accel import identity
from session.constants import CLASS_MANAGER, PASSIVE_OFF
from session.core.selects import is_entity_select, mapper_of
from session.core.sql import coercions, roles
from session.exc import ObjectDeletedError
from session.execute_state import ORMExecuteState
from session.heard import heard
from session.load.execute import execute_select, execute_statement
from session.load.refresh import load_by_identity, prepared_identity
from session.mapping.composite import composite_key

__all__ = ["Statements"]

NO_OPTIONS = identity.NO_OPTIONS

_PLAIN_KEYS = frozenset({int, str, bytes})
"""Types of primary key values that cannot be anything else than one value."""


class Statements:
    """Statements and look-ups of a Session."""

    #: whether equal keys of one class may be several objects, told apart by tokens that ``_token_of()`` gives
    _tells_tokens = False
    _token_of: Callable[..., Any]

    identity_map: Any
    dispatch: Any
    execution_options: Mapping[str, Any]
    _autoflush: Callable[[], None]
    _remove_newly_deleted: Callable[[Iterable[Any]], None]
    _connection_for: Callable[..., Connection]

    # -- statements ----------------------------------------------------------------------------

    def execute(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        bind_arguments: Mapping[str, Any] | None = None,
        _parent_execute_state: Any = None,
        _add_event: Callable[[ORMExecuteState], Any] | None = None,
    ) -> Result[Any]:
        """Execute a statement in the Session's transaction.

        ORM-enabled statements (of mapped classes and their attributes) flush pending changes first, and give
        objects; other Core statements and ``text()`` go to the connection.

        >>> session.execute(select(User).where(User.name == "ed")).scalars().all()  # doctest: +SKIP

        :param statement: an executable Core construct.
        :param params: a mapping of parameters, or a list of mappings for an INSERT, UPDATE or DELETE.
        :param execution_options: options of this execution; they win over those of the statement.
        :param bind_arguments: arguments for :meth:`get_bind`: ``mapper``, ``clause``, ``bind``, or your own.
        :return: a Core ``Result``.
        :raises ArgumentError: ``statement`` cannot be executed.
        """
        listeners = None
        if _add_event is not None:
            listeners = [*self.dispatch.do_orm_execute, _add_event]
        return self._execute(statement, params, execution_options, bind_arguments, listeners)  # type: ignore[no-any-return]

    def scalar(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        bind_arguments: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> Any:
        """Execute a statement, and give the first column of its first row, or ``None`` without rows.

        Arguments are those of :meth:`execute`; a ``Sequence`` or another default gives its next value.
        """
        if isinstance(statement, DefaultGenerator):
            connection = self._connection_for(bind_arguments=bind_arguments)
            return connection.scalar(statement, params, execution_options=execution_options)
        if keywords:
            return self.execute(
                statement, params, execution_options=execution_options, bind_arguments=bind_arguments, **keywords
            ).scalar()
        return self._execute(statement, params, execution_options, bind_arguments).scalar()

    def scalars(
        self,
        statement: Any,
        params: Any = None,
        *,
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        bind_arguments: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> ScalarResult[Any]:
        """Execute a statement, and give the first column of its rows.

        Arguments are those of :meth:`execute`.

        :return: a Core ``ScalarResult``.
        """
        if keywords:
            return self.execute(
                statement, params, execution_options=execution_options, bind_arguments=bind_arguments, **keywords
            ).scalars()
        return self._execute(statement, params, execution_options, bind_arguments).scalars()  # type: ignore[no-any-return]

    def _execute(
        self,
        statement: Any,
        params: Any,
        execution_options: Mapping[str, Any],
        bind_arguments: Mapping[str, Any] | None,
        listeners: Sequence[Callable[[ORMExecuteState], Any]] | None = None,
    ) -> Any:
        """Execute a statement; ``listeners`` are those that still have to hear of it, all by default."""
        entity_select = is_entity_select(statement)
        if not entity_select:
            statement = coercions.expect(roles.StatementRole, statement)
        if self.execution_options:
            own = statement.get_execution_options()
            added = {name: value for name, value in self.execution_options.items() if name not in own}
            execution_options = {**added, **execution_options}
        if listeners is None and "do_orm_execute" in heard:
            listeners = self.dispatch.do_orm_execute
        if listeners:
            mapper = mapper_of(statement)
            shown = {"clause": statement} if mapper is None else {"clause": statement, "mapper": mapper}
            arguments = {"clause": statement, **(bind_arguments or {})}
            if mapper is not None:
                arguments["mapper"] = mapper
            execution = ORMExecuteState(self, statement, params, execution_options, arguments, list(listeners))  # type: ignore[arg-type]
            result = execution.run()
            if result is not None:
                return result
            statement, params = execution.statement, execution.parameters
            execution_options = execution.local_execution_options
            # what was only shown to the listeners is no wish of the user's, also not for the loads that follow
            given = bind_arguments or {}
            bind_arguments = {
                name: value
                for name, value in execution.bind_arguments.items()
                if name in given or shown.get(name) is not value
            }
        elif entity_select:
            return execute_select(self, statement, params, execution_options, bind_arguments)
        return execute_statement(self, statement, params, execution_options, bind_arguments)

    # -- by primary key ------------------------------------------------------------------------

    get = identity.get

    def _get(
        self,
        entity: Any,
        ident: Any,
        options: Sequence[Any] | None,
        populate_existing: bool | None,
        with_for_update: Any,
        identity_token: Any,
        execution_options: Mapping[str, Any],
        bind_arguments: Mapping[str, Any] | None,
    ) -> Any:
        """Give the object with a primary key, where the short way of :meth:`get` has not found it."""
        try:
            mapper = entity.__dict__[CLASS_MANAGER].mapper
        except (AttributeError, KeyError):
            mapper = _mapper_of(entity)
        if mapper.registry.pending:
            mapper.ensure_configured()
        if mapper.composite_key or ident.__class__ not in _PLAIN_KEYS:
            ident = _raw_key(mapper, ident)
            if ident is None:
                return None
        if populate_existing is not None:
            execution_options = {**execution_options, "populate_existing": populate_existing}
        elif execution_options:
            populate_existing = bool(execution_options.get("populate_existing", False))
        if not populate_existing and (with_for_update is None or with_for_update is False):
            if identity_token is None and execution_options:
                identity_token = execution_options.get("identity_token")
            token = identity_token
            if token is None and self._tells_tokens:
                token = self._token_of(mapper, ident, None, execution_options, bind_arguments)
            shelf = self.identity_map.shelves.get((mapper.identity_class, token))
            state = None if shelf is None else shelf.get(ident)
            obj = None if state is None else state()
            if state is not None and obj is not None:
                if state.manager.mapper is not mapper and not isinstance(obj, mapper.class_):
                    return None
                if state.expired:
                    return self._still_there(state, obj)
                if not mapper.composite_key and type(obj) is entity:
                    self.identity_map.remember(entity, mapper.identity_class)
                return obj
        elif with_for_update == {}:
            raise ArgumentError("with_for_update={} is ambiguous: give True, or a dictionary with options in it")
        watched = "do_orm_execute" in heard and bool(self.dispatch.do_orm_execute)
        if not watched and execution_options.get("autoflush", True):  # else the statement that is announced does it
            self._autoflush()
        if self.execution_options:
            execution_options = {**self.execution_options, **execution_options}
        elif not (execution_options or options or mapper.composite_key) and with_for_update is None:
            prepared = prepared_identity(mapper)
            return prepared.first(self, {prepared.names[0]: ident}, identity_token, bind_arguments)
        return load_by_identity(
            self,
            mapper,
            ident if mapper.composite_key else (ident,),
            options=options or (),
            populate_existing=bool(populate_existing),
            with_for_update=with_for_update,
            identity_token=identity_token,
            execution_options=execution_options,
            bind_arguments=bind_arguments,
            autoflush=watched,
        )

    def get_one(
        self,
        entity: Any,
        ident: Any,
        *,
        options: Sequence[Any] | None = None,
        populate_existing: bool | None = None,
        with_for_update: Any = None,
        identity_token: Any = None,
        execution_options: Mapping[str, Any] = NO_OPTIONS,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """Give the object with a primary key, as :meth:`get` does, but never ``None``.

        :raises NoResultFound: there is no such row.
        """
        found = self.get(
            entity,
            ident,
            options=options,
            populate_existing=populate_existing,
            with_for_update=with_for_update,
            identity_token=identity_token,
            execution_options=execution_options,
            bind_arguments=bind_arguments,
        )
        if found is None:
            name = getattr(entity, "__name__", None) or str(entity)
            raise NoResultFound(f"No row was found for {name} with the primary key {ident!r}")
        return found

    def _still_there(self, state: Any, obj: Any) -> Any:
        """Load the row of an expired object; give the object, or ``None`` if the row is gone."""
        try:
            state.load_expired(PASSIVE_OFF)
        except ObjectDeletedError:
            self._remove_newly_deleted([state])
            return None
        return obj


def _mapper_of(entity: Any) -> Any:
    found = inspect(entity)
    if not getattr(found, "is_mapper", False):
        raise ArgumentError(f"get() needs a mapped class or mapper, not {entity!r}")
    return found


def _raw_key(mapper: Any, ident: Any) -> Any:
    """A primary key as the identity map knows it: the value itself, or a tuple of several.

    :return: ``None`` for a key without any value.
    :raises InvalidRequestError: it does not have the right number of values, or names.
    """
    columns = mapper.primary_key
    if isinstance(ident, dict):
        values = _by_name(mapper, ident)
    elif isinstance(ident, (tuple, list)) or hasattr(ident, "_mapping"):
        values = tuple(ident)
    else:
        values = composite_key(mapper, ident) or (ident,)
    if len(values) != len(columns):
        raise InvalidRequestError(
            f"The primary key of {mapper.class_.__name__} has {len(columns)} column(s), "
            f"{', '.join(map(str, columns))}; get() was given {len(values)} value(s): {ident!r}"
        )
    if all(value is None for value in values):
        warnings.warn(
            f"No row of {mapper.class_.__name__} can have a primary key that is NULL altogether; get() gives None",
            SAWarning,
            stacklevel=3,
        )
        return None
    return values if mapper.composite_key else values[0]


def _by_name(mapper: Any, ident: dict[str, Any]) -> tuple[Any, ...]:
    keys = mapper.pk_keys
    if len(ident) != len(keys):
        return tuple(ident.values())
    synonyms = {synonym.key: synonym.name for synonym in mapper.synonyms}
    given = {synonyms.get(name, name): value for name, value in ident.items()}
    missing = [key for key in keys if key not in given]
    if missing:
        raise InvalidRequestError(
            f"The primary key of {mapper.class_.__name__} goes by the attributes {', '.join(keys)}; "
            f"get() was given a dictionary with {', '.join(map(repr, ident))}"
        )
    return tuple(given[key] for key in keys)
