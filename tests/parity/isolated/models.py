"""Mapped classes of the programs: a person, its letters (of two kinds) and its circles."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, String, Table, create_engine, event

from session import DeclarativeBase, Mapped, Session, deferred, mapped_column, relationship


class Base(DeclarativeBase):
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__dict__.get('id')})"


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
    note: Mapped[str | None] = deferred(mapped_column(String(50)))
    rank: Mapped[int] = mapped_column(default=7)
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    boss: Mapped[Person | None] = relationship(remote_side=[id], back_populates="staff")
    staff: Mapped[list[Person]] = relationship(back_populates="boss", order_by=id)
    letters: Mapped[list[Letter]] = relationship(
        back_populates="person", cascade="all, delete-orphan", order_by="Letter.id"
    )
    circles: Mapped[list[Circle]] = relationship(secondary=members, back_populates="people", order_by="Circle.id")


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


class Circle(Base):
    __tablename__ = "circle"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    people: Mapped[list[Person]] = relationship(secondary=members, back_populates="circles", order_by=Person.id)


def database(statements: list[Any] | None = None) -> Any:
    """Make an engine for an empty database in memory; its statements are noted."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    if statements is not None:

        def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
            statements.append((statement, repr(parameters), many))

        event.listen(engine, "before_cursor_execute", note)
    return engine


def populate(session: Session) -> None:
    """Put three people, five letters and two circles into the database."""
    people = [Person(id=number, name=f"person {number}", note=f"note {number}") for number in (1, 2, 3)]
    people[1].boss = people[2].boss = people[0]
    for number in range(1, 6):
        kind = Parcel if number % 2 else Letter
        people[number % 2].letters.append(kind(id=number, text=f"text {number}"))
    circles = [Circle(id=1, name="one"), Circle(id=2, name="two")]
    circles[0].people.extend(people)
    people[0].circles.append(circles[1])
    session.add_all([*people, *circles])
    session.commit()
