"""Where a program runs: a database with fresh tables, and an ORM on it, or nothing but the driver.

In: the name of a contender and a database URL. Out: an `OrmWorld` or a `HandWorld`; a program gets one of them
as its first argument. Next on the way: `job.py` runs a program, `programs/` holds them.
"""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import create_engine, insert, make_url, text

from perf import data
from perf.models import make_models
from perf.tables import make_tables

Edge = tuple[int, int]
Topological = Callable[[Iterable[Edge], Iterable[int]], Iterable[int]]

BATCH = 500
"""Rows of one INSERT that is written by hand."""


class World:
    """A database with the tables of `tables.py`, empty at first.

    Parameters:
        url: database URL. Several worlds can share one PostgreSQL database: each has the schema `schema`.
        schema: name of that schema; SQLite, where each contender has a database of its own, has no use for it.
    """

    def __init__(self, url: str, schema: str) -> None:
        address = make_url(url)
        self.schema = schema if address.get_backend_name() == "postgresql" else None
        if self.schema:
            address = address.update_query_dict({"options": f"-csearch_path={self.schema}"})
        self.engine = create_engine(address)
        self.tables = make_tables()

    def clean(self) -> None:
        """Make all tables anew."""
        with self.engine.begin() as connection:
            if self.schema:
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {self.schema}"))
            self.tables.metadata.drop_all(connection)
            self.tables.metadata.create_all(connection)

    def close(self) -> None:
        """Drop what this world made and let go of the database."""
        with self.engine.begin() as connection:
            self.tables.metadata.drop_all(connection)
            if self.schema:
                connection.execute(text(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE"))
        self.engine.dispose()

    def seed_people(self, count: int) -> None:
        """Write `count` people through Core."""
        with self.engine.begin() as connection:
            connection.execute(insert(self.tables.person), data.people_rows(count))

    def seed_parents(self, count: int, children: int = data.CHILDREN) -> None:
        """Write `count` parents with `children` children each through Core."""
        with self.engine.begin() as connection:
            connection.execute(insert(self.tables.parent), data.parent_rows(count))
            connection.execute(insert(self.tables.child), data.child_rows(count, children))


class OrmWorld(World):
    """A world with an ORM.

    Parameters:
        orm_name: `"session"` or `"sqlalchemy.orm"`, the module to import.
    """

    def __init__(self, orm_name: str, url: str, schema: str) -> None:
        super().__init__(url, schema)
        self.orm: Any = importlib.import_module(orm_name)
        self.topological = _topological(orm_name)
        models = make_models(self.orm, self.tables)
        self.Person = models.Person
        self.Parent = models.Parent
        self.Child = models.Child
        self.Node = models.Node

    def session(self) -> Any:
        """A new Session with its settings left as they come."""
        return self.orm.Session(self.engine)


def _topological(orm_name: str) -> Topological:
    """The sort that the ORM's unit of work uses, `sort(edges, items)`."""
    if orm_name == "sqlalchemy.orm":
        module = importlib.import_module("sqlalchemy.util.topological")
    else:
        module = importlib.import_module("session._accel").topological
    sort: Topological = module.sort
    return sort


class Record:
    """An object as a program without an ORM would have it: attributes in `__dict__`, weakly referable."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Person(Record):
    """A row of `perf_person`."""


class Parent(Record):
    """A row of `perf_parent`."""


class Child(Record):
    """A row of `perf_child`."""


class Node(Record):
    """A row of `perf_node`."""


Identities = dict[int, "weakref.ref[Any]"]


class HandWorld(World):
    """A world with the bare DBAPI connection, and the few lines that a careful programmer would write around it."""

    def __init__(self, url: str, schema: str) -> None:
        super().__init__(url, schema)
        self._pooled = self.engine.raw_connection()
        self.connection: Any = self._pooled.driver_connection
        self._is_sqlite = self.engine.dialect.name == "sqlite"

    def clean(self) -> None:
        self.connection.rollback()
        super().clean()

    def close(self) -> None:
        self.connection.rollback()
        self._pooled.close()
        super().close()

    def sql(self, statement: str) -> str:
        """`statement`, written with `?`, as the driver wants it."""
        return statement if self._is_sqlite else statement.replace("?", "%s")

    def cursor(self) -> Any:
        """A new DBAPI cursor."""
        return self.connection.cursor()

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        cursor = self.cursor()
        cursor.execute(self.sql(statement), parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[int]:
        """Insert many rows, `BATCH` in one statement, and hand back their keys in the order of the rows.

        Keys grow with the rows of one statement, so sorting them gives that order back.
        """
        row_marks = f"({', '.join('?' for _ in columns)})"
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
        cursor = self.cursor()
        keys: list[int] = []
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            statement = f"{head}{', '.join([row_marks] * len(batch))} RETURNING id"
            cursor.execute(self.sql(statement), [value for row in batch for value in row])
            keys.extend(sorted(key for (key,) in cursor))
        return keys

    def run_many(self, statement: str, parameters: Sequence[tuple[Any, ...]]) -> None:
        """Run one UPDATE or DELETE for many parameter sets, the quick way of the driver at hand."""
        if self._is_sqlite:
            self.cursor().executemany(statement, parameters)
            return
        extras = importlib.import_module("psycopg2.extras")
        extras.execute_batch(self.cursor(), self.sql(statement), parameters, page_size=BATCH)


def build(kind: type[Any], names: Sequence[str], rows: Iterable[tuple[Any, ...]], identities: Identities) -> list[Any]:
    """Make one object for each row, or find the one that is there already; the first column is the key."""
    built: list[Any] = []
    for row in rows:
        key = row[0]
        known = identities.get(key)
        record = known() if known is not None else None
        if record is None:
            record = object.__new__(kind)
            record.__dict__ = dict(zip(names, row, strict=True))
            identities[key] = weakref.ref(record)
        built.append(record)
    return built
