"""One program on this package and on ``sqlalchemy.orm``, over the same rows of the same database."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import sqlalchemy.orm
from sqlalchemy import Engine

import session as package

from ..model.models import ROWS, make_models

__all__ = ["Beside", "Program"]

Program = Callable[[ModuleType, SimpleNamespace, Any], Any]
"""Gets the library, its mapped classes and a Session of it; gives what it has seen."""

ORM: Any = sqlalchemy.orm
OURS: Any = make_models(package)
THEIRS: Any = make_models(ORM)


class Beside:
    """Runs programs on both libraries.

    :param engine: for an empty database.
    """

    models = OURS
    others = THEIRS

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        OURS.metadata.create_all(engine)
        with engine.begin() as connection:
            for table in OURS.metadata.sorted_tables:
                connection.execute(table.insert(), [dict(zip(table.columns.keys(), row)) for row in ROWS[table.name]])

    def __call__(self, program: Program, **settings: Any) -> Any:
        """Give what a program has seen, which has to be the same; the name of the class of an error that it raised.

        :param settings: for the Sessions.
        """
        ours, theirs = (self.seen(program, *library, settings) for library in ((package, OURS), (ORM, THEIRS)))
        assert ours == theirs
        return ours

    def seen(self, program: Program, orm: ModuleType, models: SimpleNamespace, settings: dict[str, Any]) -> Any:
        with orm.Session(self.engine, **settings) as session:
            try:
                return program(orm, models, session)
            except Exception as error:
                return type(error).__name__
