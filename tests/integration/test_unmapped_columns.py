"""Columns of a mapped table that no attribute holds: what a flush writes to them, and how they are declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import count
from typing import Annotated, Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    event,
    func,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, InvalidRequestError

import session as session_package
from session import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    Unmapped,
    declared_attr,
    mapped_column,
    relationship,
    unmapped_column,
)

# -- what is written ---------------------------------------------------------------------------------


def test_defaults_of_columns_that_are_not_mapped_are_written(engine: Engine) -> None:
    numbers = count(100)

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __table__ = Table(
            "row_of_default",
            Base.metadata,
            Column("id", Integer, primary_key=True),
            Column("x", Integer),
            Column("plain", Integer, default=7, nullable=False),
            Column("made", Integer, default=lambda: next(numbers)),
            Column("seen", Integer, default=lambda context: context.get_current_parameters().get("x")),
            Column("sql", Integer, default=func.abs(-3)),
            Column("server", Integer, server_default="4", onupdate=lambda: next(numbers)),
        )
        __mapper_args__ = {"include_properties": ["id", "x"]}

    def rows() -> list[tuple[Any, ...]]:
        columns = [Row.__table__.c[name] for name in ("x", "plain", "made", "seen", "sql", "server")]
        return [tuple(row) for row in session.execute(select(*columns).order_by(Row.id))]

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Row(id=1, x=1), Row(id=2, x=2)])
        session.commit()
        assert rows() == [(1, 7, 100, 1, 3, 4), (2, 7, 101, 2, 3, 4)]
        row = session.get_one(Row, 1)
        row.x = 5
        session.flush()
        assert rows()[0] == (5, 7, 100, 1, 3, 102)
        row.x = literal(2) + 4
        session.flush()
        assert rows()[0] == (6, 7, 100, 1, 3, 103)
        made = Row(id=3, x=literal(1) + 1)
        session.add(made)
        session.flush()
        assert rows()[2] == (2, 7, 104, None, 3, 4)
        session.bulk_save_objects([Row(id=4, x=9)])
        assert rows()[3] == (9, 7, 105, 9, 3, 4)
        assert {name for name in (*vars(row), *vars(made)) if not name.startswith("_")} <= {"id", "x"}


def test_rows_of_a_hierarchy_in_one_table_have_the_defaults_of_all_its_columns(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]
        name: Mapped[str | None]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}

    class Dog(Animal):
        legs: Mapped[int | None] = mapped_column(default=4)
        changes: Mapped[int | None] = mapped_column(onupdate=1)
        __mapper_args__ = {"polymorphic_identity": "dog"}

    class Cat(Animal):
        lives: Mapped[int | None] = mapped_column(default=9)
        __mapper_args__ = {"polymorphic_identity": "cat"}

    Base.metadata.create_all(engine)
    all_rows = text("SELECT id, legs, lives, changes FROM animal ORDER BY id")
    with Session(engine) as session:
        dog = Dog(id=2)
        session.add_all([Animal(id=1), dog, Dog(id=3, legs=3), Cat(id=4)])
        session.flush()
        assert (dog.legs, "lives" in vars(dog)) == (4, False)
        assert session.execute(all_rows).all() == [(1, 4, 9, None), (2, 4, 9, None), (3, 3, 9, None), (4, 4, 9, None)]
        session.get_one(Animal, 1).name = "a"
        session.flush()
        assert session.execute(all_rows).first() == (1, 4, 9, 1)


# -- how they are declared ------------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Dated:
    made_by: Unmapped[str | None]


class Person(Dated, Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="person")
    name: Mapped[str | None]
    bare: Unmapped[str | None]
    renamed: Unmapped[int] = unmapped_column("other_name", index=True, server_default="3")
    short: Unmapped[Annotated[str, mapped_column(String(7))]] = unmapped_column(default="s")
    counted: Unmapped[int] = unmapped_column(insert_default=7)
    plain = unmapped_column(Integer)

    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "person"}


class Clerk(Person):
    desk: Unmapped[int | None]

    __mapper_args__ = {"polymorphic_identity": "clerk"}


class Boss(Person):
    __tablename__ = "boss"

    id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    car: Unmapped[str | None]

    __mapper_args__ = {"polymorphic_identity": "boss"}


UNMAPPED = ("bare", "renamed", "other_name", "short", "counted", "plain", "made_by", "desk", "car")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def test_they_stand_in_the_table_and_nowhere_else() -> None:
    columns = Person.__table__.c
    assert sorted(columns.keys()) == sorted(
        ["id", "kind", "name", "bare", "other_name", "short", "counted", "plain", "made_by", "desk"]
    )
    assert columns.bare.nullable
    assert not columns.counted.nullable
    assert columns.short.type.length == 7
    assert [index.columns.keys() for index in Person.__table__.indexes] == [["other_name"]]
    for cls in (Person, Clerk, Boss):
        assert sorted(inspect(cls).attrs.keys()) == ["id", "kind", "name"]
        assert [name for name in UNMAPPED if hasattr(cls, name)] == []
    assert Boss.__table__.c.keys() == ["id", "car"]
    with pytest.raises(TypeError, match="bare"):
        Person(bare="x")
    with pytest.raises(InvalidRequestError, match="bare"):
        select(Person).filter_by(bare="x")


def test_objects_are_written_and_loaded_without_them(session: Session) -> None:
    session.add_all([Person(id=1, name="a"), Clerk(id=2), Boss(id=3)])
    session.commit()
    statement = text("SELECT id, other_name, short, counted, desk FROM person ORDER BY id")
    assert session.execute(statement).all() == [(n, 3, "s", 7, None) for n in (1, 2, 3)]
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert [type(person) for person in session.scalars(select(Person).order_by(Person.id))] == [Person, Clerk, Boss]
    session.get_one(Person, 1).name = "b"
    session.commit()
    assert not [one for one in statements if any(name in one for name in UNMAPPED)]
    assert session.scalars(select(Person.__table__.c.counted).where(Person.name == "b")).all() == [7]


def test_a_dataclass_has_no_field_of_them() -> None:
    class Own(MappedAsDataclass, DeclarativeBase):
        pass

    class Mixed(MappedAsDataclass):
        mixed: Unmapped[int | None]
        third: Mapped[int] = mapped_column(default=3)

    class Thing(Mixed, Own):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        bare: Unmapped[str | None]
        name: Mapped[str] = mapped_column(default="n")
        old: Unmapped[int] = unmapped_column(default=4)

    assert sorted(field.name for field in dataclasses.fields(Thing)) == ["id", "name", "third"]
    assert sorted(Thing.__table__.c.keys()) == ["bare", "id", "mixed", "name", "old", "third"]
    assert Thing(name="x").name == "x"
    assert not hasattr(Thing, "old")


def test_other_places() -> None:
    class Own(DeclarativeBase):
        pass

    class Abstract(Own):
        __abstract__ = True
        one: Unmapped[int]

        @declared_attr
        def two(cls) -> Unmapped[int]:
            return unmapped_column(Integer)

    class Thing(Abstract):
        __tablename__ = "thing"
        __allow_unmapped__ = True
        id: Mapped[int] = mapped_column(primary_key=True)
        text_: session_package.Unmapped[str]

    Thing.late = unmapped_column("late", Integer)
    assert sorted(Thing.__table__.c.keys()) == ["id", "late", "one", "text_", "two"]
    assert inspect(Thing).attrs.keys() == ["id"]
    assert not hasattr(Thing, "late")


def test_what_does_not_fit_is_refused() -> None:
    class Own(DeclarativeBase):
        pass

    with pytest.raises(ArgumentError, match="Unmapped"):

        class Wrong(Own):
            __tablename__ = "wrong"
            id: Mapped[int] = mapped_column(primary_key=True)
            x: Mapped[int] = unmapped_column()

    with pytest.raises(ArgumentError, match="Unmapped"):

        class Other(Own):
            __tablename__ = "other"
            id: Mapped[int] = mapped_column(primary_key=True)
            x: Unmapped[int] = relationship()

    with pytest.raises(ArgumentError, match="primary key"):

        class Keyless(Own):
            __tablename__ = "keyless"
            id: Unmapped[int] = unmapped_column(primary_key=True)
            x: Mapped[int]
