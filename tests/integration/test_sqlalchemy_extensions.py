"""Extensions of SQLAlchemy that work on mapped classes of this package: ordering lists and indexed values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, Engine, ForeignKey, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.indexable import index_property
from sqlalchemy.ext.orderinglist import ordering_list
from sqlalchemy.orm.attributes import flag_modified

from session import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Deck(Base):
    __tablename__ = "deck"

    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    colour = index_property("data", "colour", default=None)
    cards: Mapped[list[Card]] = relationship(
        order_by="Card.position", collection_class=ordering_list("position"), cascade="all, delete-orphan"
    )


class Card(Base):
    __tablename__ = "card"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    deck_id: Mapped[int | None] = mapped_column(ForeignKey("deck.id"))
    position: Mapped[int | None]


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Deck(id=1, data={"colour": "red", "size": 3}, cards=[Card(name=name) for name in "abc"]))
        session.commit()
        yield session


def stored(session: Session) -> list[tuple[str, int | None]]:
    session.commit()
    return [tuple(row) for row in session.execute(select(Card.name, Card.position).order_by(Card.position))]


def test_an_ordering_list_numbers_its_members(session: Session) -> None:
    deck = session.get_one(Deck, 1)
    deck.cards.insert(0, Card(name="d"))
    assert stored(session) == [("d", 0), ("a", 1), ("b", 2), ("c", 3)]
    deck.cards.remove(deck.cards[1])
    assert stored(session) == [("d", 0), ("b", 1), ("c", 2)]
    deck.cards[:] = [Card(name="e"), deck.cards[0]]
    assert stored(session) == [("e", 0), ("d", 1)]
    deck.cards[::2] = [Card(name="f")]
    deck.cards[1:1] = [Card(name="g")]
    assert stored(session) == [("f", 0), ("g", 1), ("d", 2)]


def test_a_replaced_ordering_list_leaves_the_numbers_to_the_new_one(session: Session) -> None:
    deck = session.get_one(Deck, 1)
    second = deck.cards[1]
    deck.cards = [Card(name="e"), second]
    assert stored(session) == [("e", 0), ("b", 1)]


def test_an_indexed_value_is_written(session: Session) -> None:
    deck = session.get_one(Deck, 1)
    assert deck.colour == "red"
    deck.colour = "blue"
    session.commit()
    assert deck.data == {"colour": "blue", "size": 3}
    del deck.colour
    session.commit()
    assert deck.data == {"size": 3}
    assert deck.colour is None


def test_flag_modified_of_sqlalchemy_orm_has_the_attribute_written(session: Session) -> None:
    deck = session.get_one(Deck, 1)
    assert deck.data is not None
    deck.data["size"] = 4
    flag_modified(deck, "data")
    assert session.is_modified(deck)
    session.commit()
    assert deck.data == {"colour": "red", "size": 4}
    session.expire(deck)
    with pytest.raises(InvalidRequestError, match="data"):
        flag_modified(deck, "data")
