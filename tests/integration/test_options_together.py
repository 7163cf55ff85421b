"""Several loader options that meet at one attribute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, inspect, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import (
    DeclarativeBase,
    Load,
    Mapped,
    Session,
    contains_eager,
    defaultload,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    mapped_column,
    raiseload,
    relationship,
    selectinload,
    undefer,
    with_polymorphic,
)

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Firm(Base):
    __tablename__ = "firm"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    staff: Mapped[list[Employee]] = relationship(back_populates="firm", order_by="Employee.id")


class Employee(Base):
    __tablename__ = "employee"
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("firm.id"))
    firm: Mapped[Firm | None] = relationship(back_populates="staff")


class Engineer(Employee):
    __tablename__ = "engineer"
    __mapper_args__: Any = {"polymorphic_identity": "engineer"}

    id: Mapped[int] = mapped_column(ForeignKey("employee.id"), primary_key=True)
    language: Mapped[str]


class Manager(Employee):
    __mapper_args__: Any = {"polymorphic_identity": "manager"}

    level: Mapped[int | None]


STAFF = Firm.staff
EAGER = pytest.mark.parametrize("load", [selectinload, joinedload])


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        staff = [Employee(name="emil"), Engineer(name="eric", language="c"), Manager(name="mary", level=7)]
        session.add(Firm(name="one", staff=staff))
        session.commit()
        session.expunge_all()
        yield session


def loaded_staff(session: Session, *options: Any) -> dict[str, set[str]]:
    """Load the firm, and give what was loaded of each of its staff."""
    firm = session.scalars(select(Firm).options(*options)).unique().one()
    assert "staff" in inspect(firm).dict, "the collection was not loaded with the firm"
    return {member.name: inspect(member).dict.keys() - {"_sa_instance_state"} for member in firm.staff}


def what_is_loaded(obj: Any) -> set[str]:
    return inspect(obj).dict.keys() - {"_sa_instance_state"}


OPPOSED = {
    "joined and selectin": (joinedload(STAFF), selectinload(STAFF)),
    "selectin and lazy": (selectinload(STAFF), lazyload(STAFF)),
    "raise and immediate": (raiseload(STAFF), immediateload(STAFF)),
    "raise and raise for SQL": (raiseload(STAFF), raiseload(STAFF, sql_only=True)),
    "inner and outer": (joinedload(STAFF, innerjoin=True), joinedload(STAFF)),
    "contained and joined": (contains_eager(STAFF), joinedload(STAFF)),
    "class and subclass": (selectinload(STAFF), joinedload(STAFF.of_type(Engineer))),
    "subclasses": (selectinload(STAFF.of_type(Manager)), joinedload(STAFF.of_type(Engineer))),
    "below": (selectinload(STAFF).joinedload(Employee.firm), defaultload(STAFF).selectinload(Employee.firm)),
    "by the subclass": (
        selectinload(STAFF.of_type(Manager)).joinedload(Manager.firm),
        defaultload(STAFF).lazyload(Employee.firm),
    ),
    "defer and undefer": (defer(Firm.name), undefer(Firm.name)),
    "defer and refuse": (defer(Firm.name), defer(Firm.name, raiseload=True)),
    "defer and load only": (Load(Firm).defer(Firm.name), load_only(Firm.name)),
    "defer below": (selectinload(STAFF).load_only(Employee.name), defaultload(STAFF).defer(Employee.name)),
    "in one option": (Load(Firm).defer(Firm.name).undefer(Firm.name),),
}


@pytest.mark.parametrize("options", OPPOSED.values(), ids=OPPOSED)
def test_options_that_contradict_each_other_are_refused(session: Session, options: Any) -> None:
    for statement in (select(Firm).options(*options), select(Firm).options(*reversed(options))):
        with pytest.raises(InvalidRequestError, match=r"contradict each other: \w+\.(staff|name|firm) is to be loaded"):
            session.scalars(statement).all()
    one_by_one = select(Firm)
    for option in options:
        one_by_one = one_by_one.options(option)
    with pytest.raises(InvalidRequestError, match="contradict each other"):
        session.scalars(one_by_one).all()
    assert len(session.scalars(select(Firm)).all()) == 1


AGREEING = {
    "the same twice": (selectinload(STAFF), selectinload(STAFF)),
    "on the way": (selectinload(STAFF), defaultload(STAFF).joinedload(Employee.firm)),
    "on the way first": (defaultload(STAFF).joinedload(Employee.firm), selectinload(STAFF)),
    "all others": (lazyload("*"), selectinload(STAFF)),
    "all twice": (raiseload("*"), lazyload("*"), selectinload(STAFF)),
    "subclasses": (selectinload(STAFF.of_type(Manager)), selectinload(STAFF.of_type(Engineer)), selectinload(STAFF)),
    "two columns": (load_only(Firm.id), load_only(Firm.name), selectinload(STAFF)),
    "column and others": (defer("*"), undefer(Firm.name), selectinload(STAFF)),
}


@pytest.mark.parametrize("options", AGREEING.values(), ids=AGREEING)
def test_options_that_agree_go_together(session: Session, options: Any) -> None:
    assert loaded_staff(session, *options).keys() == {"emil", "eric", "mary"}


@EAGER
def test_the_conditions_of_the_last_option_hold(session: Session, load: Any) -> None:
    some = load(STAFF.and_(Employee.name > "f"))
    assert loaded_staff(session, some).keys() == {"mary"}
    session.expunge_all()
    assert loaded_staff(session, load(STAFF), some).keys() == {"mary"}
    session.expunge_all()
    assert loaded_staff(session, some, load(STAFF)).keys() == {"emil", "eric", "mary"}
    session.expunge_all()
    assert loaded_staff(session, some, defaultload(STAFF).defer(Employee.name)).keys() == {"mary"}


@EAGER
def test_each_subclass_that_is_named_loads_whole(session: Session, engine: Engine, load: Any) -> None:
    common = {"id", "kind", "name", "firm_id"}
    whole = {"emil": common, "eric": common | {"language"}, "mary": common | {"level"}}
    named = load(STAFF.of_type(Engineer)), load(STAFF.of_type(Manager))
    for options in (named, named[::-1], (*named, load(STAFF)), (load(STAFF), *named)):
        session.expunge_all()
        with Statements(engine) as sent:
            assert loaded_staff(session, *options) == whole
        assert len(sent) == (1 if load is joinedload else 2)


@EAGER
def test_options_below_several_subclasses_are_for_each_of_them(session: Session, load: Any) -> None:
    common = {"id", "kind", "name"}
    loaded = loaded_staff(
        session,
        load(STAFF.of_type(Engineer)).load_only(Engineer.language, Engineer.name),
        load(STAFF.of_type(Manager)),
    )
    assert loaded == {"emil": common, "eric": common | {"language"}, "mary": common | {"level"}}


@EAGER
@pytest.mark.parametrize("below", ["joinedload", "selectinload"])
def test_what_a_subclass_inherits_is_loaded_for_all(session: Session, engine: Engine, load: Any, below: str) -> None:
    option = getattr(load(STAFF.of_type(Engineer)), below)(Engineer.firm)
    loaded = loaded_staff(session, option)
    assert all("firm" in keys for keys in loaded.values())
    assert "language" in loaded["eric"]
    session.expunge_all()
    top = {"joinedload": joinedload, "selectinload": selectinload}[below]
    for entity in (Employee, Manager):
        session.expunge_all()
        found = session.scalars(select(entity).options(top(Manager.firm))).all()
        assert found
        assert all("firm" in what_is_loaded(member) for member in found)


def test_columns_that_a_subclass_inherits_are_put_off_for_all(session: Session) -> None:
    for option in (defer(Manager.firm_id), load_only(Manager.name)):
        session.expunge_all()
        members = session.scalars(select(Employee).options(option)).all()
        assert all("firm_id" not in what_is_loaded(member) for member in members)
        assert all("name" in what_is_loaded(member) for member in members)


@EAGER
def test_an_option_that_passes_through_leaves_the_way_of_loading(session: Session, load: Any) -> None:
    loaded = loaded_staff(session, load(STAFF.of_type(Engineer)), defaultload(STAFF).defer(Employee.firm_id))
    assert loaded["eric"] == {"id", "kind", "name", "language"}
    session.expunge_all()
    every = with_polymorphic(Employee, [Engineer, Manager])
    loaded = loaded_staff(session, selectinload(STAFF.of_type(every)), defaultload(STAFF).joinedload(Employee.firm))
    assert "language" in loaded["eric"]


def test_attributes_below_an_alias_are_named_by_the_alias() -> None:
    every = with_polymorphic(Employee, [Engineer])
    with pytest.raises(ArgumentError, match="cannot follow"):
        selectinload(STAFF.of_type(every)).joinedload(Employee.firm)
    with pytest.raises(ArgumentError, match="cannot follow"):
        selectinload(STAFF.of_type(every)).defer(Engineer.language)


def test_inherited_attributes_below_an_alias_are_for_all_of_it(session: Session) -> None:
    every = with_polymorphic(Employee, [Engineer, Manager])
    loaded = loaded_staff(session, selectinload(STAFF.of_type(every)).joinedload(every.Manager.firm))
    assert all("firm" in keys for keys in loaded.values())
