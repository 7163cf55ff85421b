"""What the everyday suites share: a record of the statements that an engine was sent, a count of rows, and marks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from session import Session

CPYTHON = sys.implementation.name == "cpython"

where_classes_die = pytest.mark.skipif(not CPYTHON, reason="a class that nobody holds is there still, for a while")


class Statements:
    """The SQL that goes to the database while the ``with`` block lasts.

    ``with Statements(engine) as sent: ...`` then ``len(sent)``, ``sent.texts``,
    or ``sent.starting("INSERT")``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.texts: list[str] = []
        self.parameters: list[Any] = []

    def __enter__(self) -> Statements:
        event.listen(self._engine, "before_cursor_execute", self._record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        event.remove(self._engine, "before_cursor_execute", self._record)

    def __len__(self) -> int:
        return len(self.texts)

    def starting(self, word: str) -> list[str]:
        """Those whose first word is the given one."""
        return [text for text in self.texts if text.lstrip().upper().startswith(word)]

    def _record(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        self.texts.append(statement)
        self.parameters.append(parameters)


def count(session: Session, entity: Any) -> int:
    """How many rows the table of a class has."""
    return session.scalar(select(func.count()).select_from(entity)) or 0
