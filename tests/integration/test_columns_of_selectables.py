"""Classes that are read from a selectable given by ``with_polymorphic``: conditions on the columns of their tables."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table, insert, select

import session as package


def make(orm: Any) -> Any:
    """Map persons and managers, who are read from a subquery of both tables, and their firm."""
    base: Any = orm.declarative_base()
    person = Table(
        "person",
        base.metadata,
        Column("id", Integer, primary_key=True),
        Column("kind", String),
        Column("name", String),
        Column("firm_id", ForeignKey("firm.id")),
    )
    manager = Table(
        "manager", base.metadata, Column("id", ForeignKey("person.id"), primary_key=True), Column("title", String)
    )
    everybody = select(person, manager.c.title).select_from(person.outerjoin(manager)).subquery("everybody")

    class Firm(base):
        __tablename__ = "firm"
        id = Column(Integer, primary_key=True)
        staff = orm.relationship("Person", order_by="Person.id")

    class Person(base):
        __table__ = person
        __mapper_args__ = {
            "polymorphic_on": everybody.c.kind,
            "polymorphic_identity": "person",
            "with_polymorphic": ("*", everybody),
        }

    class Manager(Person):
        __table__ = manager
        __mapper_args__ = {"polymorphic_identity": "manager"}

    return Firm, Person, Manager


OURS, THEIRS = make(package), make(sqlalchemy.orm)


@pytest.fixture(autouse=True)
def rows(engine: Engine) -> None:
    firm, person, manager = (cls.__table__ for cls in OURS)
    firm.metadata.create_all(engine)
    names = {1: "ann", 2: "bob", 3: "ann", 4: "bob"}
    with engine.begin() as connection:
        connection.execute(insert(firm), [{"id": 1}])
        people = [
            {"id": number, "name": name, "firm_id": 1, "kind": "manager" if number > 2 else "person"}
            for number, name in names.items()
        ]
        connection.execute(insert(person), people)
        connection.execute(insert(manager), [{"id": 3, "title": "chief"}, {"id": 4, "title": "deputy"}])


def statements(orm: Any, classes: Any) -> list[Any]:
    _, cls, manager = classes
    person = cls.__table__.c
    title = manager.__table__.c.title
    criteria = orm.with_loader_criteria
    others = select(person.id).where(person.name == "bob")
    return [
        select(cls.id).where(person.name == "ann").order_by(cls.id),
        select(cls.id).where(title == "chief"),
        select(cls.id).order_by(person.name.desc(), person.id.desc()),
        select(person.name, cls.id).order_by(cls.id),
        select(cls.id).where(cls.id.in_(others.correlate(None))).order_by(cls.id),
        select(cls.id).options(criteria(cls, person.name == "ann")).order_by(cls.id),
        select(cls.id).options(criteria(cls, lambda found: person.name == "ann")).order_by(cls.id),
        select(cls.id).options(criteria(cls, cls.name == "bob")).order_by(cls.id),
    ]


def test_the_rows_are_those_of_the_selectable(engine: Engine) -> None:
    seen = []
    for orm, classes in ((package, OURS), (sqlalchemy.orm, THEIRS)):
        with orm.Session(engine) as session:
            seen.append([[tuple(row) for row in session.execute(each)] for each in statements(orm, classes)])
    assert seen[0] == seen[1]
    assert seen[0][0] == [(1,), (3,)]
    assert seen[0][1] == [(3,)]
    assert seen[0][4] == [(2,), (4,)]


@pytest.mark.parametrize("how", ["attribute", "column"])
def test_criteria_in_joins_and_loads(engine: Engine, how: str) -> None:
    firm, person, _ = OURS
    column = person.name if how == "attribute" else person.__table__.c.name
    criteria = package.with_loader_criteria(person, column == "ann")
    with package.Session(engine) as session:
        joined = select(person.id).select_from(firm).join(firm.staff).options(criteria).order_by(person.id)
        assert session.scalars(joined).all() == [1, 3]
        for load in (package.selectinload, package.joinedload, package.lazyload):
            session.expunge_all()
            found = session.scalars(select(firm).options(load(firm.staff), criteria)).unique().one()
            assert [each.id for each in found.staff] == [1, 3]


def test_criteria_in_joins_beside_sqlalchemy_orm(engine: Engine) -> None:
    firm, person, _ = THEIRS
    criteria = sqlalchemy.orm.with_loader_criteria(person, person.name == "ann")
    with sqlalchemy.orm.Session(engine) as session:
        joined = select(person.id).select_from(firm).join(firm.staff).options(criteria).order_by(person.id)
        assert session.scalars(joined).all() == [1, 3]
