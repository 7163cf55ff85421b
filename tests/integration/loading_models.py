"""Classes and helpers that the tests of loading share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Engine, ForeignKey, ForeignKeyConstraint, Table, event

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
    name: Mapped[str]
    bio: Mapped[str | None] = mapped_column(deferred=True)
    addresses: Mapped[list[Address]] = relationship(back_populates="user", order_by="Address.id")
    tags: Mapped[list[Tag]] = relationship(secondary=tagged, order_by="Tag.id", back_populates="users")
    profile: Mapped[Profile | None] = relationship(back_populates="user")


class Address(Base):
    __tablename__ = "addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User | None] = relationship(back_populates="addresses")


class Profile(Base):
    __tablename__ = "profiles"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped[User] = relationship(back_populates="profile")


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    users: Mapped[list[User]] = relationship(secondary=tagged, back_populates="tags")


class Node(Base):
    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
    children: Mapped[list[Node]] = relationship(back_populates="parent", order_by="Node.id")
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side=[id])


class Pair(Base):
    """Two key columns."""

    __tablename__ = "pairs"
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    parts: Mapped[list[Part]] = relationship(back_populates="pair", order_by="Part.id")


class Part(Base):
    __tablename__ = "parts"
    __table_args__ = (ForeignKeyConstraint(["pair_a", "pair_b"], ["pairs.a", "pairs.b"]),)
    id: Mapped[int] = mapped_column(primary_key=True)
    pair_a: Mapped[int | None]
    pair_b: Mapped[int | None]
    pair: Mapped[Pair | None] = relationship(back_populates="parts")


class Person(Base):
    """Joined inheritance."""

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Engineer(Person):
    __tablename__ = "engineers"
    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    language: Mapped[str]
    machines: Mapped[list[Machine]] = relationship(order_by="Machine.id")
    __mapper_args__ = {"polymorphic_identity": "engineer"}


class Manager(Person):
    __tablename__ = "managers"
    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    budget: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "manager"}


class Machine(Base):
    __tablename__ = "machines"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    engineer_id: Mapped[int] = mapped_column(ForeignKey("engineers.id"))


class Animal(Base):
    """Single-table inheritance."""

    __tablename__ = "animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Dog(Animal):
    breed: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "dog"}


def fill(engine: Engine) -> None:
    """Make the tables, with rows written by Core."""
    Base.metadata.create_all(engine)
    tables = Base.metadata.tables
    with engine.begin() as connection:

        def insert(name: str, *rows: dict[str, Any]) -> None:
            connection.execute(tables[name].insert(), list(rows))

        insert("users", *({"id": n, "name": f"user{n}", "bio": f"bio{n}"} for n in (1, 2, 3)))
        insert(
            "addresses",
            {"id": 1, "email": "a1", "user_id": 1},
            {"id": 2, "email": "a2", "user_id": 1},
            {"id": 3, "email": "a3", "user_id": 2},
            {"id": 4, "email": "a4", "user_id": None},
        )
        insert("profiles", {"id": 1, "text": "p1", "user_id": 1})
        insert("tags", {"id": 1, "name": "red"}, {"id": 2, "name": "blue"})
        insert(
            "tagged",
            {"user_id": 1, "tag_id": 1},
            {"user_id": 1, "tag_id": 2},
            {"user_id": 2, "tag_id": 2},
        )
        for number, parent in ((1, None), (2, 1), (3, 1), (4, 2), (5, 4)):
            insert("nodes", {"id": number, "name": f"n{number}", "parent_id": parent})
        insert("pairs", {"a": 1, "b": 1, "label": "11"}, {"a": 1, "b": 2, "label": "12"})
        insert(
            "parts",
            {"id": 1, "pair_a": 1, "pair_b": 1},
            {"id": 2, "pair_a": 1, "pair_b": 2},
            {"id": 3, "pair_a": 1, "pair_b": 2},
            {"id": 4, "pair_a": None, "pair_b": 2},
        )
        insert(
            "people",
            {"id": 1, "name": "ann", "kind": "engineer"},
            {"id": 2, "name": "bob", "kind": "manager"},
            {"id": 3, "name": "cat", "kind": "person"},
            {"id": 4, "name": "dan", "kind": "engineer"},
        )
        insert("engineers", {"id": 1, "language": "python"}, {"id": 4, "language": "c"})
        insert("managers", {"id": 2, "budget": 10})
        insert("machines", {"id": 1, "name": "m1", "engineer_id": 1}, {"id": 2, "name": "m2", "engineer_id": 1})
        insert(
            "animals",
            {"id": 1, "name": "rex", "kind": "dog", "breed": "terrier"},
            {"id": 2, "name": "cow", "kind": "animal", "breed": None},
        )


@contextmanager
def counted(target: Engine | Session) -> Iterator[list[str]]:
    """Collect the statements that go to the database."""
    engine = target if isinstance(target, Engine) else target.get_bind()
    found: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
