"""Real drivers whose calls can fail: subclasses of their connections and cursors, below everything of the package.

Nothing is simulated: each call goes to the driver, except that one of them, told by its number, raises before or after
it has done its work, or has something done to it.  What every call was, and which module made it, is recorded.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import URL, Engine, create_engine

CURSOR_CALLS = ("execute", "executemany", "fetchone", "fetchmany", "fetchall", "close")
CONNECTION_CALLS = ("commit", "rollback", "close")
TWO_PHASE_CALLS = ("tpc_begin", "tpc_prepare", "tpc_commit", "tpc_rollback")

FAST_WAY = ("session.core.driver", "session._py.cursors")
"""The modules that make the calls where no statement goes through Core; a compiled one has no frame of its own."""


class Call(NamedTuple):
    """A call that reached the driver.

    :ivar kind: what it is, ``"cursor.execute"`` or ``"commit"``.
    :ivar text: the statement, if it has one.
    :ivar caller: the module that made it.
    """

    kind: str
    text: str | None
    caller: str

    @property
    def is_statement(self) -> bool:
        return self.kind in ("cursor.execute", "cursor.executemany")


class Fault(Exception):
    """An error that no database knows."""


class Faults:
    """The calls that reach the driver, counted from :meth:`watch` on."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.hit: Call | None = None
        self._at = 0
        self._before: Callable[[], None] | None = None
        self._after: Callable[[], None] | None = None
        self._watching = False

    def watch(
        self, at: int = 0, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
    ) -> None:
        """Count from here on.

        :param at: the number, from 1, of the call that is not to go well.
        :param before: is called before that one does its work.
        :param after: is called afterwards.
        """
        self.calls = []
        self.hit = None
        self._at, self._before, self._after = at, before, after
        self._watching = True

    def rest(self) -> None:
        """Let everything pass."""
        self._watching = False

    def passing(self, kind: str, text: str | None, caller: str, do: Callable[[], Any]) -> Any:
        """Let one call pass, or not."""
        if not self._watching:
            return do()
        call = Call(kind, text, caller)
        self.calls.append(call)
        if len(self.calls) != self._at:
            return do()
        self.hit = call
        if self._before is not None:
            self._before()
        try:
            return do()
        finally:
            if self._after is not None:
                self._after()


def _intercepted(base: type, name: str, prefix: str, faults: Faults) -> Any:
    original = getattr(base, name)

    def call(self: Any, *args: Any, **keywords: Any) -> Any:
        text = args[0] if args and isinstance(args[0], str) else None
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return faults.passing(prefix + name, text, caller, lambda: original(self, *args, **keywords))

    return call


def _interfering(base: type, names: tuple[str, ...], prefix: str, faults: Faults, **more: Any) -> Any:
    calls = {name: _intercepted(base, name, prefix, faults) for name in names}
    return type(f"Faulty{base.__name__.title()}", (base,), {**calls, **more})


def sqlite_engine(url: URL, faults: Faults) -> Engine:
    """Make an engine for a SQLite file; transactions begin as with other drivers, before each first statement."""
    cursor_class = _interfering(sqlite3.Cursor, CURSOR_CALLS, "cursor.", faults)

    def begin(self: Any) -> None:
        sqlite3.Connection.cursor(self).execute("BEGIN").close()

    def cursor(self: Any, factory: Any = None) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if self.isolation_level is None and not self.in_transaction:
            faults.passing("begin", None, caller, lambda: begin(self))
        return faults.passing("cursor", None, caller, lambda: sqlite3.Connection.cursor(self, cursor_class))

    connection_class = _interfering(sqlite3.Connection, CONNECTION_CALLS, "", faults, cursor=cursor)

    def connect() -> Any:
        connection = sqlite3.connect(url.database, factory=connection_class, check_same_thread=False, timeout=2)
        for setting in ("foreign_keys = ON", "synchronous = OFF"):
            sqlite3.Connection.execute(connection, f"PRAGMA {setting}").close()
        connection.isolation_level = None
        return connection

    return create_engine(url, creator=lambda: faults.passing("connect", None, "", connect))


def postgresql_engine(url: URL, faults: Faults, connect_args: dict[str, Any]) -> Engine:
    """Make an engine for PostgreSQL with psycopg2."""
    import psycopg2.extensions

    cursor_class = _interfering(psycopg2.extensions.cursor, CURSOR_CALLS, "cursor.", faults)
    opened = psycopg2.extensions.connection.cursor

    def cursor(self: Any, *args: Any, **keywords: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return faults.passing("cursor", None, caller, lambda: opened(self, *args, **keywords))

    connection_class = _interfering(
        psycopg2.extensions.connection, CONNECTION_CALLS + TWO_PHASE_CALLS, "", faults, cursor=cursor
    )
    dialect = create_engine(url).dialect
    args, keywords = dialect.create_connect_args(url)

    def connect() -> Any:
        return psycopg2.connect(
            *args, **keywords, **connect_args, connection_factory=connection_class, cursor_factory=cursor_class
        )

    return create_engine(url, creator=lambda: faults.passing("connect", None, "", connect))


def faulty_engine(url: URL, faults: Faults, connect_args: dict[str, Any] | None = None) -> Engine:
    """Make an engine whose driver's calls can fail.

    :param connect_args: for the driver of PostgreSQL.
    """
    if url.get_backend_name() == "sqlite":
        return sqlite_engine(url, faults)
    return postgresql_engine(url, faults, connect_args or {})
