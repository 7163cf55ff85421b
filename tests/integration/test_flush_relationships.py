"""Relationships in a flush: foreign keys, association rows, what a deletion takes along, and the order of it all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as count_from

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table, func, inspect, select, text
from sqlalchemy.exc import CircularDependencyError, SAWarning

from session import DeclarativeBase, Mapped, Session, mapped_column, relationship
from session.exc import FlushError, StaleDataError

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    children: Mapped[list[Child]] = relationship(back_populates="parent", order_by="Child.id")
    owned: Mapped[list[Owned]] = relationship(cascade="all, delete-orphan", order_by="Owned.number")
    database_owned: Mapped[list[DatabaseOwned]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    left_alone: Mapped[list[LeftAlone]] = relationship(passive_deletes="all")


class Child(Base):
    __tablename__ = "child"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    parent: Mapped[Parent | None] = relationship(back_populates="children")


class Owned(Base):
    __tablename__ = "owned"

    parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int | None]


class DatabaseOwned(Base):
    __tablename__ = "database_owned"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id", ondelete="CASCADE"))


class LeftAlone(Base):
    __tablename__ = "left_alone"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id", ondelete="SET NULL"))


class Node(Base):
    __tablename__ = "node"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    children: Mapped[list[Node]] = relationship(back_populates="parent", cascade="all")
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side=[id])


class Link(Base):
    """Refers upward only; nothing refers back."""

    __tablename__ = "link"

    id: Mapped[int] = mapped_column(primary_key=True)
    next_id: Mapped[int | None] = mapped_column(ForeignKey("link.id"))
    next: Mapped[Link | None] = relationship(remote_side=[id])


left_right = Table(
    "left_right",
    Base.metadata,
    Column("left_id", Integer, ForeignKey("left_side.id"), primary_key=True),
    Column("right_id", Integer, ForeignKey("right_side.id"), primary_key=True),
)


class Left(Base):
    __tablename__ = "left_side"

    id: Mapped[int] = mapped_column(primary_key=True)
    rights: Mapped[list[Right]] = relationship(secondary=left_right, back_populates="lefts")


class Right(Base):
    __tablename__ = "right_side"

    id: Mapped[int] = mapped_column(primary_key=True)
    lefts: Mapped[list[Left]] = relationship(secondary=left_right, back_populates="rights")


stamps = count_from(1)

shelf_book = Table(
    "shelf_book",
    Base.metadata,
    Column("shelf_code", ForeignKey("shelf.code", deferrable=True, initially="DEFERRED"), primary_key=True),
    Column("book_id", ForeignKey("book.id"), primary_key=True),
    Column("stamp", Integer, default=lambda: next(stamps)),
    Column("kind", String(10), default="plain", onupdate="moved"),
)


class Shelf(Base):
    __tablename__ = "shelf"

    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    books: Mapped[list[Book]] = relationship(secondary=shelf_book, passive_updates=False, order_by="Book.id")


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)


class Person(Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    favourite_id: Mapped[int | None] = mapped_column(ForeignKey("ball.id", use_alter=True, name="favourite"))
    balls: Mapped[list[Ball]] = relationship(primaryjoin="Ball.owner_id == Person.id", cascade="all, delete-orphan")
    favourite: Mapped[Ball | None] = relationship(primaryjoin="Person.favourite_id == Ball.id", post_update=True)


class Ball(Base):
    __tablename__ = "ball"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))


class Hen(Base):
    __tablename__ = "hen"

    id: Mapped[int] = mapped_column(primary_key=True)
    egg_id: Mapped[int | None] = mapped_column(ForeignKey("egg.id", use_alter=True, name="hatched_from"))
    egg: Mapped[Egg | None] = relationship(foreign_keys=[egg_id])


class Egg(Base):
    __tablename__ = "egg"

    id: Mapped[int] = mapped_column(primary_key=True)
    hen_id: Mapped[int | None] = mapped_column(ForeignKey("hen.id"))
    hen: Mapped[Hen | None] = relationship(foreign_keys=[hen_id])


class Town(Base):
    __tablename__ = "town"

    name: Mapped[str] = mapped_column(primary_key=True)
    streets: Mapped[list[Street]] = relationship(back_populates="town")
    roads: Mapped[list[Road]] = relationship(passive_updates=False)


class Street(Base):
    __tablename__ = "street"

    id: Mapped[int] = mapped_column(primary_key=True)
    town_name: Mapped[str | None] = mapped_column(ForeignKey("town.name", onupdate="CASCADE"))
    town: Mapped[Town | None] = relationship(back_populates="streets")


class Road(Base):
    __tablename__ = "road"

    id: Mapped[int] = mapped_column(primary_key=True)
    town_name: Mapped[str | None] = mapped_column(ForeignKey("town.name", deferrable=True, initially="DEFERRED"))


class Path(Base):
    __tablename__ = "path"

    id: Mapped[int] = mapped_column(primary_key=True)
    town_name: Mapped[str | None] = mapped_column(ForeignKey("town.name", deferrable=True, initially="DEFERRED"))
    town: Mapped[Town | None] = relationship(passive_updates=False)


class Holder(Base):
    """One object of its own, referred to by many-to-one."""

    __tablename__ = "holder"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    parent: Mapped[Parent | None] = relationship(cascade="all, delete-orphan", single_parent=True)


class Stray(Base):
    __tablename__ = "stray"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    parent: Mapped[Parent | None] = relationship(cascade="none")


class KeyHolder(Base):
    __tablename__ = "key_holder"

    parent_id: Mapped[int] = mapped_column(ForeignKey("parent.id"), primary_key=True)
    parent: Mapped[Parent | None] = relationship()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


def count(session: Session, cls: type[Base]) -> int:
    found = session.scalar(select(func.count()).select_from(cls))
    assert found is not None
    return found


# -- one-to-many and many-to-one ---------------------------------------------------------------


def test_foreign_keys_follow_collections_and_references(session: Session) -> None:
    one, two = Parent(children=[Child(), Child()]), Parent(children=[Child()])
    session.add_all([one, two])
    session.flush()
    child = one.children[0]
    assert child.parent_id == one.id
    two.children.append(child)
    session.flush()
    assert child.parent_id == two.id
    two.children.remove(child)
    session.flush()
    assert child.parent_id is None
    child.parent = one
    session.commit()
    assert child in one.children


def test_deleting_a_parent_empties_the_references_to_it(session: Session) -> None:
    parent = Parent(children=[Child(), Child()])
    session.add(parent)
    session.commit()
    children = list(parent.children)
    session.delete(parent)
    session.commit()
    assert [child.parent_id for child in children] == [None, None]


def test_an_untouched_relationship_costs_nothing(session: Session, engine: Engine) -> None:
    parent = Parent(children=[Child()])
    session.add(parent)
    session.commit()
    child = session.scalars(select(Child)).one()
    child.parent_id = None
    with Statements(engine) as sent:
        session.flush()
    assert len(sent) == 1


def test_classes_are_ordered_even_where_no_relationship_was_set(session: Session) -> None:
    session.add_all([Child(id=1, parent_id=1), Parent(id=1)])
    session.flush()
    session.commit()
    assert session.get_one(Child, 1).parent is session.get_one(Parent, 1)


def test_children_in_the_key_are_replaced_row_by_row(session: Session, engine: Engine) -> None:
    parent = Parent(owned=[Owned(number=1), Owned(number=2)])
    session.add(parent)
    session.commit()
    assert [owned.number for owned in parent.owned] == [1, 2]
    parent.owned = [Owned(number=1, value=7)]
    session.commit()
    assert [(owned.number, owned.value) for owned in parent.owned] == [(1, 7)]


def test_an_orphan_that_was_never_written_is_forgotten(session: Session) -> None:
    parent = Parent()
    session.add(parent)
    session.flush()
    owned = Owned(number=1)
    parent.owned.append(owned)
    parent.owned.remove(owned)
    session.flush()
    assert inspect(owned).transient
    assert count(session, Owned) == 0


def test_the_database_deletes_what_is_not_loaded(session: Session, engine: Engine) -> None:
    parent = Parent(database_owned=[DatabaseOwned(), DatabaseOwned()], left_alone=[LeftAlone()])
    session.add(parent)
    session.commit()
    assert parent.id
    session.delete(parent)
    with Statements(engine) as sent:
        session.flush()
    assert not [text for text in sent.texts if "owned" in text and text.startswith("DELETE FROM database")]
    assert not [text for text in sent.texts if "left_alone" in text]
    assert count(session, DatabaseOwned) == 0
    assert count(session, LeftAlone) == 1


def test_a_many_to_one_can_own_its_target(session: Session) -> None:
    holder = Holder(parent=Parent())
    session.add(holder)
    session.commit()
    holder.parent = Parent()
    session.commit()
    assert count(session, Parent) == 1
    session.delete(holder)
    session.commit()
    assert count(session, Parent) == 0


def test_an_object_outside_of_the_session_is_left_out_with_a_warning(session: Session) -> None:
    stray = Stray(parent=Parent())
    session.add(stray)
    with pytest.warns(SAWarning, match="not in this Session"):
        session.flush()
    assert stray.parent_id is None


def test_a_wrong_class_or_none_in_a_collection_is_refused(session: Session) -> None:
    parent = Parent()
    parent.children.append(None)  # type: ignore[arg-type]
    session.add(parent)
    with pytest.raises(FlushError, match="None"):
        session.flush()
    session.rollback()


def test_a_reference_in_the_key_cannot_be_emptied(session: Session) -> None:
    holder = KeyHolder(parent=Parent())
    session.add(holder)
    session.flush()
    holder.parent = None
    with pytest.raises(AssertionError, match="primary key"):
        session.flush()


def test_a_reference_in_the_key_of_an_expired_object_cannot_be_emptied(session: Session) -> None:
    holder = KeyHolder(parent=Parent())
    session.add(holder)
    session.commit()
    holder.parent = None
    with pytest.raises(AssertionError, match="primary key"):
        session.flush()
    session.rollback()
    assert holder.parent is not None


# -- association tables --------------------------------------------------------------------------


def test_association_rows_are_written_once_for_both_directions(session: Session, engine: Engine) -> None:
    one, two = Right(), Right()
    left = Left(rights=[one, two])
    session.add_all([left, Left(rights=[two])])
    session.commit()
    assert len(two.lefts) == 2
    left.rights.remove(two)
    session.commit()
    assert len(two.lefts) == 1
    one.lefts.append(two.lefts[0])
    session.commit()
    assert count(session, left_right) == 3  # type: ignore[arg-type]
    session.delete(one)
    session.delete(left)
    session.commit()
    assert count(session, left_right) == 1  # type: ignore[arg-type]


def test_association_rows_that_are_gone_are_stale(session: Session) -> None:
    left = Left(rights=[Right()])
    session.add(left)
    session.commit()
    assert len(left.rights) == 1
    key = (left.id, left.rights[0].id)
    session.execute(text("DELETE FROM left_right"))
    left.rights = []
    with pytest.raises(StaleDataError, match=r"none for the row with \w+ \d+, \w+ \d+:") as caught:
        session.flush()
    assert caught.value.keys == [key]


@pytest.mark.parametrize("many", [1, 3, 12])
def test_association_rows_get_the_defaults_of_their_table(session: Session, many: int) -> None:
    shelf = Shelf(code="a", books=[Book() for _ in range(many)])
    session.add(shelf)
    session.commit()
    found = session.execute(select(shelf_book.c.stamp, shelf_book.c.kind)).all()
    assert len({stamp for stamp, _ in found} - {None}) == many
    assert {kind for _, kind in found} == {"plain"}


def test_association_rows_that_follow_a_key_get_the_defaults_of_an_update(session: Session) -> None:
    shelf = Shelf(code="a", books=[Book(), Book()])
    session.add(shelf)
    session.commit()
    assert len(shelf.books) == 2
    shelf.code = "b"
    session.flush()
    found = session.execute(select(shelf_book.c.shelf_code, shelf_book.c.kind)).all()
    assert found == [("b", "moved"), ("b", "moved")]


# -- order -----------------------------------------------------------------------------------------


def test_a_tree_takes_as_many_statements_as_it_is_deep(session: Session, engine: Engine) -> None:
    root = Node()
    level = [root]
    for _ in range(4):
        level = [child for node in level for child in _grow(node, 3)]
    session.add(root)
    with Statements(engine) as sent:
        session.flush()
    if session.get_bind().dialect.name == "postgresql":
        assert len(sent.starting("INSERT")) <= 5
    assert count(session, Node) == 1 + 3 + 9 + 27 + 81
    session.delete(root)
    with Statements(engine) as sent:
        session.flush()
    assert len(sent.starting("DELETE")) == 5
    assert count(session, Node) == 0


def _grow(node: Node, width: int) -> list[Node]:
    node.children = [Node() for _ in range(width)]
    return node.children


def test_a_long_chain_neither_recurses_nor_takes_forever(session: Session) -> None:
    first = last = Node()
    chain = [first]
    for _ in range(3000):
        last = Node(parent=last)
        chain.append(last)
    session.add_all(reversed(chain))
    session.flush()
    assert [node.parent_id for node in chain[1:]] == [node.id for node in chain[:-1]]
    session.delete(first)
    session.flush()
    assert count(session, Node) == 0


def test_references_that_are_not_loaded_still_order_deletes(session: Session) -> None:
    one = Link()
    two = Link(next=one)
    three = Link(next=two)
    session.add_all([three, two, one])
    session.commit()
    for link in (one, two, three):
        session.delete(link)
    session.commit()
    assert count(session, Link) == 0


def test_rows_in_a_circle_name_their_objects(session: Session) -> None:
    hen = Hen()
    egg = Egg(hen=hen)
    session.add_all([hen, egg])
    session.flush()
    hen.egg = egg
    session.flush()
    assert (hen.egg_id, egg.hen_id) == (egg.id, hen.id)

    hen = Hen()
    egg = Egg(hen=hen)
    hen.egg = egg
    session.add(hen)
    with pytest.raises(CircularDependencyError) as caught:
        session.flush()
    assert caught.value.cycles == {inspect(hen), inspect(egg)}
    session.rollback()


def test_post_update_writes_no_reference_that_stays(session: Session, engine: Engine) -> None:
    session.add_all([Person(favourite=Ball()), Person()])
    session.commit()
    for person in session.scalars(select(Person)).all():
        person.favourite = person.favourite
    with Statements(engine) as sent:
        session.flush()
    assert not sent


def test_post_update_breaks_the_circle(session: Session) -> None:
    ball = Ball()
    person = Person(balls=[ball, Ball()], favourite=ball)
    session.add(person)
    session.commit()
    assert (person.favourite_id, ball.owner_id) == (ball.id, person.id)
    person.favourite = person.balls[1]
    session.commit()
    assert person.favourite is not ball
    session.delete(person)
    session.commit()
    assert count(session, Ball) == 0


# -- keys that change ----------------------------------------------------------------------------


def test_a_changed_key_reaches_the_references_to_it(session: Session) -> None:
    town = Town(name="a", streets=[Street()], roads=[Road(), Road()])
    path = Path(town=town)
    session.add_all([town, path])
    session.commit()
    assert len(town.streets) == 1
    assert path.town is town
    town.name = "b"
    session.commit()
    assert session.get(Town, "b") is town
    assert town.streets[0].town_name == "b"
    assert [road.town_name for road in town.roads] == ["b", "b"]
    assert path.town_name == "b"


def test_objects_of_a_rolled_back_flush_can_be_added_again(session: Session) -> None:
    parent = Parent(children=[Child()], owned=[Owned(number=1)])
    session.add(parent)
    session.flush()
    session.rollback()
    assert inspect(parent).transient
    session.add(parent)
    session.commit()
    assert parent.children[0].parent_id == parent.id
    assert parent.owned[0].parent_id == parent.id
