"""Loops over parameters and over rows on a cursor, in both implementations, on a cursor of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import bindparam
from sqlalchemy.exc import InvalidRequestError

from tests.conftest import Implementation


@pytest.fixture
def cursor() -> Iterator[sqlite3.Cursor]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    yield connection.cursor()
    connection.close()


INSERT = "INSERT INTO thing (name) VALUES (?)"
UPDATE = "UPDATE thing SET name = ? WHERE id <= ?"


def test_each_row_gives_its_key(implementation: Implementation, cursor: sqlite3.Cursor) -> None:
    found: list[Any] = []
    implementation.cursors.key_each(cursor, INSERT, [("a",), ("b",)], found)
    assert found == [1, 2]
    implementation.cursors.key_each(cursor, INSERT, iter([("c",)]), found)
    implementation.cursors.key_each(cursor, INSERT, [], found)
    assert found == [1, 2, 3]


def test_each_row_gives_its_count(implementation: Implementation, cursor: sqlite3.Cursor) -> None:
    found: list[Any] = []
    implementation.cursors.count_each(cursor, INSERT, [("a",), ("b",)], found)
    implementation.cursors.count_each(cursor, UPDATE, [("c", 0), ("d", 1)], found)
    assert found == [1, 1, 0, 1]


def test_each_row_gives_what_it_returns(implementation: Implementation, cursor: sqlite3.Cursor) -> None:
    found: list[Any] = []
    implementation.cursors.fetch_each(cursor, f"{INSERT} RETURNING id, name", [("a",), ("b",)], found)
    implementation.cursors.fetch_each(cursor, f"{UPDATE} RETURNING id", [("c", 0), ("d", 1)], found)
    assert found == [(1, "a"), (2, "b"), None, (1,)]


@pytest.mark.parametrize("loop", ["count_each", "fetch_each", "key_each"])
def test_after_an_error_the_list_tells_the_row(
    implementation: Implementation, cursor: sqlite3.Cursor, loop: str
) -> None:
    found: list[Any] = []
    with pytest.raises(sqlite3.IntegrityError):
        getattr(implementation.cursors, loop)(cursor, INSERT, [("a",), ("b",), ("a",), ("c",)], found)
    assert len(found) == 2

    def rows() -> Iterator[tuple[str]]:
        yield ("x",)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        getattr(implementation.cursors, loop)(cursor, INSERT, rows(), found)
    assert len(found) == 3


@pytest.mark.parametrize("loop", ["count_each", "fetch_each", "key_each"])
def test_what_is_no_cursor_is_no_crash(implementation: Implementation, loop: str) -> None:
    for cursor, rows in ((None, [(1,)]), (object(), [(1,)]), (sqlite3.connect(":memory:").cursor(), None)):
        with pytest.raises((AttributeError, TypeError)):
            getattr(implementation.cursors, loop)(cursor, "SELECT 1", rows, [])


def slots(*processors: Callable[[Any], Any] | None) -> tuple[Any, ...]:
    """Parameters ``a``, ``b``, ...; the last has no place in the cache key."""
    keys = "abcdef"[: len(processors)]
    last = len(keys) - 1
    return tuple(
        (f"{key}_1", key, bindparam(key), place if place < last else -1, make)
        for place, (key, make) in enumerate(zip(keys, processors, strict=True))
    )


def value_of(slot: Any, given: Any, extracted: Any) -> Any:
    name, key, *_ = slot
    return ("elsewhere", name, key, dict(given), extracted)


PLAN = SimpleNamespace(value_of=value_of)


def test_values_are_bound(implementation: Implementation) -> None:
    bind = implementation.cursors.bind
    three = slots(None, str, None)
    assert bind(three, {"a": 1, "b": 2, "c": 3}, None, PLAN) == (1, "2", 3)
    there = [bindparam("a", 10), bindparam("b", 20), bindparam("c", 30)]
    assert bind(three, {}, there, PLAN) == (10, "20", ("elsewhere", "c_1", "c", {}, there))
    some = bind(three, {"b": 5}, there, PLAN)
    assert some == (
        ("elsewhere", "a_1", "a", {"b": 5}, there),
        "5",
        ("elsewhere", "c_1", "c", {"b": 5}, there),
    )
    required = [bindparam("a", required=True), bindparam("b", callable_=lambda: 7)]
    assert bind(slots(None, None, None)[:2], {}, required, PLAN) == (("elsewhere", "a_1", "a", {}, required), 7)
    assert bind((), {"a": 1}, None, PLAN) == ()


def test_errors_of_binding_come_out(implementation: Implementation) -> None:
    def refuse(slot: Any, given: Any, extracted: Any) -> Any:
        raise InvalidRequestError(f"no value for {slot[1]}")

    with pytest.raises(InvalidRequestError, match="no value for a"):
        implementation.cursors.bind(slots(None), {}, None, SimpleNamespace(value_of=refuse))
    with pytest.raises(ValueError, match="invalid literal"):
        implementation.cursors.bind(slots(int), {"a": "x"}, None, PLAN)
    with pytest.raises(ValueError, match="invalid literal"):
        implementation.cursors.bind_rows([(1, "x")], [None, int])
    for wrong in (((),), (("a_1", "a"),), (5,)):
        with pytest.raises((TypeError, ValueError)):
            implementation.cursors.bind(wrong, {}, None, PLAN)


def test_rows_are_bound(implementation: Implementation) -> None:
    bind_rows = implementation.cursors.bind_rows
    assert bind_rows([(1, 2), [3, 4]], [None, str]) == [(1, "2"), (3, "4")]
    assert bind_rows(iter(()), [None]) == []
    for row in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"zip\(\) argument 2 is"):
            bind_rows([row], [None, str])


def test_both_have_the_same_names(both: tuple[Implementation, Implementation]) -> None:
    one, other = both
    assert one.cursors.__all__ == other.cursors.__all__
