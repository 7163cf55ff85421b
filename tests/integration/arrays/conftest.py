"""Fixtures: an engine that takes notes, and a class without any peculiarity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from session import DeclarativeBase, Session
from tests.conftest import Database

from .notes import MANY, Notes, item_class


@pytest.fixture
def notes(database: Database) -> Notes:
    return Notes(database)


@pytest.fixture
def base() -> type[DeclarativeBase]:
    class Base(DeclarativeBase):
        pass

    return Base


@pytest.fixture
def item(base: type[DeclarativeBase], notes: Notes) -> Any:
    """A class without any peculiarity, and its table."""
    Item = item_class(base)
    base.metadata.create_all(notes.engine)
    notes.forget()
    return Item


@pytest.fixture
def items(item: Any, notes: Notes) -> Iterator[tuple[Session, list[Any]]]:
    """Objects that are in the database, in an open Session."""
    with Session(notes.engine) as session:
        objects = [item(name=f"name {i}", number=i) for i in range(MANY)]
        session.add_all(objects)
        session.flush()
        notes.forget()
        yield session, objects
