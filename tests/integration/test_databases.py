"""The databases that the other tests are given: clean, and able to do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from tests.conftest import Database

only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_finds_nothing_of_the_one_before(engine: Engine, turn: int) -> None:
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))


@pytest.mark.parametrize("turn", [1, 2])
@only_postgresql
def test_locks_types_schemas_and_prepared_transactions_go_too(database: Database, turn: int) -> None:
    engine = database.create_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE TYPE mood AS ENUM ('fine')"))
        connection.execute(text("CREATE SCHEMA other"))
        connection.execute(text("CREATE TABLE other.thing (id INTEGER)"))
    prepared = engine.connect()
    transaction = prepared.begin_twophase()
    prepared.execute(text("INSERT INTO other.thing VALUES (1)"))
    transaction.prepare()
    holding = engine.connect()
    holding.execute(text("LOCK TABLE other.thing IN ROW EXCLUSIVE MODE"))
    database.keep = holding  # type: ignore[attr-defined]  # as a failed test's traceback would


@only_sqlite
def test_sqlite_checks_foreign_keys(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1


def test_a_savepoint_stands_inside_a_transaction(savepoint_engine: Engine) -> None:
    with savepoint_engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY)"))
    with savepoint_engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(text("INSERT INTO thing VALUES (1)"))
        connection.rollback()
        assert connection.scalar(text("SELECT count(*) FROM thing")) == 0


def run_without_postgresql(**environment: str) -> subprocess.CompletedProcess[str]:
    cleaned = {name: value for name, value in os.environ.items() if not name.startswith("SESSION_TEST_")}
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{_PROBE}"],
        cwd=Path(__file__).parents[2],
        env={**cleaned, "SESSION_TEST_POSTGRESQL": nowhere, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


_PROBE = "test_locks_types_schemas_and_prepared_transactions_go_too"


def test_no_postgresql_is_a_skip_that_is_told_in_capitals() -> None:
    run = run_without_postgresql()
    assert run.returncode == 0, run.stdout
    assert "POSTGRESQL WAS NOT TESTED" in run.stdout
    assert "TO GET ONE" in run.stdout


def test_no_postgresql_is_a_failure_where_it_is_required() -> None:
    run = run_without_postgresql(SESSION_TEST_REQUIRE_POSTGRESQL="1")
    assert run.returncode == 1, run.stdout
