"""The Session: the public verbs, put together.

A reader who follows a flush goes on to ``flush/unitofwork.py``; a statement, to ``statements.py``; an object's life, to
``lifecycle.py``; a transaction, to ``transaction.py``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy, deepcopy
from threading import RLock
from types import TracebackType
from typing import Any, Literal, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import (
    ArgumentError,
    IllegalStateChangeError,
    InvalidRequestError,
    SADeprecationWarning,
    StatementError,
)
from sqlalchemy.util import IdentitySet, immutabledict

from session import merge as merging
from session._accel import identity
from session.binds import Binds
from session.bulk import Bulk
from session.constants import PASSIVE_NO_INITIALIZE, UNSET
from session.expiry import Expiry
from session.flush import unitofwork
from session.instrument.base import instance_state
from session.lifecycle import LifeCycle
from session.lookups import SessionLookups
from session.lookups import all_sessions as _sessions
from session.query import Query
from session.statements import Statements
from session.transaction import ACTIVE, AUTOBEGIN, BEGIN, SessionTransaction, check_managed

__all__ = ["Session"]

_S = TypeVar("_S", bound="Session")
JoinTransactionMode = Literal["conditional_savepoint", "rollback_only", "control_fully", "create_savepoint"]
JOIN_MODES = ("conditional_savepoint", "rollback_only", "control_fully", "create_savepoint")


class _FlushScope:
    """A subtransaction for the length of a ``with`` block.

    :param session: the Session whose work is inside.
    """

    __slots__ = ("session", "transaction")
    transaction: SessionTransaction

    def __init__(self, session: Session) -> None:
        self.session = session

    def __enter__(self) -> SessionTransaction:
        self.transaction = self.session._autobegin_t()._begin()
        return self.transaction

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.transaction.rollback(_cause=error)
            return
        try:
            self.transaction.commit()
        except BaseException as failure:
            self.transaction.rollback(_cause=failure)
            raise


class Session(Statements, LifeCycle, Expiry, Bulk, Binds, SessionLookups):
    """A conversation with the database: the objects loaded and changed in it, and their transaction.

    Not for several threads at once.

    >>> with Session(engine) as session, session.begin():  # doctest: +SKIP
    ...     session.add(User(name="ed"))

    :param bind: an ``Engine`` or ``Connection`` for everything that has no bind of its own.
    :param autoflush: flush pending changes before queries.
    :param future: ``True``; here for programs of another time.
    :param expire_on_commit: expire all objects after each commit.
    :param autobegin: begin a transaction by itself when there is work.
    :param twophase: commit in two phases.
    :param binds: binds by mapped class, mapper, table or base class.
    :param enable_baked_queries: without meaning here.
    :param info: notes of your own, copied into :attr:`info`.
    :param query_cls: the class of what :meth:`query` gives.
    :param autocommit: ``False``; the autocommit mode of the 1.x series is not here.
    :param join_transaction_mode: what to do on a connection that is in a transaction already:
        ``"conditional_savepoint"``, ``"rollback_only"``, ``"control_fully"``, ``"create_savepoint"``.
    :param close_resets_only: ``False`` makes :meth:`close` the end of this Session.
    :param lazy_peers: relationships that load when they are read are loaded for all objects that came in the same
        result, as by :func:`.peerload`. A statement says otherwise with ``lazyload()``.
    :param execution_options: options for all statements; those of the statement win.
    :raises ArgumentError: a parameter has a value that it cannot have.
    """

    # the verbs that are written down elsewhere
    execute = Statements.execute
    scalar = Statements.scalar
    scalars = Statements.scalars
    get = Statements.get
    get_one = Statements.get_one
    add = LifeCycle.add
    add_all = LifeCycle.add_all
    delete = LifeCycle.delete
    delete_all = LifeCycle.delete_all
    expunge = LifeCycle.expunge
    expunge_all = LifeCycle.expunge_all
    enable_relationship_loading = LifeCycle.enable_relationship_loading
    expire = Expiry.expire
    expire_all = Expiry.expire_all
    refresh = Expiry.refresh
    get_bind = Binds.get_bind
    bind_mapper = Binds.bind_mapper
    bind_table = Binds.bind_table
    bulk_save_objects = Bulk.bulk_save_objects
    bulk_insert_mappings = Bulk.bulk_insert_mappings
    bulk_update_mappings = Bulk.bulk_update_mappings

    def __init__(
        self,
        bind: Engine | Connection | None = None,
        *,
        autoflush: bool = True,
        future: Literal[True] = True,
        expire_on_commit: bool = True,
        autobegin: bool = True,
        twophase: bool = False,
        binds: Mapping[Any, Engine | Connection] | None = None,
        enable_baked_queries: bool = True,
        info: Mapping[Any, Any] | None = None,
        query_cls: type[Query[Any]] | None = None,
        autocommit: Literal[False] = False,
        join_transaction_mode: JoinTransactionMode = "conditional_savepoint",
        close_resets_only: Any = UNSET,
        execution_options: Mapping[str, Any] | None = None,
        lazy_peers: bool = False,
    ) -> None:
        if autocommit:
            raise ArgumentError(
                "Session(autocommit=True) belongs to the 1.x series and is not supported; "
                "use 'with session.begin():' for each unit of work"
            )
        if not future:
            raise ArgumentError("Session(future=...) can be True only")
        if join_transaction_mode not in JOIN_MODES:
            raise ArgumentError(
                f"join_transaction_mode is one of {', '.join(JOIN_MODES)}; not {join_transaction_mode!r}"
            )
        self._start()
        self._finish_on_close = close_resets_only is False
        self.bind = bind
        self._binds = immutabledict()
        self._own_get_bind = type(self).get_bind is not Binds.get_bind
        self.autoflush = autoflush
        self.autobegin = autobegin
        self.expire_on_commit = expire_on_commit
        self.lazy_peers = lazy_peers
        self.enable_baked_queries = enable_baked_queries
        self.twophase = twophase
        self.join_transaction_mode: JoinTransactionMode = join_transaction_mode
        self.execution_options: Mapping[str, Any] = immutabledict(execution_options or {})
        self._query_cls: type[Query[Any]] = query_cls or Query
        self._info: dict[Any, Any] | None = dict(info) if info else None
        for key, value in (binds or {}).items():
            self._add_bind(key, value)

    def _start(self) -> None:
        """Begin empty, with a number of its own."""
        self.identity_map = identity.IdentityMap(self)
        self.hash_key: int = self.identity_map.session_id
        self._new = {}
        self._deleted = {}
        self._insert_count = 0
        self._emptied = 0
        self._held = []
        self._transaction: SessionTransaction | None = None
        self._nested_transaction: SessionTransaction | None = None
        self._manager: SessionTransaction | None = None
        self._moving = RLock()
        self._flushing = False
        self._warn_on_events = False
        self._finished = False
        _sessions[self.hash_key] = self

    def __deepcopy__(self: _S, memo: dict[int, Any]) -> _S:
        """Give another Session with the same settings and binds, as long as this one is not in use."""
        if self._transaction is not None or not self._is_clean() or len(self.identity_map):
            raise TypeError("A Session that is in use cannot be copied: its objects and its transaction are its own")
        made = memo[id(self)] = copy(self)
        made.__dict__.pop("dispatch", None)  # who listens to this one
        made._start()
        made._info = deepcopy(self._info, memo)
        return made

    @property
    def info(self) -> dict[Any, Any]:
        """Notes of your own."""
        if self._info is None:
            self._info = {}
        return self._info

    @info.setter
    def info(self, notes: dict[Any, Any]) -> None:
        self._info = notes

    def _async_session(self) -> Any:
        """Give the ``AsyncSession`` around this Session, ``None`` if there is none."""
        asynchronous = sys.modules.get("sqlalchemy.ext.asyncio")
        return None if asynchronous is None else asynchronous.async_session(self)

    # -- as a context manager ------------------------------------------------------------------

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _maker_context_manager(self: _S) -> Iterator[_S]:
        with self, self.begin():
            yield self

    # -- transactions --------------------------------------------------------------------------

    def _autobegin_t(self, begin: bool = False) -> SessionTransaction:
        """Give the present transaction; begin one if there is none."""
        transaction = self._transaction
        if transaction is not None:
            return transaction
        if self._finished:
            raise InvalidRequestError(
                "This Session was closed for good (close_resets_only=False); make a new one for more work"
            )
        if not begin and not self.autobegin:
            raise InvalidRequestError("This Session does not begin by itself (autobegin=False); call begin() first")
        self._keep_others_out("begin")
        try:
            if self._transaction is None:
                return SessionTransaction(self, BEGIN if begin else AUTOBEGIN)
            return self._transaction
        finally:
            self._moving.release()

    def _keep_others_out(self, operation: str) -> None:
        """Take the lock of this Session's transactions for what another thread must not meet half done.

        :raises IllegalStateChangeError: another thread has it.
        """
        if not self._moving.acquire(False):
            raise IllegalStateChangeError(
                f"{operation}() was called while another thread flushes this Session, or begins or ends a transaction "
                "in it; use one Session per thread or task",
                code="isce",
            )

    def _autobegin_for_change(self) -> None:
        """Begin for the first change of an attribute."""
        if self._transaction is None:
            self._autobegin_t()

    def begin(self, nested: bool = False) -> SessionTransaction:
        """Begin a transaction, or with ``nested`` a savepoint.

        :return: the transaction; a context manager that commits, or rolls back on an error.
        :raises InvalidRequestError: one has begun already.
        """
        transaction = self._transaction
        if transaction is None:
            transaction = self._autobegin_t(begin=True)
            if not nested:
                return transaction
        if not nested:
            raise InvalidRequestError(
                "A transaction has already begun on this Session, perhaps by itself with the first work; "
                "call begin() earlier, or begin_nested() for a savepoint"
            )
        inner = transaction._begin(nested=True)
        self._nested_transaction = inner
        return inner

    def begin_nested(self) -> SessionTransaction:
        """Flush, and begin a savepoint.

        Its rollback restores what changed since; its commit keeps that for the transaction around it.
        """
        return self.begin(nested=True)

    def commit(self) -> None:
        """Flush, commit all levels of the transaction, and expire all objects (see ``expire_on_commit``).

        :raises PendingRollbackError: a flush has failed and was not followed by a rollback.
        """
        self._autobegin_t().commit(_to_root=True)

    def rollback(self) -> None:
        """Roll back all levels of the transaction, and restore the objects; without one, do nothing."""
        transaction = self._transaction
        if transaction is not None:
            transaction.rollback(_to_root=True)

    def prepare(self) -> None:
        """Flush, and prepare all connections for a commit in two phases.

        :raises InvalidRequestError: the Session is not a two-phase one.
        """
        self._autobegin_t().prepare()

    def close(self) -> None:
        """Let go of all objects and of the connections; what was not committed is rolled back.

        The Session can be used again, unless it was made with ``close_resets_only=False``.
        """
        self._end(finish=self._finish_on_close)

    def reset(self) -> None:
        """Let go of all objects and of the connections, as :meth:`close` does; the Session can be used again."""
        self._end()

    def invalidate(self) -> None:
        """Close, and invalidate the connections: for when a timeout has left them in an unknown state."""
        self._end(finish=self._finish_on_close, invalidate=True)

    def _end(self, finish: bool = False, invalidate: bool = False) -> None:
        self._keep_others_out("close")
        try:
            if finish:
                self._finished = True
            try:
                self.expunge_all()
            finally:
                self._close_levels(invalidate)
        finally:
            self._moving.release()

    def _close_levels(self, invalidate: bool) -> None:
        transaction = self._transaction
        if transaction is None:
            return
        levels = list(transaction._lineage())
        for level in levels:
            level.check_closable()
        gone = [state for level in levels for state in level.snapshot.deleted]
        with ExitStack() as innermost_first:
            for level in reversed(levels):
                innermost_first.callback(level.close, invalidate)
        self._detach_states(gone)

    def in_transaction(self) -> bool:
        """True if a transaction has begun."""
        return self._transaction is not None

    def in_nested_transaction(self) -> bool:
        """True if a savepoint has begun."""
        return self._nested_transaction is not None

    def get_transaction(self) -> SessionTransaction | None:
        """Give the root transaction, or ``None``."""
        transaction = self._transaction
        while transaction is not None and transaction.parent is not None:
            transaction = transaction.parent
        return transaction

    def get_nested_transaction(self) -> SessionTransaction | None:
        """Give the innermost savepoint, or ``None``."""
        return self._nested_transaction

    @property
    def is_active(self) -> bool:
        """False after a flush has failed, until :meth:`rollback`."""
        transaction = self._transaction
        return transaction is None or transaction.is_active

    # -- connections ---------------------------------------------------------------------------

    def connection(
        self, bind_arguments: Mapping[str, Any] | None = None, execution_options: Mapping[str, Any] | None = None
    ) -> Connection:
        """Give the connection of this Session's transaction.

        :param bind_arguments: arguments for :meth:`get_bind`, where there are several binds.
        :param execution_options: options for the connection; they count if this is its first use.
        """
        arguments = dict(bind_arguments) if bind_arguments else {}
        bind = arguments.pop("bind", None)
        if bind is None:
            bind = self.get_bind(**arguments)
        return self._connection_for_bind(bind, execution_options)

    def _connection_for_bind(
        self, bind: Engine | Connection, execution_options: Mapping[str, Any] | None = None
    ) -> Connection:
        manager, transaction = self._manager, self._transaction
        if manager is not None and not (manager is transaction and manager._state is ACTIVE):
            check_managed(self)
        if transaction is None:
            transaction = self._autobegin_t()
        elif execution_options is None and transaction._state is ACTIVE:
            enlisted = transaction._connections.get(bind)
            if enlisted is not None:
                return enlisted.connection
        return transaction._connection_for_bind(bind, execution_options)

    # -- flush ---------------------------------------------------------------------------------

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write all pending changes to the database, in the Session's transaction.

        :param objects: only these objects (old, and seldom right).
        :raises InvalidRequestError: a flush is at work already.
        :raises IllegalStateChangeError: another thread is at work in this Session; it cannot empty it meanwhile either,
            nor begin or end a transaction, also where a listener waits for it.
        """
        if self._flushing:
            raise InvalidRequestError(
                "This Session is already flushing; a listener that runs during a flush cannot call flush() itself"
            )
        if objects:
            warnings.warn(
                "Session.flush(objects) is deprecated: it writes a part of what belongs together",
                SADeprecationWarning,
                stacklevel=2,
            )
        if self._is_clean():
            return
        self._keep_others_out("flush")
        self._flushing = True
        try:
            unitofwork.flush(self, objects)
        finally:
            self._flushing = False
            self._held.clear()
            self._moving.release()

    def _flush_scope(self) -> _FlushScope:
        """The transaction of one flush: an error inside rolls the innermost real transaction back."""
        return _FlushScope(self)

    def _autoflush(self) -> None:
        if not (self._new or self._deleted or self.identity_map._modified) or not self.autoflush or self._flushing:
            return
        try:
            self.flush()
        except StatementError as error:
            error.add_detail(
                "This came from the flush before a query (autoflush); if that is too early, "
                "put the query into a 'with session.no_autoflush:' block"
            )
            raise

    @property
    @contextmanager
    def no_autoflush(self: _S) -> Iterator[_S]:
        """A context manager in which nothing is flushed by itself."""
        before, self.autoflush = self.autoflush, False
        try:
            yield self
        finally:
            self.autoflush = before

    def _is_clean(self) -> bool:
        return not self._new and not self._deleted and not self.identity_map._modified

    @property
    def _dirty_states(self) -> set[Any]:
        """The states of persistent objects with attributes that were set."""
        return set(self.identity_map._modified)

    # -- what is in it -------------------------------------------------------------------------

    @property
    def new(self) -> Any:
        """The pending objects."""
        return IdentitySet(self._new.values())

    @property
    def deleted(self) -> Any:
        """The objects that the next flush will delete."""
        return IdentitySet(self._deleted.values())

    @property
    def dirty(self) -> Any:
        """The persistent objects with attributes that were set; :meth:`is_modified` tells about true changes."""
        objects = [state() for state in list(self.identity_map._modified) if state not in self._deleted]
        return IdentitySet([obj for obj in objects if obj is not None])

    def __contains__(self, instance: object) -> bool:
        return self._contains_state(instance_state(instance))

    def __iter__(self) -> Iterator[Any]:
        return iter([*self._new.values(), *self.identity_map.values()])

    def is_modified(self, instance: Any, include_collections: bool = True) -> bool:
        """Tell whether an object has changes that a flush would write, as far as loaded values show.

        :param instance: an object.
        :param include_collections: count changes of collections too.
        """
        state = instance_state(instance)
        if not state.modified:
            return False
        values = state.dict
        for key in {*(state.committed or ()), *(state.peek("pending") or ())}:
            impl = state.manager[key].impl
            if impl.collection and not include_collections:
                continue
            added, _, deleted = impl.get_history(state, values, PASSIVE_NO_INITIALIZE)
            if added or deleted:
                return True
        return False

    # -- more verbs ----------------------------------------------------------------------------

    def query(self, *entities: Any, **kwargs: Any) -> Query[Any]:
        """Give a ``Query`` for mapped classes, attributes or SQL expressions."""
        return self._query_cls(entities, self, **kwargs)

    def merge(self, instance: Any, *, load: bool = True, options: Sequence[Any] | None = None) -> Any:
        """Copy the loaded attributes of an object on to this Session's own object of the same primary key.

        That object is taken from the Session, or loaded by a SELECT, or made as a new one.  Relationships with
        the ``merge`` cascade go on to what is behind them.

        :param instance: an object, of whatever Session or none.
        :param load: ``False`` emits no SQL and takes the values as they stand in the database.
        :param options: loader options for the SELECT.
        :return: the Session's object; ``instance`` itself stays outside.
        :raises InvalidRequestError: with ``load=False``, the object has pending changes or no row.
        :raises StaleDataError: the object has another version than the Session's.
        """
        return merging.merge(self, instance, load, options)

    def merge_all(
        self, instances: Iterable[Any], *, load: bool = True, options: Sequence[Any] | None = None
    ) -> list[Any]:
        """Merge many objects, as :meth:`merge` does with each; what they share is merged once."""
        return merging.merge_all(self, instances, load, options)

    def _merge(
        self,
        state: Any,
        state_dict: dict[str, Any],
        *,
        load: bool = True,
        options: Sequence[Any] | None = None,
        recursive: dict[Any, Any],
        resolve_conflict_map: dict[Any, Any],
    ) -> Any:
        return merging.merge_state(self, state, state_dict, load, options, recursive, resolve_conflict_map)
