"""Relationships whose ``secondary`` is a join of several tables, that of the target among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, and_, join, select

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    contains_eager,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    relationship,
    selectinload,
    subqueryload,
    with_parent,
)


class Base(DeclarativeBase):
    pass


class Town(Base):
    __tablename__ = "joined_town"

    id: Mapped[int] = mapped_column(primary_key=True)


class Firm(Base):
    __tablename__ = "joined_firm"

    id: Mapped[int] = mapped_column(primary_key=True)
    town_id: Mapped[int] = mapped_column(ForeignKey("joined_town.id"))


class Person(Base):
    __tablename__ = "joined_person"

    id: Mapped[int] = mapped_column(primary_key=True)
    firm_id: Mapped[int] = mapped_column(ForeignKey("joined_firm.id"))
    #: towns where the person has a flat and works
    towns: Mapped[list[Town]] = relationship(
        secondary=lambda: join(Firm, Town, Firm.town_id == Town.id).join(Flat, Flat.town_id == Town.id),
        primaryjoin=lambda: and_(Person.firm_id == Firm.id, Person.id == Flat.person_id),
        secondaryjoin=lambda: Town.id == Firm.town_id,
        viewonly=True,
    )


class Flat(Base):
    __tablename__ = "joined_flat"

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("joined_person.id"))
    town_id: Mapped[int] = mapped_column(ForeignKey("joined_town.id"))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Town(id=1), Town(id=2)])
        session.flush()
        session.add_all([Firm(id=1, town_id=1), Firm(id=2, town_id=1), Firm(id=3, town_id=2), Firm(id=4, town_id=2)])
        session.flush()
        session.add_all([Person(id=number, firm_id=number) for number in (1, 2, 3, 4)])
        session.flush()
        session.add_all(
            [
                Flat(person_id=1, town_id=1),
                Flat(person_id=2, town_id=2),
                Flat(person_id=2, town_id=2),
                Flat(person_id=4, town_id=2),
            ]
        )
        session.commit()
        yield session


TOWNS = {1: [1], 2: [], 3: [], 4: [2]}


@pytest.mark.parametrize("load", [lazyload, joinedload, selectinload, subqueryload, immediateload])
@pytest.mark.parametrize("limit", [None, 3])
def test_loads_go_by_the_conditions_of_the_join(session: Session, load: Any, limit: int | None) -> None:
    people = session.scalars(select(Person).options(load(Person.towns)).order_by(Person.id).limit(limit)).unique()
    found = {person.id: [town.id for town in person.towns] for person in people}
    assert found == {number: towns for number, towns in TOWNS.items() if limit is None or number <= limit}


def test_joins_go_by_the_conditions_of_the_join(session: Session) -> None:
    person, town = aliased(Person), aliased(Town)
    inner = [(1, 1), (4, 2)]
    for statement, expected in [
        (select(Person.id, Town.id).join(Person.towns).order_by(Person.id), inner),
        (select(person.id, town.id).join(person.towns.of_type(town)).order_by(person.id), inner),
        (
            select(Person.id, Town.id).outerjoin(Person.towns).order_by(Person.id),
            [(1, 1), (2, None), (3, None), (4, 2)],
        ),
    ]:
        assert session.execute(statement).all() == expected
    eager = select(Person).outerjoin(Person.towns).options(contains_eager(Person.towns)).order_by(Person.id)
    assert {each.id: [town.id for town in each.towns] for each in session.scalars(eager).unique()} == TOWNS


def test_comparisons_go_by_the_conditions_of_the_join(session: Session) -> None:
    people = select(Person.id).order_by(Person.id)
    second = session.get_one(Town, 2)
    assert session.scalars(people.where(Person.towns.any(Town.id == 1))).all() == [1]
    assert session.scalars(people.where(Person.towns.any())).all() == [1, 4]
    assert session.scalars(people.where(Person.towns.contains(second))).all() == [4]
    assert session.scalars(people.where(~Person.towns.contains(second))).all() == [1, 2, 3]
    for number, towns in TOWNS.items():
        parent = session.get_one(Person, number)
        assert session.scalars(select(Town.id).where(with_parent(parent, Person.towns))).all() == towns
