"""Versions among the rows of a bulk UPDATE by primary key, with each way of giving such rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, FetchedValue, ForeignKey, func, select, update
from sqlalchemy.exc import InvalidRequestError

from session import DeclarativeBase, Mapped, Session, mapped_column
from session.exc import StaleDataError


class Base(DeclarativeBase):
    pass


class Paper(Base):
    __tablename__ = "paper"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    version: Mapped[int] = mapped_column("version_number")
    __mapper_args__ = {"version_id_col": version}


class Letter(Paper):
    __tablename__ = "letter"

    id: Mapped[int] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    receiver: Mapped[str | None]


class Told(Base):
    __tablename__ = "told"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default="1", server_onupdate=FetchedValue())
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}


def by_statement(session: Session, cls: Any, rows: list[dict[str, Any]]) -> None:
    session.execute(update(cls), rows)


def by_method(session: Session, cls: Any, rows: list[dict[str, Any]]) -> None:
    session.bulk_update_mappings(cls, rows)


Way = Callable[[Session, Any, list[dict[str, Any]]], None]
ways = pytest.mark.parametrize("write", [by_statement, by_method])


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Paper(id=1, name="a"), Letter(id=2, name="b", receiver="x"), Told(id=1, name="t")])
        session.commit()
        yield session


def versions(session: Session) -> list[tuple[str | None, int]]:
    return [tuple(row) for row in session.execute(select(Paper.name, Paper.version).order_by(Paper.id))]


@ways
def test_the_version_is_checked_and_goes_on(session: Session, write: Way) -> None:
    write(session, Paper, [{"id": 1, "name": "A", "version": 1}, {"id": 2, "name": "B", "version": 1}])
    assert versions(session) == [("A", 2), ("B", 2)]
    with pytest.raises(StaleDataError):
        write(session, Paper, [{"id": 1, "name": "old", "version": 1}])


@ways
def test_a_row_of_nothing_but_its_version_is_written_too(session: Session, write: Way) -> None:
    write(session, Paper, [{"id": 1, "version": 1}])
    assert versions(session) == [("a", 2), ("b", 1)]
    with pytest.raises(StaleDataError):
        write(session, Paper, [{"id": 1, "version": 1}])


def test_objects_that_are_saved_in_bulk_without_changes_have_their_version_checked_too(session: Session) -> None:
    paper, letter = session.scalars(select(Paper).order_by(Paper.id)).all()
    session.bulk_save_objects([paper, letter])
    assert versions(session) == [("a", 2), ("b", 2)]
    with pytest.raises(StaleDataError):
        session.bulk_save_objects([paper])


@ways
def test_a_row_of_a_subclass_has_the_version_of_its_base(session: Session, write: Way) -> None:
    write(session, Letter, [{"id": 2, "receiver": "y", "version": 1}])
    assert versions(session) == [("a", 1), ("b", 2)]
    with pytest.raises(StaleDataError):
        write(session, Letter, [{"id": 2, "receiver": "z", "version": 1}])


@ways
@pytest.mark.parametrize("missing", [{}, {"version": None}])
def test_a_row_without_its_version_is_refused(session: Session, write: Way, missing: dict[str, Any]) -> None:
    rows = [{"id": 1, "name": "A", "version": 1}, {"id": 2, "name": "B", **missing}]
    with pytest.raises(InvalidRequestError, match="'version'"):
        write(session, Paper, rows)
    session.rollback()
    assert versions(session) == [("a", 1), ("b", 1)]


@ways
def test_what_the_server_counts_is_checked_and_left_to_it(session: Session, write: Way) -> None:
    write(session, Told, [{"id": 1, "name": "T", "version": 1}])
    assert session.scalars(select(Told.name)).one() == "T"
    session.commit()
    for row in ({"id": 1, "name": "U", "version": 2}, {"id": 1, "version": 2}):
        with pytest.raises(StaleDataError):
            write(session, Told, [row])
        session.rollback()
    told = session.get_one(Told, 1)
    session.expunge(told)
    told.name = "V"
    session.bulk_save_objects([told])
    assert session.scalars(select(Told.name)).one() == "V"


def test_a_row_with_an_expression_has_its_version_checked(session: Session) -> None:
    session.execute(update(Paper), [{"id": 1, "name": func.upper("q"), "version": 1}])
    assert versions(session) == [("Q", 2), ("b", 1)]
