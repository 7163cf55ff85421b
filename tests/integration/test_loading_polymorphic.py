"""Rows of a hierarchy of classes."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import InvalidRequestError

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    selectin_polymorphic,
    selectinload,
    with_polymorphic,
)

from .loading_models import Animal, Dog, Engineer, Manager, Person, counted, fill


@pytest.fixture
def session(engine: Engine) -> Any:
    fill(engine)
    with Session(engine) as session:
        yield session


def test_each_row_becomes_an_object_of_its_class(session: Session) -> None:
    people = session.scalars(select(Person).order_by(Person.id)).all()
    assert [type(person) for person in people] == [Engineer, Manager, Person, Engineer]


def test_the_columns_of_a_subclass_load_when_they_are_read(session: Session) -> None:
    people = session.scalars(select(Person).order_by(Person.id)).all()
    with counted(session) as statements:
        assert people[0].language == "python"
        assert people[1].budget == 10
        assert people[0].language == "python"
    assert len(statements) == 2


def test_a_subclass_is_loaded_with_its_table(session: Session) -> None:
    engineers = session.scalars(select(Engineer).order_by(Engineer.id)).all()
    with counted(session) as statements:
        assert [(one.name, one.language) for one in engineers] == [("ann", "python"), ("dan", "c")]
    assert statements == []
    assert session.get(Person, 1) is engineers[0]


def test_get_of_the_base_finds_the_subclass(session: Session) -> None:
    assert type(session.get(Person, 2)) is Manager
    assert session.get(Engineer, 2) is None


def test_with_polymorphic(session: Session) -> None:
    everybody = with_polymorphic(Person, "*")
    people = session.scalars(select(everybody).order_by(everybody.id)).all()
    with counted(session) as statements:
        assert [type(person) for person in people] == [Engineer, Manager, Person, Engineer]
        assert people[3].language == "c"
        assert people[1].budget == 10
    assert statements == []


def test_with_polymorphic_and_eager_loading(session: Session) -> None:
    everybody = with_polymorphic(Person, [Engineer])
    for load in (selectinload, joinedload):
        session.expunge_all()
        statement = select(everybody).order_by(everybody.id).options(load(everybody.Engineer.machines))
        people = session.scalars(statement).unique().all()
        with counted(session) as statements:
            assert [machine.name for machine in people[0].machines] == ["m1", "m2"]
            assert people[3].machines == []
        assert statements == []


def test_selectin_polymorphic(session: Session) -> None:
    with counted(session) as statements:
        people = session.scalars(
            select(Person).order_by(Person.id).options(selectin_polymorphic(Person, [Engineer, Manager]))
        ).all()
        count = len(statements)
        assert people[0].language == "python"
        assert people[1].budget == 10
    assert count == len(statements) == 3


def test_single_table(session: Session) -> None:
    animals = session.scalars(select(Animal).order_by(Animal.id)).all()
    assert [type(animal) for animal in animals] == [Dog, Animal]
    assert animals[0].breed == "terrier"
    assert [dog.name for dog in session.scalars(select(Dog))] == ["rex"]


def test_an_unknown_discriminator_is_explained(session: Session) -> None:
    session.connection().execute(Person.__table__.insert(), [{"id": 9, "name": "x", "kind": "ghost"}])
    with pytest.raises(AssertionError, match="ghost"):
        session.scalars(select(Person)).all()


def test_a_row_without_discriminator_is_no_object(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Shape(Base):
        __tablename__ = "shape_without_kind"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str | None]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "shape"}

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Shape(id=1))
        session.flush()
        session.connection().execute(Shape.__table__.insert(), [{"id": 2, "kind": None}])
        with pytest.raises(InvalidRequestError, match="2 has NULL in the discriminator"):
            session.scalars(select(Shape).order_by(Shape.id)).all()
        with pytest.raises(InvalidRequestError, match="2 has NULL in the discriminator"):
            session.get(Shape, 2)
        nothing = select(Shape).select_from(select(1).subquery()).join(Shape, Shape.id == 3, isouter=True)
        assert session.scalars(nothing).all() == [None]


def test_mappings_get_their_keys_and_nothing_else(session: Session) -> None:
    session.execute(delete(Animal))  # which were given the first keys, and the database does not know
    given: list[dict[str, Any]] = [{"name": "a", "breed": "b"}, {"name": "c", "breed": "d"}]
    session.bulk_insert_mappings(Dog, given, return_defaults=True)
    assert [sorted(mapping) for mapping in given] == [["breed", "id", "name"]] * 2
    assert session.get(Dog, given[1]["id"]).breed == "d"
