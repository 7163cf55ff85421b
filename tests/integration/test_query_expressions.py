"""``query_expression()``: whose SQL a statement gives with ``with_expression()``, wherever the class stands in the statement."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, Integer, func, select

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    contains_eager,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    mapped_column,
    query_expression,
    relationship,
    selectinload,
    with_expression,
)

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "expressed_book"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("expressed_shelf.id"))
    pages: Mapped[int] = mapped_column(Integer)
    asked: Mapped[int | None] = query_expression()
    doubled: Mapped[int] = query_expression(pages * 2)


class Shelf(Base):
    __tablename__ = "expressed_shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(order_by=Book.id)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        books = [Book(id=1, pages=10), Book(id=2, pages=20)]
        session.add_all([Shelf(id=1, books=books), Shelf(id=2, books=[Book(id=3, pages=30)])])
        session.commit()
        session.expunge_all()
        yield session


@pytest.mark.parametrize("way", [joinedload, selectinload, lazyload, immediateload])
def test_an_expression_is_of_the_rows_that_a_relationship_loads(session: Session, way: Any) -> None:
    option = way(Shelf.books).with_expression(Book.asked, Book.pages + 1)
    shelves = session.scalars(select(Shelf).order_by(Shelf.id).options(option)).unique().all()
    assert [[book.asked for book in shelf.books] for shelf in shelves] == [[11, 21], [31]]


@pytest.mark.parametrize("limited", [False, True])
def test_a_subquery_in_an_expression_is_of_the_joined_rows(session: Session, limited: bool) -> None:
    other = aliased(Book)
    count = select(func.count(other.id)).where(other.pages <= Book.pages).scalar_subquery()
    statement = select(Shelf).order_by(Shelf.id).options(joinedload(Shelf.books).with_expression(Book.asked, count))
    shelves = session.scalars(statement.limit(2) if limited else statement).unique().all()
    assert [[book.asked for book in shelf.books] for shelf in shelves] == [[1, 2], [3]]


def test_an_expression_of_the_class_is_one_of_its_alias(session: Session) -> None:
    alias = aliased(Book)
    statement = select(alias).order_by(alias.id)
    for expression in (alias.pages + 1, Book.pages + 1):
        session.expunge_all()
        found = session.scalars(statement.options(with_expression(alias.asked, expression))).all()
        assert [book.asked for book in found] == [11, 21, 31]
    session.expunge_all()
    few = aliased(Book, select(Book).where(Book.pages > 15).subquery())
    statement = select(few).order_by(few.id).options(with_expression(few.asked, Book.pages + 1))
    assert [book.asked for book in session.scalars(statement)] == [21, 31]


def test_an_expression_of_rows_that_the_statement_joins(session: Session) -> None:
    option = contains_eager(Shelf.books).with_expression(Book.asked, Book.pages + Shelf.id)
    statement = select(Shelf).join(Shelf.books).order_by(Book.id).options(option)
    shelves = session.scalars(statement).unique().all()
    assert [[book.asked for book in shelf.books] for shelf in shelves] == [[11, 21], [32]]


def test_without_an_expression_nothing_is_selected(engine: Engine, session: Session) -> None:
    with Statements(engine) as sent:
        book = session.get_one(Book, 1)
        assert book.asked is None
        assert book.doubled == 20
    assert len(sent) == 1
    assert "NULL" not in sent.texts[0]


def test_what_an_object_has_stays_when_it_is_loaded_again_without_an_expression(session: Session) -> None:
    book = session.scalars(select(Book).where(Book.id == 1).options(with_expression(Book.asked, Book.pages))).one()
    session.scalars(select(Book).execution_options(populate_existing=True)).all()
    assert book.asked == 10


def test_plain_values_are_expressions_too(session: Session) -> None:
    for value in (5, None):
        session.expunge_all()
        book = session.scalars(select(Book).where(Book.id == 1).options(with_expression(Book.asked, value))).one()
        assert book.__dict__["asked"] == value


def test_a_default_expression_is_put_off_with_the_other_columns(engine: Engine, session: Session) -> None:
    for option in (load_only(Book.id), defer("*")):
        session.expunge_all()
        book = session.scalars(select(Book).where(Book.id == 1).options(option)).one()
        assert book.__dict__.keys() & {"pages", "doubled", "asked"} == set()
        with Statements(engine) as sent:
            assert book.doubled == 20
        assert len(sent) == 1
    session.expunge_all()
    options = (load_only(Book.id), with_expression(Book.asked, Book.pages))
    book = session.scalars(select(Book).where(Book.id == 1).options(*options)).one()
    assert book.__dict__["asked"] == 10
