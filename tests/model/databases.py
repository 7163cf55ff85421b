"""The databases that the programs run on: the one connection of a world, which notes what it is asked to do."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import URL, Engine, MetaData, create_engine
from sqlalchemy.pool import StaticPool

try:
    import psycopg2.extensions as driver
except ImportError:  # then there are no worlds on PostgreSQL
    driver = None  # type: ignore[assignment, unused-ignore]

from .schema import Schema


class SQLiteConnection(sqlite3.Connection):
    """Begins a transaction before each first statement, checks foreign keys, notes statements."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.isolation_level = None
        self.notes: list[str] = []
        self.look("PRAGMA foreign_keys = ON")
        self.set_trace_callback(self.notes.append)

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        if not self.in_transaction:
            sqlite3.Connection.cursor(self).execute("BEGIN").close()
        return super().cursor(factory)

    def look(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a statement beside the Session, in its transaction or outside of any."""
        cursor = sqlite3.Connection.cursor(self)
        try:
            return cursor.execute(statement, *parameters).fetchall()
        finally:
            cursor.close()

    def fill(self, schema: Schema, metadata: MetaData) -> None:
        """Bring the rows of the beginning, and no others."""
        if self.in_transaction:
            self.rollback()
        self.look("PRAGMA foreign_keys = OFF")
        for table in metadata.sorted_tables:
            self.look(f"DELETE FROM {table.name}")
        for table in metadata.sorted_tables:
            for row in schema.rows.get(table.name, ()):
                self.look(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(row))})", row)
        self.look("PRAGMA foreign_keys = ON")


if driver is not None:

    class _Cursor(driver.cursor):
        """Notes statements, and how many rows they have written."""

        def execute(self, statement: Any, parameters: Any = None) -> Any:
            self._note(statement, parameters)
            result = super().execute(statement, parameters)
            self._count(statement)
            return result

        def executemany(self, statement: Any, parameters: Any) -> Any:
            for each in parameters:
                self._note(statement, each)
            result = super().executemany(statement, parameters)
            self._count(statement)
            return result

        def _note(self, statement: Any, parameters: Any) -> None:
            self.connection.notes.append(self.mogrify(statement, parameters).decode())

        def _count(self, statement: Any) -> None:
            text = statement.decode() if isinstance(statement, bytes) else str(statement)
            if text.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
                self.connection.total_changes += max(self.rowcount, 0)

    class PostgreSQLConnection(driver.connection):
        """Notes statements, and gives what the other one gives."""

        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **keywords)
            self.notes: list[str] = []
            self.total_changes = 0

        def cursor(self, *args: Any, **keywords: Any) -> Any:
            keywords.setdefault("cursor_factory", _Cursor)
            return super().cursor(*args, **keywords)

        @property
        def in_transaction(self) -> bool:
            status = self.info.transaction_status
            return status in (driver.TRANSACTION_STATUS_INTRANS, driver.TRANSACTION_STATUS_INERROR)

        def commit(self) -> None:
            self._end("COMMIT", super().commit)

        def rollback(self) -> None:
            self._end("ROLLBACK", super().rollback)

        def _end(self, name: str, end: Any) -> None:
            if self.in_transaction:
                self.notes.append(name)
            end()

        def look(self, statement: str, *parameters: Any) -> list[Any]:
            """Run a statement beside the Session, in its transaction or outside of any; none in one that has failed."""
            if self.info.transaction_status == driver.TRANSACTION_STATUS_INERROR:
                return []
            within = self.in_transaction
            with super().cursor() as cursor:
                cursor.execute(statement.replace("?", "%s"), *parameters)
                found = cursor.fetchall() if cursor.description else []
            if not within:
                super().commit()
            return found

        def fill(self, schema: Schema, metadata: MetaData) -> None:
            """Bring the rows of the beginning, and no others; keys are given out from there on."""
            self.rollback()
            tables = metadata.sorted_tables
            with super().cursor() as cursor:
                cursor.execute("SET session_replication_role = replica")
                cursor.execute(f"TRUNCATE {', '.join(table.name for table in tables)} RESTART IDENTITY CASCADE")
                for table in tables:
                    rows = schema.rows.get(table.name, ())
                    for row in rows:
                        cursor.execute(f"INSERT INTO {table.name} VALUES ({', '.join(['%s'] * len(row))})", row)
                    key = table.autoincrement_column
                    if rows and key is not None:
                        sequence = f"pg_get_serial_sequence('{table.name}', '{key.name}')"
                        cursor.execute(f"SELECT setval({sequence}, max({key.name})) FROM {table.name}")
                cursor.execute("SET session_replication_role = DEFAULT")
            super().commit()


def make_engine(url: URL | None, name: str) -> Engine:
    """Make the engine of a world, with one connection.

    :param url: of a PostgreSQL database with a user who may do anything; ``None`` for SQLite in memory.
    :param name: of the world's own schema there.
    """
    if url is None:
        return create_engine("sqlite://", poolclass=StaticPool, connect_args={"factory": SQLiteConnection})
    options = {"connection_factory": PostgreSQLConnection, "options": f"-csearch_path={name}"}
    engine = create_engine(url, poolclass=StaticPool, connect_args=options)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    return engine
