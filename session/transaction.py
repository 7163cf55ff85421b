"""The transaction of a Session: its states, its database connections, and how a rollback restores objects.

A ``SessionTransaction`` is one level of a chain: the root, savepoints on top of it, and short-lived
subtransactions in which a flush runs.  Root and savepoints are *boundaries*: they own database
transactions and a ``Snapshot`` (``snapshot.py``) of what changed since they began.  What comes in: connections asked
for by binds, states reported by the flush.  What goes out: commits, rollbacks, restored objects.
Next on the way: ``sessions.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from sqlalchemy.engine import Connection
from sqlalchemy.exc import InvalidRequestError, PendingRollbackError, ResourceClosedError, SAWarning

from session._accel import state_loops
from session.exc import FlushError
from session.heard import heard
from session.snapshot import Snapshot, filed
from session.state_changes import ANY_STATE, SAME_STATE, Guarded, moves

if TYPE_CHECKING:
    from session.sessions import Session

__all__ = ["SessionTransaction", "SessionTransactionOrigin", "SessionTransactionState"]

FLUSH_ROUNDS = 100
"""How many flushes one commit may need before it gives up."""


class SessionTransactionState(Enum):
    """Where a transaction stands in its life."""

    ACTIVE = 1
    PREPARED = 2
    COMMITTED = 3
    DEACTIVE = 4
    CLOSED = 5
    PROVISIONING_CONNECTION = 6


ACTIVE, PREPARED, COMMITTED, DEACTIVE, CLOSED, PROVISIONING_CONNECTION = SessionTransactionState


class SessionTransactionOrigin(Enum):
    """What made a transaction begin."""

    AUTOBEGIN = 0
    """The first work on the Session."""

    BEGIN = 1
    """``Session.begin()``."""

    BEGIN_NESTED = 2
    """``Session.begin_nested()``: a savepoint."""

    SUBTRANSACTION = 3
    """The Session itself, for the time of a flush."""


AUTOBEGIN, BEGIN, BEGIN_NESTED, SUBTRANSACTION = SessionTransactionOrigin


class _Enlisted(NamedTuple):
    """A connection that takes part in a transaction."""

    connection: Connection
    transaction: Any
    ours_to_end: bool
    ours_to_close: bool


class SessionTransaction(Guarded):
    """One level of the transaction of a :class:`.Session`.

    Made by ``Session.begin()``, ``Session.begin_nested()``, and by the Session itself when work begins.
    As a context manager it commits at the end, or rolls back when the block raises::

        with session.begin():
            session.add(user)

    :ivar session: the Session; ``None`` once closed.
    :ivar origin: what began it, a :class:`SessionTransactionOrigin`.
    :ivar nested: true for a savepoint.
    """

    _previous_nested: SessionTransaction | None = None
    _cause: BaseException | None = None
    _outer_manager: SessionTransaction | None = None
    _managed: Session | None = None

    def __init__(
        self, session: Session, origin: SessionTransactionOrigin, parent: SessionTransaction | None = None
    ) -> None:
        if session._manager is not None:
            check_managed(session)
        self.nested = nested = origin is BEGIN_NESTED
        if nested and parent is None:
            raise InvalidRequestError("A savepoint needs a transaction around it; call begin() before begin_nested()")
        self.session: Session = session
        self.origin = origin
        self._parent = parent
        self._moving = session._moving
        self._state = ACTIVE
        self._boundary = parent is None or nested
        self._connections: dict[Any, _Enlisted] = {}
        if nested:
            self._previous_nested = session._nested_transaction
            if not session._flushing:
                session.flush()
        if self._boundary:
            self.snapshot = Snapshot(parent is None)
            self._enlisted: list[_Enlisted] = []
            self._get_bind = session.get_bind
        else:
            assert parent is not None
            self.snapshot = parent.snapshot
        if parent is not None and parent._state is CLOSED:  # while the savepoint's flush ran
            parent._refuse("begin")
        session._transaction = self
        if "after_transaction_create" in heard:
            session.dispatch.after_transaction_create(session, self)

    # -- what it is ----------------------------------------------------------------------------

    @property
    def parent(self) -> SessionTransaction | None:
        """The transaction around this one, ``None`` for the root."""
        return self._parent

    @property
    def is_active(self) -> bool:
        """True while SQL can run: not after a failed flush, and not once it is prepared."""
        return self._state is ACTIVE

    def _lineage(self, until: SessionTransaction | None = None) -> Iterator[SessionTransaction]:
        """This transaction and those around it that are not closed, up to but without ``until``."""
        one: SessionTransaction | None = self
        while one is not until and one is not None:
            around = one._parent
            if one._state is not CLOSED:  # another thread may close what is around
                yield one
            one = around

    def _inner(self) -> list[SessionTransaction]:
        """Transactions that were begun inside of this one and are still there, innermost first."""
        current = self.session._transaction
        return [] if current is None or current is self else list(current._lineage(until=self))

    def _refuse(self, operation: str) -> NoReturn:
        state = self._state
        if state is DEACTIVE:
            if self._cause is not None:
                raise PendingRollbackError(
                    "This Session's transaction was rolled back by a flush that failed; call rollback() on the "
                    f"Session before any other use. The first error was: {type(self._cause).__name__}: {self._cause}",
                    code="7s2a",
                )
            raise InvalidRequestError(
                f"{operation}() comes too late: this transaction was rolled back already and is 'inactive'; "
                "close it, or call rollback() on the Session"
            )
        if state is CLOSED:
            raise ResourceClosedError(f"{operation}() on a transaction that is closed; begin a new one")
        if state is COMMITTED:
            raise InvalidRequestError(
                f"{operation}() inside of a commit: this Session is in 'committed' state, "
                "and SQL has to wait for the next transaction"
            )
        if state is PREPARED:
            raise InvalidRequestError(
                f"{operation}() after prepare(): this Session is in 'prepared' state "
                "and takes only commit() or rollback()"
            )
        if state is PROVISIONING_CONNECTION:
            raise InvalidRequestError(
                f"{operation}() while this Session gets a connection: listeners of after_begin have the one that "
                "they are given, and other threads or tasks need Sessions of their own",
                code="isce",
            )
        super()._refuse(operation)

    # -- connections ---------------------------------------------------------------------------

    def connection(self, bindkey: Any = None, execution_options: Any = None, **bind_arguments: Any) -> Connection:
        """Give the connection of this transaction for a mapper, or for the Session's own bind.

        :param bindkey: a mapper or mapped class that decides on the bind.
        :param execution_options: options for the connection, if it is not in use yet.
        :param bind_arguments: what ``Session.get_bind()`` takes otherwise.
        :return: a Core ``Connection``, its transaction begun.
        :raises UnboundExecutionError: no bind could be found.
        """
        session = self.session
        if self._state is not ACTIVE:
            self._refuse("connection")
        return self._connection_for_bind(session.get_bind(mapper=bindkey, **bind_arguments), execution_options)

    @property
    def connections(self) -> frozenset[Connection]:
        """The connections that take part in this transaction so far."""
        if not self._boundary and self._parent is not None:
            return self._parent.connections
        return frozenset(enlisted.connection for enlisted in self._enlisted)

    def bound_connection(self, bindkey: Any = None) -> Connection:
        """Give the connection that takes part for a mapper, or for the Session's own bind; none is made.

        :param bindkey: a mapper or mapped class that decides on the bind.
        :raises InvalidRequestError: no SQL has run there yet in this transaction.
        :raises UnboundExecutionError: no bind could be found.
        """
        if not self._boundary and self._parent is not None:
            return self._parent.bound_connection(bindkey)
        bind = self._get_bind(mapper=bindkey)
        enlisted = self._connections.get(bind)
        if enlisted is None:
            raise InvalidRequestError(f"This transaction has not acquired a connection of {bind!r} yet")
        return enlisted.connection

    def _begin(self, nested: bool = False) -> SessionTransaction:
        self._require("begin", ACTIVE)
        return type(self)(self.session, BEGIN_NESTED if nested else SUBTRANSACTION, self)

    def _connection_for_bind(self, bind: Any, execution_options: Any = None) -> Connection:
        """Give the connection for a bind; the first time, begin its part of the transaction."""
        if self._state is not ACTIVE:
            self._refuse("connection")
        if not self._boundary and self._parent is not None:
            return self._parent._connection_for_bind(bind, execution_options)
        enlisted = self._connections.get(bind)
        if enlisted is not None:
            if execution_options:
                warnings.warn(
                    "The connection takes part in this transaction already; execution options for it have no effect",
                    SAWarning,
                    stacklevel=3,
                )
            return enlisted.connection
        outer = None
        if self._parent is not None:
            outer = self._parent._connection_for_bind(bind, execution_options)
        return self._enlist(bind, outer, execution_options)

    @moves((ACTIVE,), SAME_STATE, part_of="connection")
    def _enlist(self, bind: Any, outer: Connection | None, execution_options: Any) -> Connection:
        self._state = PROVISIONING_CONNECTION
        try:
            connection = self._begin_on(bind, outer, execution_options)
            if "after_begin" in heard:
                self.session.dispatch.after_begin(self.session, self, connection)
        finally:
            self._state = ACTIVE
        return connection

    def _begin_on(self, bind: Any, outer: Connection | None, execution_options: Any) -> Connection:
        opened: Connection | None = None
        session_options = self.session.execution_options
        try:
            if outer is not None:
                connection = outer
            elif isinstance(bind, Connection):
                if bind.engine in self._connections:
                    raise InvalidRequestError(
                        f"The Session uses another connection of {bind.engine!r} in this transaction already"
                    )
                connection = bind
            else:
                opened = connection = bind.connect()
            if execution_options and outer is None:
                connection = connection.execution_options(**execution_options)
            if opened is not None and session_options:
                connection = connection.execution_options(**session_options)
            transaction, ours_to_end = self._join(connection, opened is not None)
        except BaseException:
            if opened is not None:
                opened.close()
            raise
        enlisted = _Enlisted(connection, transaction, ours_to_end, opened is not None)
        self._enlisted.append(enlisted)
        self._connections[bind] = self._connections[connection] = self._connections[connection.engine] = enlisted
        return connection

    def _join(self, connection: Connection, opened: bool) -> tuple[Any, bool]:
        """Begin on a connection what this transaction needs.

        :return: the Core transaction, and whether its end is this transaction's business.
        """
        if self.nested:
            return connection.begin_nested(), True
        if connection.in_transaction():
            if opened:
                # begun by a listener of the engine
                return connection.get_transaction(), True
            mode = self.session.join_transaction_mode
            inside_savepoint = connection.in_nested_transaction()
            if mode == "create_savepoint" or (mode == "conditional_savepoint" and inside_savepoint):
                return connection.begin_nested(), True
            theirs = connection.get_nested_transaction() if inside_savepoint else connection.get_transaction()
            return theirs, mode == "control_fully"
        if self.session.twophase:
            return connection.begin_twophase(), True
        return connection.begin(), True

    # -- ending it -----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Flush, and prepare every connection for a commit in two phases.

        :raises InvalidRequestError: the Session is not a two-phase one, or this is no root transaction.
        """
        if self._state is not ACTIVE:
            self._refuse("prepare")
        session = self.session
        if self._parent is not None or session is None or not session.twophase:
            raise InvalidRequestError(
                "prepare() needs the root transaction of a Session that was made with twophase=True"
            )
        self._get_ready()

    def _get_ready(self) -> None:
        """Flush until nothing is left to be flushed, and prepare where two phases are asked for."""
        self._require("commit", ACTIVE)
        self._flush_and_prepare()

    @moves((ACTIVE,), PREPARED, part_of="prepare")
    def _flush_and_prepare(self) -> None:
        self._announce(ACTIVE)  # SQL may run meanwhile, and nobody else may end this transaction
        session = self.session
        if "before_commit" in heard:
            session.dispatch.before_commit(session)
        self._flush_all()
        if self._parent is None and session.twophase:
            try:
                for enlisted in self._enlisted:
                    if enlisted.ours_to_end:
                        enlisted.transaction.prepare()
            except BaseException:
                self._announce(CLOSED)
                self.rollback()
                raise
        self._state = PREPARED

    def _flush_all(self) -> None:
        """Commit what was begun inside of this transaction, and flush until nothing is left to be flushed."""
        session = self.session
        if session._transaction is not self:
            for inner in self._inner():
                inner.commit()
        if not session._flushing:
            rounds = 0
            while not session._is_clean():
                if rounds == FLUSH_ROUNDS:
                    raise FlushError(
                        f"After {rounds} flushes this commit still finds changed objects; "
                        "look for a listener that changes objects in after_flush, over and over"
                    )
                session.flush()
                rounds += 1

    def commit(self, _to_root: bool = False) -> None:
        """Flush, commit on every connection, and close this transaction.

        A savepoint hands what changed inside of it on to the transaction around it.

        :raises PendingRollbackError: a flush has failed and was not followed by a rollback.
        """
        parent = self._parent
        if self._boundary:
            if self._state is not PREPARED:
                self._get_ready()
            self._complete()
        else:
            self._require("commit", ACTIVE)
            self._commit_part()
        if _to_root and parent is not None:
            parent.commit(_to_root=True)

    @moves((ACTIVE,), CLOSED, part_of="commit")
    def _commit_part(self) -> None:
        """Commit what was begun inside of this part of a transaction; the rest is up to the transaction around it."""
        self._announce(ACTIVE)
        for inner in self._inner():
            inner.commit()
        self._announce(None)
        self._end()

    @moves((PREPARED,), CLOSED, part_of="commit")
    def _complete(self) -> None:
        for enlisted in self._enlisted:
            if enlisted.ours_to_end:
                enlisted.transaction.commit()
        self._state = COMMITTED
        try:
            self._after_commit()
        finally:  # it is committed, whatever listeners say
            self._announce(None)
            self._end()

    def _after_commit(self) -> None:
        try:
            if "after_commit" in heard:
                self.session.dispatch.after_commit(self.session)
        finally:
            self._keep_changes()

    def _keep_changes(self) -> None:
        session = self.session
        if self._parent is not None:
            self._parent.snapshot.absorb(self.snapshot)
            return
        if session.expire_on_commit:
            state_loops.expire_states(filed(session.identity_map))
        if self.snapshot.deleted:
            gone, self.snapshot.deleted = self.snapshot.deleted, {}
            session._detach_states(list(gone))

    @moves((ACTIVE, DEACTIVE, PREPARED), CLOSED)
    def rollback(self, _cause: BaseException | None = None, _to_root: bool = False) -> None:
        """Roll back on every connection, restore the objects, and close this transaction.

        Objects that became new since it began are transient again, deleted ones are persistent, a changed
        primary key is the old one; everything else is expired (for a savepoint: what changed inside).
        """
        session, parent = self.session, self._parent
        failure: BaseException | None = None
        for inner in self._inner():
            if inner._boundary and inner._parent is not None:
                inner._parent.snapshot.absorb(inner.snapshot)
                # Core wants savepoints rolled back from the innermost outwards
                failure = inner._roll_back_connections() or failure
            inner.close()
        boundary = self
        if self._state is not DEACTIVE:
            for boundary in self._lineage():
                boundary._state = DEACTIVE
                if boundary._boundary:
                    failure = boundary._undo() or failure
                    break
        if failure is None and not session._is_clean():
            warnings.warn(
                "Objects were changed after their transaction had been rolled back; these changes are discarded",
                SAWarning,
                stacklevel=3,
            )
            boundary.snapshot.restore(session)
        self._announce(None)
        self._end()
        self._announce(CLOSED)
        if parent is not None and _cause is not None:
            parent._cause = _cause
        if failure is not None:
            raise failure
        if "after_soft_rollback" in heard:
            session.dispatch.after_soft_rollback(session, self)
        if _to_root and parent is not None:
            parent.rollback(_to_root=True)

    def _undo(self) -> BaseException | None:
        """Roll the database back to this boundary, then the objects.

        :return: the first error of the database or a listener; the objects are restored nevertheless.
        """
        failure = self._roll_back_connections()
        if failure is None and "after_rollback" in heard:
            try:
                self.session.dispatch.after_rollback(self.session)
            except BaseException as error:
                failure = error
        try:
            self.snapshot.restore(self.session)
        except BaseException as error:
            failure = failure or error
        return failure

    def _roll_back_connections(self) -> BaseException | None:
        """Roll the database back to this boundary, on each connection that takes part.

        :return: the first error.
        """
        failure: BaseException | None = None
        for enlisted in self._enlisted:
            if not enlisted.transaction.is_active and self.nested:
                continue
            try:
                enlisted.transaction.rollback()
            except BaseException as error:
                failure = failure or error
        return failure

    @moves(ANY_STATE, CLOSED)
    def close(self, invalidate: bool = False) -> None:
        """End this transaction without a commit; the objects stay as they are.

        :param invalidate: also invalidate the connections, for when the database is not to be trusted.
        """
        self._end(invalidate)

    def _end(self, invalidate: bool = False) -> None:
        """Close, as the last step of what moves this transaction."""
        session = self.session
        if self._state is CLOSED:
            return
        if self.nested:
            session._nested_transaction = self._previous_nested
        around = self._parent
        while around is not None and around._state is CLOSED:  # by another thread
            around = around._parent
        session._transaction = around
        if self._boundary:
            self._release(invalidate)
        self._state = CLOSED
        if "after_transaction_end" in heard:
            session.dispatch.after_transaction_end(session, self)

    def check_closable(self) -> None:
        """Refuse :meth:`close` while something else is at work in this transaction.

        :raises IllegalStateChangeError: something is.
        """
        self._require_room("close", CLOSED)

    def _release(self, invalidate: bool) -> None:
        for connection, transaction, ours_to_end, ours_to_close in self._enlisted:
            if invalidate:
                connection.invalidate()
            if ours_to_end and transaction.is_active:
                transaction.close()
            if ours_to_close:
                connection.close()

    # -- as a context manager ------------------------------------------------------------------

    def __enter__(self) -> SessionTransaction:
        session = self.session
        if session is None:
            self._refuse("begin")
        self._outer_manager = session._manager
        session._manager = self
        self._managed = session
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        managed = self._managed
        try:
            if self._state is not ACTIVE:
                if self._state is not CLOSED:
                    self.close()
            elif kind is not None:
                self.rollback()
            else:
                self._commit_or_roll_back()
        finally:
            if managed is not None:
                self._unlink_manager(managed)
            self._managed = self._outer_manager = None

    def _unlink_manager(self, session: Session) -> None:
        """Take this block out of the chain of blocks, which threads may leave in another order than they entered."""
        inner = session._manager
        if inner is self:
            session._manager = self._outer_manager
            return
        while inner is not None and inner._outer_manager is not self:
            inner = inner._outer_manager
        if inner is not None:
            inner._outer_manager = self._outer_manager

    def _commit_or_roll_back(self) -> None:
        try:
            self.commit()
        except BaseException:
            if self._state not in (COMMITTED, CLOSED):
                self.rollback()
            raise


def check_managed(session: Any) -> None:
    """Refuse a new transaction inside of a ``with`` block whose own transaction has ended.

    :raises InvalidRequestError: it has.
    """
    manager = session._manager
    if manager is None or manager._state in (ACTIVE, PROVISIONING_CONNECTION):
        return
    cause = manager._cause
    because = "" if cause is None else f" by {type(cause).__name__}: {cause}"
    raise InvalidRequestError(
        f"The transaction of this 'with' block has ended already{because}; leave the block before more work is done"
    )
