"""One scenario run with one fault, and everything that has to hold afterwards."""

from __future__ import annotations

import gc
import logging
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, event, exc, inspect, select, text

from session import Session
from tests.conftest import Database
from tests.integration.session_models import Base

from .faulty import Call, Faults, faulty_engine
from .scenarios import Scenario, contents, populate

THOROUGH = bool(os.environ.get("SESSION_FAULTS_ALL"))
"""Every kind of fault at every call; else each call fails in one or two ways."""

TO_BE_KILLED = "to be killed"
"""The name by which a PostgreSQL server knows the connections that are lost, or whose process is."""

PATIENCE = 60  # seconds

STATES = ("transient", "pending", "persistent", "deleted", "detached")
_MAY_BE_SWALLOWED = ("cursor.close", "close", "rollback")


class Bench:
    """A database with the tables, an engine without faults to look at it, and one with.

    :param database: empty.
    :param watched: statements go through Core.
    :param twophase: of the Sessions.
    :param connect_args: for the driver.
    """

    def __init__(
        self, database: Database, *, watched: bool = False, twophase: bool = False, **connect_args: Any
    ) -> None:
        self.database = database
        self.connect_args = connect_args
        self.watched = watched
        self.twophase = twophase
        self.faults = Faults()
        self.plain = database.create_engine()
        if database.name == "postgresql":
            event.listen(self.plain, "connect", _do_not_wait)
        Base.metadata.create_all(self.plain)
        self.engine: Any = None
        self.new_engine()

    def new_engine(self) -> None:
        """Make the engine anew, and let go of the last one: nothing is compiled for it."""
        if self.engine is not None:
            self.engine.dispose()
            self.database._engines.remove(self.engine)
        engine = faulty_engine(self.database.url, self.faults, self.connect_args)
        if self.watched:
            event.listen(engine, "before_cursor_execute", lambda *_: None)
        engine.connect().close()
        self.database._engines.append(engine)
        self.engine = engine

    def reset(self) -> None:
        self.engine.dispose()
        with self.plain.begin() as connection:
            populate(connection)

    def contents(self) -> list[tuple[Any, ...]]:
        with self.plain.begin() as connection:
            return contents(connection)

    def clear_prepared(self) -> int:
        """Roll back transactions that were prepared and then left alone, as an administrator would.

        :return: how many there were.
        """
        if not self.twophase:
            return 0
        with self.plain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            names = connection.scalars(
                text("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
            ).all()
            for name in names:
                connection.exec_driver_sql(f"ROLLBACK PREPARED '{name}'")
        return len(names)

    def wait_until_gone(self, name: str) -> None:
        """Wait until a PostgreSQL server has ended all connections of that name, and what they were doing."""
        until = time.monotonic() + PATIENCE
        with self.plain.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while connection.scalar(_CONNECTED, {"name": name}):
                assert time.monotonic() < until, "the server does not let go of a connection"
                time.sleep(0.005)

    def session(self) -> Session:
        return Session(self.engine, twophase=self.twophase)

    def untouched(self, scenario: Scenario) -> tuple[list[Any], list[Any], list[Call]]:
        """Run a scenario without a fault.

        :return: what was in the database before and after, and the calls.
        """
        self.reset()
        before = self.contents()
        with self.session() as session:
            self.faults.watch()
            scenario(session, [])
            self.faults.rest()
            calls = self.faults.calls
        return before, self.contents(), calls


_CONNECTED = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
)


def _do_not_wait(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = '{PATIENCE}s'")
    cursor.close()
    connection.commit()


class Trial:
    """A scenario that meets one fault.

    :param bench: where it runs.
    :param scenario: what runs.
    :param before: what is in the database at first.
    :param after: what is in there when the scenario was left alone.
    """

    def __init__(self, bench: Bench, scenario: Scenario, before: list[Any], after: list[Any]) -> None:
        self.bench = bench
        self.scenario = scenario
        self.before = before
        self.after = after
        self.kept: list[Any] = []
        self.session = bench.session()
        self.error: BaseException | None = None

    def run(
        self, at: int, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
    ) -> Call | None:
        """Run the scenario with a fault at one call.

        :return: the call that was hit; ``None`` if there was no such call.
        """
        bench = self.bench
        bench.reset()
        bench.faults.watch(at, before, after)
        try:
            with _quiet():
                self.scenario(self.session, self.kept)
        except BaseException as error:
            self.error = error
        finally:
            bench.faults.rest()
        return bench.faults.hit

    def check_failed_flush(self) -> None:
        """Where a flush or a commit has failed, nothing goes until ``rollback()``."""
        in_flush, in_commit = self.failed_in_flush(), self.failed_in_commit()
        if self.scenario.__name__ != "savepoints":  # those roll back by themselves
            assert self.session.is_active is not (in_flush or in_commit)
        if not self.session.is_active:
            with pytest.raises(exc.InvalidRequestError if in_commit else exc.PendingRollbackError):
                self.session.execute(select(1))

    def failed_in_flush(self) -> bool:
        """Tell whether the error came while a flush was writing."""
        assert self.error is not None
        places = traceback.extract_tb(self.error.__traceback__)
        return any(
            place.name == "_in_bulk"
            or (place.name in ("follow_relationships", "execute") and Path(place.filename).match("flush/*.py"))
            for place in places
        )

    def failed_in_commit(self) -> bool:
        """Tell whether the error came when all was flushed, and the connections were to commit; not thereafter."""
        assert self.error is not None
        names = {place.name for place in traceback.extract_tb(self.error.__traceback__)}
        return "_complete" in names and "_release" not in names

    def roll_back(self) -> None:
        """Call ``rollback()`` until there is no transaction, as a program does that takes one for each level."""
        for _ in range(3):
            try:
                self.session.rollback()
            except exc.DBAPIError as error:
                assert error.connection_invalidated, error  # the connection is gone
            if not self.session.in_transaction():
                return
        raise AssertionError(f"three rollbacks, and still in {self.session.get_transaction()}")

    def check_at_rest(self) -> None:
        """Nothing is left over in the Session."""
        session = self.session
        assert not session.in_transaction()
        assert not session.in_nested_transaction()
        assert session.is_active
        assert not session.new
        assert not session.dirty
        assert not session.deleted
        assert not session._flushing
        assert not session._warn_on_events
        assert session.autoflush
        assert self.bench.engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    def check_objects(self) -> None:
        """Each object says where it stands, and it is so in the database."""
        session = self.session
        with self.bench.plain.begin() as connection:
            kept = set(map(id, self.kept))
            for obj in [*self.kept, *session.identity_map.values()]:
                state = inspect(obj)
                flags = [name for name in STATES if getattr(state, name)]
                assert len(flags) == 1, (obj, flags)
                assert flags[0] not in ("pending", "deleted"), (obj, flags)
                row = _row_of(connection, obj)
                if row is None and id(obj) not in kept:
                    assert state.expired  # loaded from a row that an INSERT statement had made: nobody can know
                    continue
                if flags[0] == "persistent":
                    assert row is not None, f"{obj} is persistent, its row is not there"
                    assert state.session is session
                    assert obj in session
                else:
                    assert row is None, f"{obj} is {flags[0]}, and has a row"
                    assert obj not in session
                    continue
                for key, value in row.items():
                    assert getattr(obj, key) == value, (obj, key)
                for prop in state.mapper.relationships:
                    getattr(obj, prop.key)
        assert not session.dirty
        session.rollback()

    def check_repeats(self) -> None:
        """The same scenario, in the same Session, with the same objects, does what it should."""
        self.scenario(self.session, self.kept)
        present = self.bench.contents()
        assert present == self.after, f"too much or missing: {set(present) ^ set(self.after)}"
        self.check_at_rest()
        self.check_objects()


@contextmanager
def _quiet() -> Iterator[None]:
    """Core tells of what it cannot clean up; and a log that keeps tracebacks keeps the cursors in them."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", exc.SAWarning)
            yield
    finally:
        logging.disable(logging.NOTSET)


def _row_of(connection: Any, obj: Any) -> dict[str, Any] | None:
    """The row that an object is about, by the key that it had when it was last known."""
    mapper = inspect(obj).mapper
    identity = inspect(obj).identity
    if identity is None:
        identity = [obj.__dict__.get(key) for key in mapper.pk_keys]
    if None in identity:
        return None
    found = connection.execute(_row_by_key(mapper), dict(zip(mapper.pk_keys, identity))).one_or_none()
    return None if found is None else dict(found._mapping)


@cache
def _row_by_key(mapper: Any) -> Any:
    table = mapper.local_table
    return select(table).where(*[table.c[key] == bindparam(key) for key in mapper.pk_keys])


def may_be_swallowed(call: Call) -> bool:
    """Tell whether Core itself says nothing when this call fails: when it closes or resets what is done with."""
    return call.kind in _MAY_BE_SWALLOWED


@contextmanager
def little_to_collect() -> Iterator[None]:
    """Have the garbage collector look only at what is made from here on: some faults need a collection each."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()  # what the bench has made dies with it
