"""Fixtures: the databases, and the two implementations of the hot modules.

What the environment can say to a run:

* ``SESSION_PURE_PYTHON``: as for the package; ``0`` also makes a missing build a failure of the parity tests.
* ``SESSION_TEST_REQUIRE_COMPILED=1``: the same, in a run of the pure modules.
* ``SESSION_TEST_POSTGRESQL``: the URL of an empty PostgreSQL database; else a throw-away cluster is made.
* ``SESSION_TEST_REQUIRE_POSTGRESQL=1``: not having one is a failure, not a skip.
* ``SESSION_TEST_WATCHED=1``: every engine has a listener, so all statements run through Core.
"""

from __future__ import annotations

import gc
import importlib
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, event

if sys.version_info < (3, 11):
    import sqlalchemy.orm  # noqa: F401 -- in the betas of 2.1, which Python 3.10 has, it cannot come after others

from session import _accel

from . import postgresql

REQUIRE_COMPILED = os.environ.get("SESSION_PURE_PYTHON") == "0" or bool(os.environ.get("SESSION_TEST_REQUIRE_COMPILED"))
REQUIRE_POSTGRESQL = bool(os.environ.get("SESSION_TEST_REQUIRE_POSTGRESQL"))
WATCHED = bool(os.environ.get("SESSION_TEST_WATCHED"))

_no_postgresql: list[str] = []


def pytest_report_header() -> list[str]:
    watched = ", statements watched" if WATCHED else ""
    return [f"session: {_accel.implementation()} ({_accel.why()}){watched}"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _no_postgresql:
        terminalreporter.section("POSTGRESQL WAS NOT TESTED", red=True, bold=True)
        terminalreporter.line(f"THERE IS NONE: {_no_postgresql[0]}")
        terminalreporter.line(f"TO GET ONE, {postgresql.HOW_TO_GET_ONE}")


# -- the hot modules ------------------------------------------------------------------------------


class Implementation:
    """One of the two implementations; its attributes are the hot modules themselves."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._package = {"compiled": "session._cy", "pure": "session._py"}[name]

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __getattr__(self, stem: str) -> ModuleType:
        if find_spec(f"session._py.{stem}") is None:
            raise AttributeError(stem)
        name = f"{self._package}.{stem}"
        if find_spec(name) is None:
            (pytest.fail if REQUIRE_COMPILED else pytest.skip)(f"{name} is not built")
        return importlib.import_module(name)


@pytest.fixture(scope="module", autouse=True)
def light_heap() -> None:
    """What the tests before have left need not be looked at by each collection of those that come."""
    freeze = getattr(gc, "freeze", None)
    if freeze is not None:
        gc.collect()
        freeze()


@pytest.fixture(params=["compiled", "pure"], scope="session")
def implementation(request: pytest.FixtureRequest) -> Implementation:
    """Both implementations in turn: ``implementation.topological.sort(...)``."""
    return Implementation(request.param)


@pytest.fixture(scope="session")
def both() -> tuple[Implementation, Implementation]:
    """Both implementations at once, to compare: ``compiled, pure = both``."""
    return Implementation("compiled"), Implementation("pure")


# -- the databases --------------------------------------------------------------------------------


class Database:
    """A database for one test: its ``name``, its ``url``, and engines for it.

    Engines made by :meth:`create_engine` are disposed of when the test is over.
    """

    def __init__(self, name: str, url: URL) -> None:
        self.name = name
        self.url = url
        self._engines: list[Engine] = []

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def create_engine(self, *, savepoints: bool = False, **options: Any) -> Engine:
        """Make an engine for this database.

        :param savepoints: have SQLite's driver begin transactions as other drivers do,
            so that a SAVEPOINT stands inside one.
        :param options: for :func:`sqlalchemy.create_engine`.
        """
        if self.name == "sqlite":
            factory = _TransactionalConnection if savepoints else _SQLiteConnection
            options["connect_args"] = {"factory": factory, **options.get("connect_args", {})}
        engine = create_engine(self.url, **options)
        if WATCHED:
            event.listen(engine, "before_cursor_execute", _watch)
        self._engines.append(engine)
        return engine

    def dispose(self) -> None:
        for engine in self._engines:
            engine.dispose()


class _SQLiteConnection(sqlite3.Connection):
    """Checks foreign keys, and does not wait for the disk."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.execute("PRAGMA foreign_keys = ON").close()
        self.execute("PRAGMA synchronous = OFF").close()


class _TransactionalConnection(_SQLiteConnection):
    """Begins a transaction before each first statement, not only before the first that writes."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.isolation_level = None

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        if self.isolation_level is None and not self.in_transaction:
            sqlite3.Connection.cursor(self).execute("BEGIN").close()
        return super().cursor(factory)


def _watch(*_: Any) -> None:
    """A listener that does nothing but be there."""


@pytest.fixture(scope="session")
def postgresql_administration() -> Iterator[Callable[[], Connection]]:
    """Gives the connection that wipes the PostgreSQL database; the first call looks for a server."""
    with ExitStack() as stack:
        connection: Connection | None = None

        def connect() -> Connection:
            nonlocal connection
            if connection is None:
                if _no_postgresql:
                    raise postgresql.Unavailable(_no_postgresql[0])
                url = stack.enter_context(postgresql.database())
                connection = stack.enter_context(postgresql.administration(url))
            return connection

        yield connect


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    postgresql_administration: Callable[[], Connection],
) -> Iterator[Database]:
    """An empty database: SQLite in a file, then PostgreSQL.

    For one of them only: ``@pytest.mark.parametrize("database", ["sqlite"], indirect=True)``.
    """
    if request.param == "sqlite":
        database = Database("sqlite", URL.create("sqlite", database=str(tmp_path / "test.db")))
        yield database
        database.dispose()
        return

    try:
        administration = postgresql_administration()
    except postgresql.Unavailable as error:
        _no_postgresql.append(str(error))
        (pytest.fail if REQUIRE_POSTGRESQL else pytest.skip)(f"no PostgreSQL: {error}")
    database = Database("postgresql", administration.engine.url)
    yield database
    database.dispose()
    postgresql.wipe(administration)


@pytest.fixture
def engine(database: Database) -> Engine:
    """An engine as a user would make it, for each database in turn."""
    return database.create_engine()


@pytest.fixture
def savepoint_engine(database: Database) -> Engine:
    """As ``engine``, and SAVEPOINT works on SQLite too (its driver begins transactions late)."""
    return database.create_engine(savepoints=True)
