"""What the tests of arrays share: a cursor that takes notes of what is sent, small classes, look-ups."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    Integer,
    String,
    text,
)

from session import DeclarativeBase, Session, mapped_column
from tests.conftest import WATCHED, Database

only_postgresql = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)

MANY = 20


class Text(str):
    """What the driver may write in another way than a string."""


class Notes:
    """What an engine has sent, on its way through the driver.

    :param settings: options for the server, as on its command line.
    :param options: for :func:`sqlalchemy.create_engine`.
    """

    def __init__(self, database: Database, settings: str = "", **options: Any) -> None:
        self.sent = sent = []
        dialect = database.create_engine().dialect
        #: the driver's module
        self.dbapi: Any = dialect.dbapi
        #: arrays are used at all
        self.unfolding = dialect.driver == "psycopg2" and not WATCHED

        class Cursor(self.dbapi.extensions.cursor):  # type: ignore[misc]
            def execute(self, query: Any, vars: Any = None) -> Any:
                sent.append(query if isinstance(query, str) else query.decode())
                return super().execute(query, vars)

            def executemany(self, query: Any, vars_list: Any) -> Any:
                sent.extend([query] * len(vars_list))
                return super().executemany(query, vars_list)

        self.engine = database.create_engine(connect_args={"cursor_factory": Cursor, "options": settings}, **options)

    def count(self, verb: str) -> int:
        """How many statements there were with this verb, whatever the way."""
        return sum(sent.startswith(verb) for sent in self.sent)

    def check(self, verb: str, *, in_arrays: int, others: int = 0) -> None:
        """Compare how many statements have gone out with what was to be; a run that is watched has no arrays."""
        found = [sent for sent in self.sent if sent.startswith(verb)]
        unfolding = sum("unnest" in sent for sent in found)
        if not self.unfolding:
            assert not unfolding
        else:
            assert (unfolding, len(found) - unfolding) == (in_arrays, others), found

    def forget(self) -> None:
        self.sent.clear()


def item_class(base: type[DeclarativeBase], name: str = "item", **columns: Any) -> Any:
    """Map a class with a key that the database makes, a name, and a number."""
    body: dict[str, Any] = {
        "__tablename__": name,
        "id": mapped_column(Integer, primary_key=True),
        "name": mapped_column(String(30), nullable=True),
        "number": mapped_column(Integer, nullable=True),
        **columns,
    }
    return type(name.title(), (base,), body)


def count_up(session: Session, objects: list[Any]) -> None:
    """Change all objects, in one flush whatever has to be loaded for it."""
    with session.no_autoflush:
        for obj in objects:
            obj.number += 1


def rows_of(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
