"""What tests of extensions have in common: programs that run with this package and with ``sqlalchemy.orm``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

__all__ = ["counted", "outcome"]


def outcome(call: Callable[[], Any]) -> Any:
    """Give what a function gives, or the class of the error that it raises."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that run meanwhile."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)
