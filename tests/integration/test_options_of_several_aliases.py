"""Options for one relationship that name several aliases of its target."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, select

import session as package


def make(orm: ModuleType) -> SimpleNamespace:
    """Map a firm and its staff, of whom managers have desks and engineers have tools."""
    base: Any = orm.declarative_base()  # type: ignore[attr-defined]

    class Firm(base):
        __tablename__ = "firm"
        id = Column(Integer, primary_key=True)
        staff = orm.relationship("Person", order_by="Person.id")  # type: ignore[attr-defined]

    class Person(base):
        __tablename__ = "person"
        id = Column(Integer, primary_key=True)
        kind = Column(String)
        firm_id = Column(ForeignKey("firm.id"))
        firm = orm.relationship("Firm", overlaps="staff")  # type: ignore[attr-defined]
        __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "person"}

    class Manager(Person):
        __tablename__ = "manager"
        id = Column(ForeignKey("person.id"), primary_key=True)
        title = Column(String)
        desks = orm.relationship("Desk")  # type: ignore[attr-defined]
        __mapper_args__ = {"polymorphic_identity": "manager"}

    class Engineer(Person):
        __tablename__ = "engineer"
        id = Column(ForeignKey("person.id"), primary_key=True)
        skill = Column(String)
        tools = orm.relationship("Tool")  # type: ignore[attr-defined]
        __mapper_args__ = {"polymorphic_identity": "engineer"}

    class Desk(base):
        __tablename__ = "desk"
        id = Column(Integer, primary_key=True)
        manager_id = Column(ForeignKey("manager.id"))

    class Tool(base):
        __tablename__ = "tool"
        id = Column(Integer, primary_key=True)
        engineer_id = Column(ForeignKey("engineer.id"))

    return SimpleNamespace(
        Firm=Firm, Person=Person, Manager=Manager, Engineer=Engineer, Desk=Desk, Tool=Tool, metadata=base.metadata
    )


OURS, THEIRS = make(package), make(sqlalchemy.orm)


@pytest.fixture(autouse=True)
def rows(engine: Engine) -> None:
    m = OURS
    m.metadata.create_all(engine)
    with package.Session(engine) as session, session.begin():
        manager = m.Manager(id=2, title="chief", desks=[m.Desk(id=1)])
        engineer = m.Engineer(id=3, skill="steel", tools=[m.Tool(id=1)])
        session.add(m.Firm(id=1, staff=[m.Person(id=1), manager, engineer]))


def loaded(person: Any) -> dict[str, Any]:
    """Give what a person has of the attributes that only subclasses have."""
    found = {key: person.__dict__.get(key) for key in ("title", "skill", "desks", "tools") if key in person.__dict__}
    return {key: [each.id for each in value] if isinstance(value, list) else value for key, value in found.items()}


ALL = [{}, {"title": "chief", "desks": [1]}, {"skill": "steel", "tools": [1]}]


def by_two_aliases(orm: Any, m: Any, how: str) -> Any:
    load = getattr(orm, how)
    one = orm.with_polymorphic(m.Person, [m.Manager], aliased=True, flat=True)
    other = orm.with_polymorphic(m.Person, [m.Engineer], aliased=True, flat=True)
    return (
        load(m.Firm.staff.of_type(one)).selectinload(one.Manager.desks),
        load(m.Firm.staff.of_type(other)).selectinload(other.Engineer.tools),
    )


def by_a_class_and_an_alias(orm: Any, m: Any, how: str) -> Any:
    load = getattr(orm, how)
    alias = orm.with_polymorphic(m.Person, [m.Engineer], aliased=True, flat=True)
    return (
        load(m.Firm.staff.of_type(m.Manager)).selectinload(m.Manager.desks),
        load(m.Firm.staff.of_type(alias)).selectinload(alias.Engineer.tools),
    )


@pytest.mark.parametrize("options", [by_two_aliases, by_a_class_and_an_alias])
@pytest.mark.parametrize("how", ["joinedload", "selectinload", "subqueryload"])
def test_each_brings_its_own(engine: Engine, options: Any, how: str) -> None:
    statement = select(OURS.Firm).options(*options(package, OURS, how))
    with package.Session(engine) as session:
        firm = session.scalars(statement).unique().one()
        assert [loaded(each) for each in firm.staff] == ALL
        session.expunge_all()
        firm = session.scalars(statement).unique().one()
        assert [loaded(each) for each in firm.staff] == ALL


@pytest.mark.parametrize("options", [by_two_aliases, by_a_class_and_an_alias])
def test_joins_of_each_beside_sqlalchemy_orm(engine: Engine, options: Any) -> None:
    with sqlalchemy.orm.Session(engine) as session:
        statement = select(THEIRS.Firm).options(*options(sqlalchemy.orm, THEIRS, "joinedload"))
        firm = session.scalars(statement).unique().one()
        assert [loaded(each) for each in firm.staff] == ALL


def test_a_reference_that_several_aliases_are_for(engine: Engine) -> None:
    m = OURS
    one, other = package.aliased(m.Firm), package.aliased(m.Firm)
    options = (
        package.selectinload(m.Person.firm.of_type(one)),
        package.selectinload(m.Person.firm.of_type(other)).selectinload(other.staff),
    )
    with package.Session(engine) as session:
        person = session.scalars(select(m.Person).where(m.Person.id == 1).options(*options)).one()
        assert [each.id for each in person.__dict__["firm"].__dict__["staff"]] == [1, 2, 3]
