"""The classes and rows of the test_select suites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Engine, ForeignKey, Table

from session import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


tagged = Table(
    "tagged",
    Base.metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column("user_name")
    age: Mapped[int | None]
    addresses: Mapped[list[Address]] = relationship(back_populates="user", order_by="Address.id")
    tags: Mapped[list[Tag]] = relationship(secondary=tagged, order_by="Tag.id")


class Address(Base):
    __tablename__ = "addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User | None] = relationship(back_populates="addresses")


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]


class Employee(Base):
    __tablename__ = "employees"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("employees.id"))
    boss: Mapped[Employee | None] = relationship(remote_side="Employee.id")
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}


class Engineer(Employee):
    __tablename__ = "engineers"
    id: Mapped[int] = mapped_column(ForeignKey("employees.id"), primary_key=True)
    language: Mapped[str]
    __mapper_args__: Any = {"polymorphic_identity": "engineer"}


class Manager(Employee):
    level: Mapped[int | None]
    __mapper_args__: Any = {"polymorphic_identity": "manager"}


def fill(engine: Engine) -> None:
    """Make the tables and their rows: ed (2 addresses, 2 tags), wendy (1, 1), jack (0, 0); four employees."""
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            User.__table__.insert(),
            [
                {"id": 1, "user_name": "ed", "age": 20},
                {"id": 2, "user_name": "wendy", "age": 30},
                {"id": 3, "user_name": "jack", "age": None},
            ],
        )
        connection.execute(
            Address.__table__.insert(),
            [
                {"id": 1, "email": "ed@one", "user_id": 1},
                {"id": 2, "email": "ed@two", "user_id": 1},
                {"id": 3, "email": "wendy@one", "user_id": 2},
            ],
        )
        connection.execute(Tag.__table__.insert(), [{"id": 1, "word": "red"}, {"id": 2, "word": "blue"}])
        connection.execute(
            tagged.insert(), [{"user_id": 1, "tag_id": 1}, {"user_id": 1, "tag_id": 2}, {"user_id": 2, "tag_id": 2}]
        )
        connection.execute(
            Employee.__table__.insert(),
            [
                {"id": 1, "kind": "manager", "name": "mary", "boss_id": None, "level": 7},
                {"id": 2, "kind": "engineer", "name": "eric", "boss_id": 1, "level": None},
                {"id": 3, "kind": "engineer", "name": "elsa", "boss_id": 1, "level": None},
                {"id": 4, "kind": "employee", "name": "emil", "boss_id": 1, "level": None},
            ],
        )
        connection.execute(Engineer.__table__.insert(), [{"id": 2, "language": "python"}, {"id": 3, "language": "c"}])


@contextmanager
def filled(engine: Engine) -> Iterator[Session]:
    """A Session on the filled tables."""
    fill(engine)
    with Session(engine) as session:
        yield session
