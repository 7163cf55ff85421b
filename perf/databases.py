"""The databases that contenders work on, and who throws them away.

In: what the command line says. Out: for each contender, a database URL. Next on the way: `world.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from tests import postgresql

IN_FILES = "sqlite"
IN_MEMORY = "sqlite://"
THROW_AWAY = "postgresql"

HELP = (
    f"{IN_FILES}: a temporary file for each contender (the default); {IN_MEMORY} in memory; {THROW_AWAY}: a server "
    "made for the run and thrown away; or the URL of a database"
)

UrlOf = Callable[[str], str]


@contextmanager
def databases(wish: str) -> Iterator[UrlOf]:
    """Provide databases for as long as the context lasts.

    Parameters:
        wish: `"sqlite"`, `"postgresql"`, or a URL, as `HELP` says.

    Returns:
        A function: name of a contender -> the URL of its database. Worlds on one PostgreSQL keep apart by schemas.

    Raises:
        tests.postgresql.Unavailable: there is no PostgreSQL server to start.
    """
    if wish == IN_FILES:
        with tempfile.TemporaryDirectory(prefix="session-perf-") as folder:
            yield lambda contender: str(URL.create("sqlite", database=str(Path(folder, f"{contender}.db"))))
    elif wish == THROW_AWAY:
        with postgresql.database() as url:
            yield lambda contender: url.render_as_string(hide_password=False)
    else:
        yield lambda contender: wish
