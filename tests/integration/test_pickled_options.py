"""Pickled objects keep what the options of their statement have said of attributes that are not loaded."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, select
from sqlalchemy.exc import InvalidRequestError

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    defer,
    load_only,
    mapped_column,
    raiseload,
    relationship,
    selectin_polymorphic,
)


class Base(DeclarativeBase):
    pass


class Ship(Base):
    __tablename__ = "pickled_ship"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    length: Mapped[int]
    boats: Mapped[list[Boat]] = relationship()
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "ship"}


class Tanker(Ship):
    __tablename__ = "pickled_tanker"

    id: Mapped[int] = mapped_column(ForeignKey("pickled_ship.id"), primary_key=True)
    load: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "tanker"}


class Boat(Base):
    __tablename__ = "pickled_boat"

    id: Mapped[int] = mapped_column(primary_key=True)
    ship_id: Mapped[int] = mapped_column(ForeignKey("pickled_ship.id"))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Tanker(id=1, name="a", length=9, load=5, boats=[Boat(id=1)]))
        session.commit()
        session.expunge_all()
        yield session


def travelled(session: Session, *options: Any) -> Any:
    data = pickle.dumps(session.scalars(select(Ship).options(*options)).one())
    session.expunge_all()
    ship = pickle.loads(data)
    session.add(ship)
    return ship


@pytest.mark.parametrize(
    "options",
    [
        (load_only(Ship.name),),
        (defer(Ship.length), defer(Tanker.load)),
        (defer("*"),),
        (selectin_polymorphic(Ship, [Tanker]), defer(Tanker.load)),
        (selectin_polymorphic(Ship, [Tanker]), load_only(Ship.name)),
    ],
)
def test_columns_that_were_left_out_are_loaded_after_the_journey(session: Session, options: Any) -> None:
    ship = travelled(session, *options)
    assert (ship.name, ship.length, ship.load, [boat.id for boat in ship.boats]) == ("a", 9, 5, [1])
    again = pickle.loads(pickle.dumps(ship))
    assert (again.name, again.length, again.load) == ("a", 9, 5)


def test_what_may_not_be_loaded_may_not_be_loaded_after_the_journey(session: Session) -> None:
    ship = travelled(session, defer(Ship.length, raiseload=True), raiseload(Ship.boats))
    for key in ("length", "boats"):
        with pytest.raises(InvalidRequestError, match="not loaded"):
            getattr(ship, key)
    session.refresh(ship, ["length"])
    assert ship.length == 9
