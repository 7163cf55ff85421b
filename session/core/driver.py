"""The driver: runs plans, straight on the DBAPI cursor or through Core.

Straight, when nobody watches the connection: no Core event listener on it, its engine or its
dialect, no echo, no typed input sizes to announce.  Through Core's own execution otherwise, so
that events, logging and instrumentation see every statement.  SQL, rows and errors are the same
both ways: DBAPI errors come out as the ``sqlalchemy.exc`` classes, with statement and parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from sqlalchemy.engine.base import Connection
from sqlalchemy.engine.interfaces import BindTyping, CacheStats
from sqlalchemy.engine.util import TransactionalContext
from sqlalchemy.exc import PendingRollbackError, ResourceClosedError
from sqlalchemy.util import immutabledict

from session._accel import cursors
from session.core.plan import Plan

__all__ = ["Driver", "Outcome", "Page", "driver_for", "read", "read_batches"]

_NO_VALUES: dict[str, Any] = {}
_NO_OPTIONS: immutabledict[str, Any] = immutabledict()
_NO_PAGE = None, ()
_SETINPUTSIZES = BindTyping.SETINPUTSIZES


class Outcome(NamedTuple):
    """What one execution gave: rows matched, the generated key, the first row returned."""

    rowcount: int
    lastrowid: Any
    row: Any


class Page(NamedTuple):
    """What came of one page of rows: how many went out, how many were matched, what they returned."""

    sent: int
    matched: int
    rows: list[Any]


def driver_for(connection: Connection, options: Mapping[str, Any] = _NO_OPTIONS) -> Driver:
    """Give the driver that runs plans on a Core connection.

    :param options: execution options, for those who watch the connection.
    """
    return Driver(connection, options)


def read(
    connection: Connection,
    plan: Plan,
    given: Mapping[str, Any] = _NO_VALUES,
    extracted: Any = None,
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> list[Any]:
    """Run a plan and give all rows, as :meth:`Driver.rows` does; the quickest way for a short SELECT.

    :param options: execution options, for those who watch the connection.
    """
    opened = _executed(connection, plan, given, extracted)
    if opened is None:
        return Driver(connection, options).rows(plan, given, extracted)
    cursor, parameters = opened
    try:
        rows: list[Any] = cursor.fetchall()
        if plan.processors is None:
            plan.describe(cursor.description)
    except BaseException as error:
        _handle(connection, error, plan.sql, parameters, cursor)
    try:
        cursor.close()
    except Exception:
        connection._safe_close_cursor(cursor)  # once more, and into the log
    return rows


def read_batches(
    connection: Connection,
    plan: Plan,
    size: int,
    given: Mapping[str, Any] = _NO_VALUES,
    extracted: Any = None,
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> Iterable[list[Any]]:
    """Run a plan and give its rows in batches, as :meth:`Driver.batches` does; quickest where one batch is all."""
    opened = _executed(connection, plan, given, extracted)
    if opened is None:
        return Driver(connection, options).batches(plan, size, given, extracted)
    cursor, parameters = opened
    try:
        if plan.processors is None:
            plan.describe(cursor.description)
        rows: list[Any] = cursor.fetchmany(size)
    except BaseException as error:
        _handle(connection, error, plan.sql, parameters, cursor)
    if len(rows) < size:
        try:
            cursor.close()
        except Exception:
            connection._safe_close_cursor(cursor)  # once more, and into the log
        return (rows,)
    return Driver(connection, options)._from_batch(rows, size, cursor, plan.sql, parameters)


def _executed(connection: Connection, plan: Plan, given: Mapping[str, Any], extracted: Any) -> tuple[Any, Any] | None:
    """Execute a plan on a new cursor, if its text is fixed, nobody watches, and a transaction is at work.

    :return: the cursor and the parameters; ``None``, with nothing done, where only the driver will do.
    """
    transaction: Any = connection._transaction
    nested: Any = connection._nested_transaction
    pooled: Any = connection._dbapi_connection
    dbapi_connection = None if pooled is None else pooled.dbapi_connection
    if (
        not plan.straight
        or dbapi_connection is None
        or transaction is None
        or not transaction.is_active
        or (nested is not None and not nested.is_active)
        or connection._trans_context_manager
        or connection._has_events
        or connection._echo
        or connection.engine._has_events
        or plan.dialect._has_events
    ):
        return None
    try:
        parameters = plan.bind(given, extracted)
    except (PendingRollbackError, ResourceClosedError):
        raise
    except Exception as error:
        _handle(connection, error, plan.sql, None, None)
    try:
        cursor = dbapi_connection.cursor()
    except BaseException as error:
        _handle(connection, error, plan.sql, parameters, None)
    try:
        cursor.execute(plan.sql, parameters)
    except BaseException as error:
        _handle(connection, error, plan.sql, parameters, cursor)
    return cursor, parameters


def _handle(connection: Connection, error: BaseException, sql: Any, parameters: Any, cursor: Any) -> NoReturn:
    """Raise an error as Core would: once there is a cursor, only what the driver calls an error gets wrapped."""
    if cursor is not None and not isinstance(error, connection.dialect.loaded_dbapi.Error):
        sql = None
    connection._handle_dbapi_exception(error, sql, parameters, cursor, None)


class Driver:
    """Runs plans on one Core connection; keeps nothing, so it is made when it is needed.

    :param connection: an open Core connection, in a transaction or not.
    :param options: execution options, which Core's events show; names with an underscore in front stay inside.
    """

    __slots__ = ("connection", "dialect", "options", "watched")

    def __init__(self, connection: Connection, options: Mapping[str, Any] = _NO_OPTIONS) -> None:
        self.connection = connection
        self.options = options
        dialect = self.dialect = connection.dialect
        self.watched: bool = bool(
            connection._has_events
            or connection.engine._has_events
            or connection._echo
            or getattr(dialect, "_has_events", False)
            or dialect.bind_typing is _SETINPUTSIZES
        )

    # -- reading -----------------------------------------------------------------------------

    def rows(self, plan: Plan, given: Mapping[str, Any] = _NO_VALUES, extracted: Any = None) -> list[Any]:
        """Run a plan and give all rows as the DBAPI gives them; apply ``plan.processors`` to them.

        ``plan.processors`` is there once this has returned for the first time.

        :param given: values by key, see :meth:`session.core.plan.Plan.values`.
        :raises sqlalchemy.exc.DBAPIError: the database refused.
        """
        if self.watched:
            result = self._through_core(plan, [self._made(plan, plan.values, given, extracted)])
            if plan.processors is None:
                plan.describe(result.cursor.description)
            rows = result.cursor_strategy.fetchall(result, result.cursor)
            result.close()
            return list(rows)
        sql, parameters = self._bound(plan, given, extracted)
        cursor = self._cursor(sql, parameters)
        try:
            cursor.execute(sql, parameters)
            rows = cursor.fetchall()
            if plan.processors is None:
                plan.describe(cursor.description)
        except BaseException as error:
            self._failed(error, sql, parameters, cursor)
        self.connection._safe_close_cursor(cursor)
        return rows  # type: ignore[no-any-return]

    def batches(
        self, plan: Plan, size: int, given: Mapping[str, Any] = _NO_VALUES, extracted: Any = None
    ) -> Iterable[list[Any]]:
        """Run a plan and give all its rows, a batch at a time: raw rows are gone before more are made.

        Unlike :meth:`chunks` this asks for no server-side cursor; take all batches at once.

        :param size: rows in a batch.
        :return: a tuple where the first batch is the only one.
        """
        if self.watched:
            return (self.rows(plan, given, extracted),)
        sql, parameters = self._bound(plan, given, extracted)
        cursor = self._cursor(sql, parameters)
        try:
            cursor.execute(sql, parameters)
            if plan.processors is None:
                plan.describe(cursor.description)
            rows = cursor.fetchmany(size)
        except BaseException as error:
            self._failed(error, sql, parameters, cursor)
        if len(rows) < size:
            self.connection._safe_close_cursor(cursor)
            return (rows,)
        return self._from_batch(rows, size, cursor, sql, parameters)

    def _from_batch(self, rows: list[Any], size: int, cursor: Any, sql: str, parameters: Any) -> Iterator[list[Any]]:
        """Yield a first full batch, and those that follow it."""
        try:
            while rows:
                yield rows
                if len(rows) < size:
                    return
                try:
                    rows = cursor.fetchmany(size)
                except BaseException as error:
                    self._failed(error, sql, parameters, cursor)
        finally:
            self.connection._safe_close_cursor(cursor)

    def chunks(
        self, plan: Plan, size: int, given: Mapping[str, Any] = _NO_VALUES, extracted: Any = None
    ) -> Iterator[list[Any]]:
        """Run a plan and give its rows in chunks, from a server-side cursor where there are such.

        :param size: rows in a chunk.
        """
        result = self._through_core(
            plan,
            [self._made(plan, plan.values, given, extracted)],
            immutabledict({"stream_results": True, "max_row_buffer": size, "yield_per": size}),
        )
        try:
            if plan.processors is None:
                plan.describe(result.cursor.description)
            rows = result.cursor_strategy.fetchmany(result, result.cursor, size)
            while rows:
                yield list(rows)
                rows = result.cursor_strategy.fetchmany(result, result.cursor, size)
        finally:
            result.close()

    # -- writing -----------------------------------------------------------------------------

    def execute(self, plan: Plan, given: Mapping[str, Any] = _NO_VALUES, extracted: Any = None) -> Outcome:
        """Run a plan once.

        :return: rows matched, last row id, and the first row that it returned, unprocessed.
        """
        if self.watched:
            result = self._through_core(plan, [self._made(plan, plan.values, given, extracted)])
            return self._outcome_of(plan, result)
        sql, parameters = self._bound(plan, given, extracted)
        cursor = self._cursor(sql, parameters)
        row = None
        try:
            cursor.execute(sql, parameters)
            if cursor.description is not None:
                row = cursor.fetchone()
                if plan.processors is None:
                    plan.describe(cursor.description)
            outcome = Outcome(cursor.rowcount, getattr(cursor, "lastrowid", None), row)
        except BaseException as error:
            self._failed(error, sql, parameters, cursor)
        self.connection._safe_close_cursor(cursor)
        return outcome

    def _outcome_of(self, plan: Plan, result: Any) -> Outcome:
        context = result.context
        row = None
        if result.returns_rows and result.cursor is not None:
            if plan.processors is None:
                plan.describe(result.cursor.description)
            row = result.cursor_strategy.fetchone(result, result.cursor)
        elif context.returned_default_rows:
            row = tuple(context.returned_default_rows[0])
        rowcount = result.rowcount
        lastrowid = getattr(context.cursor, "lastrowid", None)
        result.close()
        return Outcome(rowcount, lastrowid, row)

    def executemany(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> int:
        """Run a plan for many rows of values, each in the order of ``plan.names``, unprocessed.

        An INSERT that was compiled with ``many=True`` goes in Core's batches of many rows to a
        statement, where there are such.

        :return: rows matched in total, or -1 if the DBAPI can't tell.
        """
        if self.watched or plan.batched:
            names = [slot.name for slot in plan.slots]
            result = self._through_core(plan, [dict(zip(names, row)) for row in rows])
            rowcount = result.rowcount
            result.close()
            return rowcount  # type: ignore[no-any-return]
        parameters = self._made(plan, plan.bind_many, rows)
        cursor = self._cursor(plan.sql, parameters)
        try:
            cursor.executemany(plan.sql, parameters)
            rowcount = cursor.rowcount
        except BaseException as error:
            self._failed(error, plan.sql, parameters, cursor)
        self.connection._safe_close_cursor(cursor)
        return rowcount  # type: ignore[no-any-return]

    def count_each(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> list[int]:
        """Run a plan row by row, and give how many rows each has matched, -1 where the DBAPI can't tell."""
        if self.watched:
            return [outcome.rowcount for outcome in self._each_through_core(plan, rows)]
        return self._each(cursors.count_each, plan, rows)

    def fetch_each(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run a plan row by row, and give the first row that each returned, unprocessed, or ``None``."""
        if self.watched:
            return [outcome.row for outcome in self._each_through_core(plan, rows)]
        return self._each(cursors.fetch_each, plan, rows)

    def insert_lastrowids(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run an INSERT row by row and give the generated keys, where the cursor tells them."""
        if self.watched:
            return [outcome.lastrowid for outcome in self._each_through_core(plan, rows)]
        return self._each(cursors.key_each, plan, rows)

    def _each(self, loop: Callable[..., None], plan: Plan, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run one of the loops over rows on a cursor."""
        bound = self._made(plan, plan.bind_many, rows)
        cursor = self._cursor(plan.sql, bound)
        found: list[Any] = []
        try:
            loop(cursor, plan.sql, bound, found)
            if plan.returns_rows and plan.processors is None:
                plan.describe(cursor.description)
        except BaseException as error:
            failed_at = bound[len(found)] if len(found) < len(bound) else None
            self._failed(error, plan.sql, failed_at, cursor)
        self.connection._safe_close_cursor(cursor)
        return found

    def _each_through_core(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> Iterator[Outcome]:
        names = [slot.name for slot in plan.slots]
        for row in rows:
            yield self._outcome_of(plan, self._through_core(plan, [dict(zip(names, row))]))

    def pages(self, plan: Plan, pages: Iterator[tuple[Mapping[str, Any] | None, Sequence[Any]]]) -> Iterator[Page]:
        """Run a plan once for each page of rows.

        :param pages: values by key that stand for the rows of a page, and these; it ends at ``None``.
        """
        while True:
            given, rows = self._made(plan, next, pages, _NO_PAGE)
            if given is None:
                return
            if plan.returns_rows:
                found = self.rows(plan, given)
                yield Page(len(rows), len(found), found)
            else:
                yield Page(len(rows), self.execute(plan, given).rowcount, [])

    def insert_returning(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Insert many rows and give what each returned, unprocessed, in the order of the rows.

        Where Core can batch and keep the order (the statement's ``returning()`` must have been
        called with ``sort_by_parameter_order=True`` and compiled with ``many=True``), in batches
        of many rows to a statement; else row by row.
        """
        if len(rows) > 1 and plan.batched:
            names = [slot.name for slot in plan.slots]
            result = self._through_core(plan, [dict(zip(names, row)) for row in rows])
            if plan.processors is None:
                plan.describe(result.cursor.description)
            returned = result.cursor_strategy.fetchall(result, result.cursor)
            result.close()
            # Core may have added columns of its own, by which it sorts the rows
            width = len(plan.statement.exported_columns)
            if returned and len(returned[0]) > width:
                return [row[:width] for row in returned]
            return list(returned)
        return self.fetch_each(plan, rows)

    # -- how -----------------------------------------------------------------------------

    def _bound(self, plan: Plan, given: Mapping[str, Any], extracted: Any) -> tuple[str, Any]:
        try:
            if plan.simple:
                return plan.sql, plan.bind(given, extracted)
            return plan.expand(plan.values(given, extracted))
        except (PendingRollbackError, ResourceClosedError):
            raise
        except Exception as error:
            return self._failed(error, plan.sql, None, None)  # type: ignore[no-any-return]

    def _made(self, plan: Plan, make: Callable[..., Any], *arguments: Any) -> Any:
        """Make parameters; what goes wrong there comes out as from Core, as a ``StatementError`` around it."""
        try:
            return make(*arguments)
        except (PendingRollbackError, ResourceClosedError):
            raise
        except Exception as error:
            self._failed(error, plan.sql, None, None)

    def _cursor(self, sql: str, parameters: Any) -> Any:
        """Open a cursor as Core would before an execution: valid connection, live transaction."""
        connection = self.connection
        fairy = connection._dbapi_connection
        if fairy is None:
            fairy = connection._revalidate_connection()
        transaction = connection._transaction
        nested = connection._nested_transaction
        if transaction is None:
            connection._autobegin()
        elif not transaction.is_active or (nested is not None and not nested.is_active):
            connection._invalid_transaction()
        elif connection._trans_context_manager:
            TransactionalContext._trans_ctx_check(connection)
        try:
            return fairy.cursor()
        except BaseException as error:
            self._failed(error, sql, parameters, None)

    def _failed(self, error: BaseException, sql: Any, parameters: Any, cursor: Any) -> Any:
        _handle(self.connection, error, sql, parameters, cursor)

    def _through_core(
        self, plan: Plan, parameters: list[dict[str, Any]], options: immutabledict[str, Any] = _NO_OPTIONS
    ) -> Any:
        """Run a plan with Core's events, logging and error handling."""
        connection = self.connection
        statement: Any = plan.statement
        merged = connection._execution_options
        if self.options:
            merged = merged.union({name: value for name, value in self.options.items() if name[:1] != "_"})
        merged = merged.merge_with(options)
        listened = connection._has_events or connection.engine._has_events
        multi: Any = ()
        single: Any = {}
        if listened:
            statement, distilled, multi, single = connection._invoke_before_exec_event(statement, parameters, merged)
            parameters = list(distilled)  # type: ignore[arg-type]
            if statement is not plan.statement:
                return connection._execute_clauseelement(statement, parameters, merged)
        result = connection._execute_context(
            self.dialect,
            self.dialect.execution_ctx_cls._init_compiled,
            plan.compiled,
            parameters,
            merged,
            plan.compiled,
            parameters,
            plan.statement,
            None,
            cache_hit=CacheStats.CACHE_HIT,
        )
        if listened:
            connection.dispatch.after_execute(connection, statement, multi, single, merged, result)
        return result
