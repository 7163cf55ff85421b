"""A PostgreSQL database for the tests: one that is given, or a throw-away cluster.

``SESSION_TEST_POSTGRESQL`` names a database by URL; all that is in it is wiped,
so it has to be empty at first.  Without it a cluster is made from the installed
server programs in a temporary folder, reached by a socket in there, and removed
afterwards.  The fixtures that use this are in ``tests/conftest.py``.
"""

from __future__ import annotations

import importlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

VARIABLE = "SESSION_TEST_POSTGRESQL"

HOW_TO_GET_ONE = (
    f"install a PostgreSQL server (Debian: apt-get install postgresql) and a driver "
    f"(pip install psycopg2-binary; on PyPy psycopg2cffi), or set {VARIABLE} to the URL of an empty database"
)

#: Speed for safety: what these hold is thrown away.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_prepared_transactions": "20",
    "max_connections": "100",
    "listen_addresses": "",
    "log_min_messages": "fatal",
}

_INITDB_OPTIONS = ("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

_PROGRAM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)

_START_SECONDS = 60


class Unavailable(Exception):
    """There is no PostgreSQL to test with; the message says what is missing."""


@contextmanager
def database() -> Iterator[URL]:
    """Provide an empty database for as long as the context lasts.

    :return: its URL, with the driver that this Python can load.
    :raises Unavailable: if there is none.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        with _cluster(_driver()) as url:
            yield url
        return
    url = make_url(given)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername=_driver())
    with administration(url) as connection:
        if _schemas_in_use(connection):
            raise Unavailable(f"the database that {VARIABLE} names is not empty, and the tests would wipe it")
    yield url


@contextmanager
def administration(url: URL) -> Iterator[Connection]:
    """A connection of its own to the database, without transactions."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with _connect(engine) as connection:
        yield connection


def wipe(connection: Connection) -> None:
    """Empty the database: other connections, prepared transactions, all schemas.

    :param connection: one from :func:`administration`.
    """
    connection.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    prepared = connection.scalars(text("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"))
    for name in prepared.all():
        connection.exec_driver_sql("ROLLBACK PREPARED '{}'".format(name.replace("'", "''")))
    for schema in _schemas_in_use(connection):
        quoted = connection.dialect.identifier_preparer.quote(schema)
        connection.exec_driver_sql(f"DROP SCHEMA {quoted} CASCADE")
        if schema == "public":
            connection.exec_driver_sql("CREATE SCHEMA public")
            connection.exec_driver_sql("GRANT ALL ON SCHEMA public TO public")


def _schemas_in_use(connection: Connection) -> list[str]:
    """The schemas that somebody made, and ``public`` if there is anything in it."""
    return list(
        connection.scalars(
            text(
                r"SELECT nspname FROM pg_namespace AS schema "
                r"WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND (nspname <> 'public' "
                r"OR EXISTS (SELECT FROM pg_class WHERE relnamespace = schema.oid) "
                r"OR EXISTS (SELECT FROM pg_type WHERE typnamespace = schema.oid) "
                r"OR EXISTS (SELECT FROM pg_proc WHERE pronamespace = schema.oid))"
            )
        )
    )


def _driver() -> str:
    """The name under which Core knows the driver that can be imported here."""
    for name in ("psycopg2", "psycopg2cffi", "psycopg"):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return f"postgresql+{name}"
    raise Unavailable("none of the drivers psycopg2, psycopg2cffi and psycopg can be imported")


def _programs() -> Path:
    """The folder of the newest installed server's programs."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = [folder for pattern in _PROGRAM_FOLDERS for folder in Path("/").glob(pattern[1:])]
    found = [folder for folder in found if (folder / "initdb").exists()]
    if not found:
        raise Unavailable("the server programs (initdb, postgres) are not installed")
    return max(found, key=lambda folder: [int(number) for number in re.findall(r"\d+", str(folder))])


def _other_user() -> dict[str, object]:
    """What to give to ``subprocess`` so that the server, which refuses root, starts."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise Unavailable("the server does not run as root, and there is no other user for it")


@contextmanager
def _cluster(driver: str) -> Iterator[URL]:
    programs, user = _programs(), _other_user()
    folder = Path(tempfile.mkdtemp(prefix="session-pg-"))
    try:
        if user:
            os.chown(folder, user["user"], user["group"])  # type: ignore[arg-type]
        data, log = folder / "data", folder / "log"
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", *_INITDB_OPTIONS],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **user,  # type: ignore[call-overload]
        )
        if made.returncode:
            raise Unavailable(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
        command = [programs / "postgres", "-D", data, "-k", folder]
        for name, value in _SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        with log.open("wb") as output:
            server = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # an interrupt from the keyboard is for the tests
                **user,  # type: ignore[call-overload]
            )
        try:
            url = URL.create(driver, username="postgres", database="postgres", query={"host": str(folder)})
            _wait_for(server, url, log)
            yield url
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: nothing in it is to be kept
            try:
                server.wait(timeout=15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(server: subprocess.Popen[bytes], url: URL, log: Path) -> None:
    engine = create_engine(url, poolclass=NullPool)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if server.poll() is not None:
            raise Unavailable(f"the server ended at once: {log.read_text(errors='replace').strip()}")
        try:
            engine.connect().close()
        except DBAPIError as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"the server did not answer in {_START_SECONDS} seconds: {error}") from error
            time.sleep(0.05)
        else:
            return


@contextmanager
def _connect(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise Unavailable(f"cannot connect to {engine.url}: {error}") from error
    with connection:
        yield connection


if __name__ == "__main__":
    # A cluster to work with by hand: `python -m tests.postgresql [COMMAND ...]`, URL in the variable.
    with database() as address:
        text_of_url = address.render_as_string(hide_password=False)
        print(f"{VARIABLE}={text_of_url}", flush=True)
        if sys.argv[1:]:
            ended = subprocess.run(sys.argv[1:], env={**os.environ, VARIABLE: text_of_url})
            sys.exit(ended.returncode)
        input("Enter ends it. ")
