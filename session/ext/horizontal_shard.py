"""Horizontal sharding: one Session for several databases of the same tables, each with some of the rows.

A :class:`ShardedSession` asks functions of the user's in which *shard* the row of an object is (``shard_chooser``),
where a primary key may be found (``identity_chooser``), and to which shards a statement goes (``execute_chooser``).
The API is that of ``sqlalchemy.ext.horizontal_shard``, for Sessions of this package.

How it works: the shard of an object is its ``identity_token``, so that equal keys of two shards are two objects.
Every statement, those of loaders too, passes a listener of ``do_orm_execute``, which runs it in the shards that are
asked for and merges the results; a flush divides objects by ``Session.connection_callable``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import event, inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, InvalidRequestError, UnboundExecutionError
from sqlalchemy.util import warn_deprecated

from session.execute_state import ORMExecuteState, UserDefinedOption, invoke_for_token
from session.query import Query
from session.sessions import Session

__all__ = ["ShardedQuery", "ShardedSession", "set_shard_id"]


_S = TypeVar("_S", bound="ShardedSession")


class set_shard_id(UserDefinedOption):
    """An option that sends a statement to one shard, and with it the loads of related objects and columns.

    ::

        select(User).where(User.name == "ed").options(set_shard_id("europe"))

    The argument ``bind_arguments={"shard_id": "europe"}`` of ``execute()`` is for the statement alone.

    :param shard_id: the shard.
    :param propagate_to_loaders: ``False`` leaves out lazy loads from the objects that the statement loads.
    """

    def __init__(self, shard_id: Any, propagate_to_loaders: bool = True) -> None:
        super().__init__(shard_id)
        self.shard_id = shard_id
        self.propagate_to_loaders = propagate_to_loaders


class ShardedQuery(Query[Any]):
    """The Query of a :class:`ShardedSession`."""

    def set_shard(self, shard_id: Any) -> Any:
        """Give a query that goes to one shard, and so do the loads that follow it."""
        return self.options(set_shard_id(shard_id))


class ShardedSession(Session):
    """A Session over several databases.

    >>> maker = sessionmaker(  # doctest: +SKIP
    ...     class_=ShardedSession,
    ...     shards={"asia": create_engine(...), "europe": create_engine(...)},
    ...     shard_chooser=lambda mapper, instance, clause=None: instance.continent,
    ...     identity_chooser=lambda mapper, primary_key, **context: ["asia", "europe"],
    ...     execute_chooser=lambda execution: ["asia", "europe"],
    ... )

    :param shard_chooser: ``shard_chooser(mapper, instance, clause=None)`` gives the shard of an object that is to be
        inserted. It is asked once: afterwards the object's ``identity_token`` tells. Without an object it is asked for
        the bind of a class, or of a statement that came by no other way.
    :param identity_chooser: ``identity_chooser(mapper, primary_key, lazy_loaded_from=, execution_options=,
        bind_arguments=)`` gives the shards in which objects with a primary key may be. :meth:`get` and many-to-one
        relationships look there for one that the Session has; ``lazy_loaded_from`` is the state that has the
        relationship.
    :param execute_chooser: ``execute_chooser(execution)`` gives the shards in which a statement is to run, from an
        ``ORMExecuteState``. Rows come in the order of the shards, whatever ``ORDER BY`` says. It is not asked
        where the shard is known: by :class:`set_shard_id`, by ``bind_arguments={"shard_id": ...}``, by the execution
        option ``identity_token``, and for columns of an object that was loaded.
    :param shards: engines by shard; see :meth:`bind_shard`.
    :param query_cls: the class of what :meth:`query` gives.
    :param id_chooser: ``id_chooser(query, primary_key)``, the old form of ``identity_chooser``.
    :param query_chooser: ``query_chooser(statement)``, the old form of ``execute_chooser``.
    :param keywords: the arguments of :class:`session.Session`.
    :raises ArgumentError: a chooser is missing, or given in both forms.
    """

    _tells_tokens = True

    def __init__(
        self,
        shard_chooser: Callable[..., Any],
        identity_chooser: Callable[..., Iterable[Any]] | None = None,
        execute_chooser: Callable[[ORMExecuteState], Iterable[Any]] | None = None,
        shards: Mapping[Any, Engine] | None = None,
        query_cls: Any = ShardedQuery,
        *,
        id_chooser: Callable[[Any, Any], Iterable[Any]] | None = None,
        query_chooser: Callable[[Any], Iterable[Any]] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(query_cls=query_cls, **keywords)
        self.shard_chooser = shard_chooser
        self.identity_chooser = _one_form(
            "identity_chooser", identity_chooser, "id_chooser", id_chooser, self._ask_id_chooser
        )
        self.execute_chooser = _one_form(
            "execute_chooser", execute_chooser, "query_chooser", query_chooser, self._ask_query_chooser
        )
        self._id_chooser, self._query_chooser = id_chooser, query_chooser
        self._shards: dict[Any, Any] = dict(shards or {})
        self._see_to_shards()

    def _see_to_shards(self) -> None:
        """Have flushes and statements come to this Session's shards."""
        if self._id_chooser is not None:
            self.identity_chooser = self._ask_id_chooser
        if self._query_chooser is not None:
            self.execute_chooser = self._ask_query_chooser
        self.connection_callable = self._connection_of
        event.listen(self, "do_orm_execute", _run_in_shards, retval=True)

    def __deepcopy__(self: _S, memo: dict[int, Any]) -> _S:
        made = super().__deepcopy__(memo)
        made._shards = dict(self._shards)
        made._see_to_shards()
        return made

    def bind_shard(self, shard_id: Any, bind: Engine) -> None:
        """Use an engine for a shard."""
        self._shards[shard_id] = bind

    def get_bind(
        self,
        mapper: Any = None,
        *,
        shard_id: Any = None,
        instance: Any = None,
        clause: Any = None,
        **keywords: Any,
    ) -> Engine | Connection:
        """Choose the engine of a shard.

        :param mapper: mapper or mapped class that the work is about.
        :param shard_id: the shard, if it is known; else ``shard_chooser`` is asked.
        :param instance: the object that the work is about.
        :param clause: the statement.
        :raises UnboundExecutionError: nothing tells the shard, or there is none of that name.
        """
        if shard_id is None:
            shard_id = self._shard_of(mapper, instance, clause)
        try:
            return self._shards[shard_id]  # type: ignore[no-any-return]
        except KeyError:
            raise UnboundExecutionError(
                f"This ShardedSession has no shard {shard_id!r}, but {', '.join(map(repr, self._shards)) or 'none'}; "
                f"give it one as ShardedSession(shards=...) or by bind_shard()"
            ) from None

    def _shard_of(self, mapper: Any, instance: Any, clause: Any = None) -> Any:
        """Give the shard of an object, which keeps it, or of work on a class."""
        state = None if instance is None else inspect(instance)
        if state is not None and state.identity_token is not None:
            return state.identity_token
        mapper = inspect(mapper) if isinstance(mapper, type) else mapper
        if mapper is None and clause is None:
            raise UnboundExecutionError(
                "Nothing tells the shard of this work: give bind_arguments={'shard_id': ...}, or a mapper and an object"
            )
        found = self.shard_chooser(mapper, instance, **({} if clause is None else {"clause": clause}))
        if found is None:
            raise UnboundExecutionError(
                f"shard_chooser gave no shard for {'work on' if instance is None else 'an object of'} {mapper}"
            )
        if state is not None:
            state.identity_token = found
        return found

    def _connection_of(
        self, mapper: Any = None, instance: Any = None, shard_id: Any = None, **keywords: Any
    ) -> Connection:
        """Give the connection to which a flush writes an object's row."""
        if shard_id is None:
            shard_id = self._shard_of(mapper, instance)
        return self.connection(bind_arguments={"mapper": mapper, "shard_id": shard_id})

    def _token_of(
        self,
        mapper: Any,
        ident: Any,
        lazy_loaded_from: Any = None,
        execution_options: Mapping[str, Any] | None = None,
        bind_arguments: Mapping[str, Any] | None = None,
    ) -> Any:
        """Give the shard of the present object with a primary key; ``None`` if there is none."""
        shelves = self.identity_map.shelves
        shards = self.identity_chooser(
            mapper,
            list(ident) if mapper.composite_key else [ident],
            lazy_loaded_from=lazy_loaded_from,
            execution_options=execution_options or {},
            bind_arguments=dict(bind_arguments or {}),
        )
        for shard in shards:
            state = shelves.get((mapper.identity_class, shard), {}).get(ident)
            if state is not None and state() is not None:
                return shard
        return None

    # -- the choosers of another time --------------------------------------------------------------

    def _ask_id_chooser(self, mapper: Any, primary_key: Any, **context: Any) -> Iterable[Any]:
        assert self._id_chooser is not None
        return self._id_chooser(self.query(mapper), primary_key)

    def _ask_query_chooser(self, execution: ORMExecuteState) -> Iterable[Any]:
        assert self._query_chooser is not None
        return self._query_chooser(execution.statement)


def _one_form(name: str, chooser: Any, old_name: str, old: Any, asks_old: Any) -> Any:
    """Give a chooser that was given in its present form, or in that of another time."""
    if old is not None:
        warn_deprecated(f"The argument {old_name} of ShardedSession is now {name}, a function of more", "1.4")
        if chooser is not None:
            raise ArgumentError(f"ShardedSession takes {name} or {old_name}, not both")
        return asks_old
    if chooser is None:
        raise ArgumentError(f"ShardedSession needs {name}, which tells the shards to look into")
    return chooser


# -- statements --------------------------------------------------------------------------------------


def _run_in_shards(execution: ORMExecuteState) -> Any:
    """Run a statement in its shards; a listener of ``do_orm_execute``."""
    session: Any = execution.session
    known = _known_shard(execution)
    if known is not None:
        return invoke_for_token(execution, known, {"shard_id": known})
    shards = list(session.execute_chooser(execution))
    if not shards:
        raise InvalidRequestError("execute_chooser gave no shard in which the statement is to run; give one at least")
    if len(shards) > 1 and execution.is_executemany and execution.is_orm_statement:
        raise NotImplementedError(
            f"Rows that are given beside an INSERT or UPDATE go to one shard; execute_chooser gave {len(shards)}. Run "
            f"the statement for each shard with its own rows and bind_arguments={{'shard_id': ...}}"
        )
    results = [invoke_for_token(execution, shard, {"shard_id": shard}) for shard in shards]
    return results[0].merge(*results[1:]) if len(results) > 1 else results[0]


def _known_shard(execution: ORMExecuteState) -> Any:
    """Give the shard of a statement where it is known, ``None`` where the user's function has to tell."""
    for option in execution.user_defined_options:
        if isinstance(option, set_shard_id):
            return option.shard_id
    if execution.is_relationship_load:  # where the statement before has run says nothing about this one
        execution.bind_arguments.pop("shard_id", None)
        return None
    token = execution.token
    return execution.bind_arguments.get("shard_id") if token is None else token
