"""Mapped classes with all that objects can have, for the cases of this suite."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, String, Table, create_engine
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeDecorator

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    attribute_keyed_dict,
    deferred,
    mapped_column,
    relationship,
    validates,
)


class Refused(Exception):
    """What user code raises on purpose."""


class Picky(TypeDecorator[str]):
    """Raises for some values, on both ways."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value == "not written":
            raise Refused(value)
        return value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        if value == "not read":
            raise Refused(value)
        return value


class Base(DeclarativeBase):
    pass


members = Table(
    "members",
    Base.metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("circle_id", ForeignKey("circle.id"), primary_key=True),
)


class Person(Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50))
    picky: Mapped[str | None] = mapped_column(Picky(50))
    note: Mapped[str | None] = deferred(mapped_column(String(50)))
    version: Mapped[int] = mapped_column()
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    boss: Mapped[Person | None] = relationship(remote_side=[id], back_populates="staff")
    staff: Mapped[list[Person]] = relationship(back_populates="boss", order_by=id)
    letters: Mapped[list[Letter]] = relationship(
        back_populates="person", cascade="all, delete-orphan", order_by="Letter.id"
    )
    badges: Mapped[dict[str, Badge]] = relationship(
        back_populates="person", collection_class=attribute_keyed_dict("name"), cascade="all, delete-orphan"
    )
    circles: Mapped[set[Circle]] = relationship(secondary=members, back_populates="people")
    __table_args__ = (CheckConstraint("name <> 'forbidden'"),)
    __mapper_args__ = {"version_id_col": version}

    @validates("name")
    def check_name(self, key: str, value: Any) -> Any:
        if value == "refused":
            raise Refused(value)
        return value


class Letter(Base):
    __tablename__ = "letter"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    text: Mapped[str | None] = mapped_column(String(50))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person: Mapped[Person | None] = relationship(back_populates="letters")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}


class Parcel(Letter):
    weight: Mapped[float | None]
    __mapper_args__ = {"polymorphic_identity": "parcel"}


class Badge(Base):
    __tablename__ = "badge"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    person: Mapped[Person | None] = relationship(back_populates="badges")


class Circle(Base):
    __tablename__ = "circle"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50))
    people: Mapped[set[Person]] = relationship(secondary=members, back_populates="circles")


class Fragile(Base):
    """Its ``__init__`` fails when it is told to."""

    __tablename__ = "fragile"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50))

    def __init__(self, name: str) -> None:
        self.name = name
        if name == "broken":
            raise Refused(name)


def new_engine() -> Any:
    """Make an engine for a database in memory, with the tables."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    return engine


def populate(engine: Any) -> None:
    with Session(engine) as session:
        people = [Person(id=number, name=f"person {number}", note=f"note {number}") for number in (1, 2, 3)]
        people[1].boss = people[2].boss = people[0]
        for number in range(1, 6):
            people[number % 2].letters.append((Parcel if number % 2 else Letter)(id=number, text=f"text {number}"))
        people[0].badges = {name: Badge(name=name) for name in ("one", "two")}
        people[0].circles = {Circle(id=1, name="one"), Circle(id=2, name="two")}
        people[1].circles = set(people[0].circles)
        session.add_all(people)
        session.commit()


def lasting() -> list[Any]:
    """Things of the mapping that live as long as it does, to which everything refers."""
    classes = [Person, Letter, Parcel, Badge, Circle, Fragile]
    mappers = [cls.__mapper__ for cls in classes]
    found: list[Any] = [*classes, *mappers]
    for mapper in mappers:
        found.append(mapper.class_manager)
        for attribute in mapper.attrs:
            found += [attribute, attribute.key, mapper.class_manager[attribute.key].impl]
    return found
