"""References that are replaced before anybody has read them: when the old value is loaded, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table, inspect, select, text
from sqlalchemy.exc import InvalidRequestError

from session import Session, declarative_base, relationship

from .everyday import Statements


def mapped(engine: Engine, **options: Any) -> SimpleNamespace:
    """A house with one door, in two tables; house 1 has door 1, door 2 is free, house 2 has none."""
    Base = declarative_base()

    class House(Base):  # type: ignore[misc, valid-type]
        __tablename__ = "house"
        id = Column(Integer, primary_key=True)
        door = relationship("Door", uselist=False, back_populates="house", **options)

    class Door(Base):  # type: ignore[misc, valid-type]
        __tablename__ = "door"
        id = Column(Integer, primary_key=True)
        house_id = Column(ForeignKey("house.id"))
        house = relationship("House", back_populates="door")

    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(House.__table__.insert(), [{"id": 1}, {"id": 2}])
        connection.execute(Door.__table__.insert(), [{"id": 1, "house_id": 1}, {"id": 2, "house_id": None}])
    return SimpleNamespace(House=House, Door=Door)


def doors(session: Session) -> list[tuple[int, int | None]]:
    return [tuple(row) for row in session.execute(text("SELECT id, house_id FROM door ORDER BY id"))]


@pytest.fixture
def sent(engine: Engine) -> Iterator[Statements]:
    with Statements(engine) as sent:
        yield sent


@pytest.mark.parametrize("new", [2, 9, None])
def test_the_old_one_is_loaded_by_the_flush_and_let_go(engine: Engine, sent: Statements, new: int | None) -> None:
    models = mapped(engine)
    with Session(engine) as session:
        house = session.get(models.House, 1)
        door = None if new is None else session.get(models.Door, new) or models.Door(id=new)
        sent.texts.clear()
        house.door = door
        assert sent.texts == []
        session.flush()
        assert len(sent.starting("SELECT")) == 1
        assert dict(doors(session)) == {1: None, 2: None} | ({} if new is None else {new: 1})


def test_the_old_one_in_the_session_loses_its_house(engine: Engine) -> None:
    models = mapped(engine)
    with Session(engine) as session:
        house, old = session.get(models.House, 1), session.get(models.Door, 1)
        house.door = None
        assert (old.house_id, house.door) == (1, None)
        session.flush()
        assert old.house_id is None
        assert old.house is None


def test_putting_back_the_same_one_writes_nothing(engine: Engine, sent: Statements) -> None:
    models = mapped(engine)
    with Session(engine) as session:
        house, same = session.get(models.House, 1), session.get(models.Door, 1)
        house.door = same
        sent.texts.clear()
        session.flush()
        assert sent.starting("UPDATE") == []
        assert doors(session) == [(1, 1), (2, None)]


def test_the_history_is_loaded_when_it_is_asked_for(engine: Engine, sent: Statements) -> None:
    models = mapped(engine)
    with Session(engine) as session:
        house = session.get(models.House, 1)
        house.door = models.Door(id=9)
        sent.texts.clear()
        history = inspect(house).attrs.door.history
        assert len(sent.starting("SELECT")) == 1
        assert sent.starting("INSERT") == []
        assert [[door.id for door in part] for part in history] == [[9], [], [1]]


def test_a_deletion_unread_lets_the_old_one_go(engine: Engine, sent: Statements) -> None:
    models = mapped(engine)
    with Session(engine) as session:
        house = session.get(models.House, 1)
        sent.texts.clear()
        del house.door
        assert sent.texts == []
        session.flush()
        assert doors(session) == [(1, None), (2, None)]


def test_the_other_side_replaces_unread_without_sql(engine: Engine, sent: Statements) -> None:
    models = mapped(engine)
    with Session(engine) as session:
        house, free = session.get(models.House, 1), session.get(models.Door, 2)
        sent.texts.clear()
        free.house = house
        assert sent.texts == []
        session.flush()
        assert doors(session) == [(1, None), (2, 1)]


def test_an_orphan_replaced_unread_is_deleted(engine: Engine, sent: Statements) -> None:
    models = mapped(engine, cascade="all, delete-orphan")
    with Session(engine) as session:
        house = session.get(models.House, 1)
        sent.texts.clear()
        house.door = models.Door(id=9)
        assert sent.texts == []
        session.flush()
        assert doors(session) == [(2, None), (9, 1)]


def test_an_expired_house_is_loaded_by_the_flush(engine: Engine, sent: Statements) -> None:
    models = mapped(engine)
    with Session(engine) as session:
        house, free = session.get(models.House, 1), session.get(models.Door, 2)
        session.expire(house)
        sent.texts.clear()
        house.door = free
        assert sent.texts == []
        session.flush()
        assert doors(session) == [(1, None), (2, 1)]


@pytest.mark.parametrize("lazy", ["raise", "raise_on_sql"])
def test_a_relationship_that_refuses_to_load_can_be_replaced_unread(engine: Engine, lazy: str) -> None:
    models = mapped(engine, lazy=lazy)
    with Session(engine) as session:
        house = session.get(models.House, 1)
        with pytest.raises(InvalidRequestError):
            house.door  # noqa: B018
        house.door = None
        session.flush()
        assert doors(session) == [(1, None), (2, None)]


@pytest.mark.parametrize("option", ["active_history", "_legacy_inactive_history_style"])
def test_the_old_one_is_loaded_at_once_where_the_mapping_asks_for_it(
    engine: Engine, sent: Statements, option: str
) -> None:
    models = mapped(engine, **{option: True})
    with Session(engine) as session:
        house = session.get(models.House, 1)
        sent.texts.clear()
        house.door = None
        assert len(sent.starting("SELECT")) == 1
        session.flush()
        assert len(sent.starting("SELECT")) == 1
        assert doors(session) == [(1, None), (2, None)]


def test_one_object_by_an_association_table(engine: Engine, sent: Statements) -> None:
    Base = declarative_base()
    lent = Table(
        "lent", Base.metadata, Column("book_id", ForeignKey("book.id")), Column("reader_id", ForeignKey("reader.id"))
    )

    class Book(Base):  # type: ignore[misc, valid-type]
        __tablename__ = "book"
        id = Column(Integer, primary_key=True)
        reader = relationship("Reader", secondary=lent, uselist=False)

    class Reader(Base):  # type: ignore[misc, valid-type]
        __tablename__ = "reader"
        id = Column(Integer, primary_key=True)

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Book(id=1, reader=Reader(id=1)), Reader(id=2)])
        session.commit()
        book, other = session.get(Book, 1), session.get(Reader, 2)
        sent.texts.clear()
        book.reader = other
        assert sent.texts == []
        session.flush()
        assert session.execute(select(lent)).all() == [(1, 2)]


def test_a_reference_by_another_key_than_the_primary_one(engine: Engine, sent: Statements) -> None:
    Base = declarative_base()

    class Letter(Base):  # type: ignore[misc, valid-type]
        __tablename__ = "letter"
        id = Column(Integer, primary_key=True)
        town_code = Column(String(10))
        town = relationship("Town", primaryjoin="foreign(Letter.town_code) == Town.code")

    class Town(Base):  # type: ignore[misc, valid-type]
        __tablename__ = "town"
        id = Column(Integer, primary_key=True)
        code = Column(String(10), unique=True)

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Letter(id=1, town=Town(id=1, code="a")))
        session.commit()
        letter = session.get(Letter, 1)
        sent.texts.clear()
        letter.town = Town(id=2, code="b")
        assert sent.texts == []
        session.flush()
        assert [each.split()[0] for each in sent.texts] == ["SELECT", "INSERT", "UPDATE"]
        assert letter.town_code == "b"
