"""Loader options where the rows of a class come from an alias, or from the compound SELECT of ``Query.union()``."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, inspect, select
from sqlalchemy.exc import ArgumentError

from session import (
    DeclarativeBase,
    Mapped,
    Query,
    Session,
    aliased,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    mapped_column,
    relationship,
    selectin_polymorphic,
    selectinload,
    with_polymorphic,
)

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Pot(Base):
    __tablename__ = "optional_pot"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    plants: Mapped[list[Plant]] = relationship(back_populates="pot", order_by="Plant.id")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "pot"}


class Bed(Pot):
    __tablename__ = "optional_bed"

    id: Mapped[int] = mapped_column(ForeignKey("optional_pot.id"), primary_key=True)
    width: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "bed"}


class Plant(Base):
    __tablename__ = "optional_plant"

    id: Mapped[int] = mapped_column(primary_key=True)
    pot_id: Mapped[int] = mapped_column(ForeignKey("optional_pot.id"))
    pot: Mapped[Pot] = relationship(back_populates="plants")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Pot(id=1, name="a", plants=[Plant(id=1), Plant(id=2)]))
        session.add(Bed(id=2, name="b", width=3, plants=[Plant(id=3)]))
        session.commit()
        session.expunge_all()  # what is there already keeps the options that it came with
        yield session


def both(session: Session) -> Query[Pot]:
    return session.query(Pot).filter(Pot.id == 2).union_all(session.query(Pot).filter(Pot.id == 1))


@pytest.mark.parametrize(("way", "further"), [(joinedload, 0), (selectinload, 1), (immediateload, 2)])
def test_relationships_are_loaded_for_the_rows_of_a_union(
    engine: Engine, session: Session, way: Any, further: int
) -> None:
    with Statements(engine) as sent:
        pots = both(session).options(way(Pot.plants)).order_by(Pot.id).all()
        assert [[plant.id for plant in pot.__dict__["plants"]] for pot in pots] == [[1, 2], [3]]
    assert len(sent) == 1 + further


def test_columns_are_put_off_for_the_rows_of_a_union(session: Session) -> None:
    for option in (defer(Pot.name), load_only(Pot.id)):
        session.expunge_all()
        pots = both(session).options(option).order_by(Pot.id).all()
        assert ["name" in pot.__dict__ for pot in pots] == [False, False]
        assert [pot.name for pot in pots] == ["a", "b"]


def test_options_of_a_union_go_with_its_objects_into_a_pickle(engine: Engine, session: Session) -> None:
    option = lazyload(Pot.plants).joinedload(Plant.pot)
    first = both(session).options(option).order_by(Pot.id).first()
    assert first is not None
    data = pickle.dumps(first)
    session.expunge_all()
    again = pickle.loads(data)
    session.add(again)
    with Statements(engine) as sent:
        assert [plant.pot for plant in again.plants] == [again, again]
    assert len(sent) == 1
    assert "JOIN" in sent.texts[0]


@pytest.mark.parametrize("option", [joinedload(Pot.plants), selectinload(Pot.plants), defer(Pot.name)])
def test_options_of_a_class_are_refused_where_only_its_alias_is_selected(session: Session, option: Any) -> None:
    for selected in (aliased(Pot), with_polymorphic(Pot, [Bed])):
        with pytest.raises(ArgumentError, match="does not apply"):
            session.scalars(select(selected).options(option))


def test_options_of_a_class_are_taken_where_its_alias_is_selected_too(session: Session) -> None:
    alias = aliased(Pot)
    statement = select(Pot, alias).join(alias, Pot.id != alias.id).order_by(Pot.id)
    pots = [row[0] for row in session.execute(statement.options(defer(Pot.name), selectinload(alias.plants)))]
    assert ["name" in inspect(pot).unloaded for pot in pots] == [False, False]
    session.expunge_all()
    pot = session.scalars(select(alias).order_by(alias.id).options(selectinload(alias.plants))).first()
    assert pot is not None
    assert [plant.id for plant in pot.__dict__["plants"]] == [1, 2]


def test_options_of_subclasses_say_nothing_where_an_alias_knows_none_of_them(session: Session) -> None:
    alias = aliased(Pot)
    for selected, option in (
        (alias, defer(Bed.width)),
        (with_polymorphic(Pot, [Bed]), selectin_polymorphic(Pot, [Bed])),
    ):
        session.expunge_all()
        pots = {pot.id: pot for pot in session.scalars(select(selected).options(option))}
        assert pots[2].width == 3
