"""Flushes: what is written, in which order, in how many statements, and what they refuse."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, FetchedValue, ForeignKey, Sequence, event, inspect, select, text
from sqlalchemy.exc import CircularDependencyError, IntegrityError, InvalidRequestError, SAWarning

from session import DeclarativeBase, Mapped, Session, mapped_column, relationship
from session.exc import FlushError, StaleDataError

from .everyday import Statements, count


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    age: Mapped[int | None]
    items: Mapped[list[Item]] = relationship(back_populates="user", order_by="Item.id")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user_account.id"))
    user: Mapped[User | None] = relationship(back_populates="items")


class Node(Base):
    __tablename__ = "node"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"))
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side=[id])
    children: Mapped[list[Node]] = relationship(back_populates="parent", cascade="all, delete-orphan")


class Versioned(Base):
    __tablename__ = "versioned"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    name: Mapped[str | None]
    __mapper_args__ = {"version_id_col": version}


class Natural(Base):
    __tablename__ = "natural_key"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    parts: Mapped[list[Part]] = relationship(passive_updates=False, cascade="all", back_populates="whole")


class Part(Base):
    __tablename__ = "part"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str | None] = mapped_column(ForeignKey("natural_key.code", deferrable=True, initially="DEFERRED"))
    whole: Mapped[Natural | None] = relationship(back_populates="parts")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


# -- order and number of statements ---------------------------------------------------------------


def test_parents_are_written_before_and_deleted_after_their_children(session: Session, engine: Engine) -> None:
    item = Item(user=User(name="ed"))
    session.add(item)
    with Statements(engine) as sent:
        session.flush()
    assert [sql.split()[2] for sql in sent.starting("INSERT")] == ["user_account", "item"]
    session.delete(item.user)
    session.delete(item)
    with Statements(engine) as sent:
        session.flush()
    assert [sql.split()[2] for sql in sent.starting("DELETE")] == ["item", "user_account"]


def test_rows_are_inserted_in_the_order_of_add(session: Session) -> None:
    users = [User(name=str(number)) for number in range(50)]
    session.add_all(reversed(users))
    session.flush()
    assert [user.id for user in reversed(users)] == list(range(1, 51))


def test_many_new_objects_go_in_few_statements_and_get_their_keys(session: Session, engine: Engine) -> None:
    users = [User(name=f"n{number}", items=[Item(name=f"i{number}")]) for number in range(500)]
    session.add_all(users)
    with Statements(engine) as sent:
        session.flush()
    assert len(sent) < (20 if engine.dialect.name == "postgresql" else 1001)
    assert [user.items[0].user_id for user in users] == [user.id for user in users]
    pairs = session.execute(select(User.id, User.name).order_by(User.id)).all()
    assert pairs == [(user.id, user.name) for user in users]


def test_an_update_writes_the_changed_columns_only(session: Session, engine: Engine) -> None:
    user = User(name="ed", age=1)
    session.add(user)
    session.commit()
    assert user.age == 1
    user.name = "x"
    with Statements(engine) as sent:
        session.flush()
    assert len(sent) == 1
    assert "name" in sent.texts[0]
    assert "age" not in sent.texts[0]


def test_nothing_changed_sends_nothing(session: Session, engine: Engine) -> None:
    user = User(name="ed")
    session.add(user)
    session.commit()
    assert user.name == "ed"
    with Statements(engine) as sent:
        user.name = "x"
        user.name = "ed"
        session.flush()
    assert len(sent) == 0


def test_many_updates_and_deletes_go_together(session: Session, engine: Engine) -> None:
    users = [User(name=str(number)) for number in range(100)]
    session.add_all(users)
    session.commit()
    users = session.scalars(select(User).order_by(User.id)).all()
    for user in users:
        user.age = user.id
    with Statements(engine) as sent:
        session.flush()
    assert len(sent) <= 2
    session.expunge_all()
    for user in session.scalars(select(User)).all():
        session.delete(user)
    with Statements(engine) as sent:
        session.flush()
    assert len(sent.starting("DELETE")) <= 2
    assert count(session, User) == 0


def test_a_query_flushes_first_unless_told_not_to(session: Session) -> None:
    session.add(User(name="a"))
    assert count(session, User) == 1
    session.add(User(name="b"))
    with session.no_autoflush:
        assert count(session, User) == 1
    assert session.scalars(select(User.id).execution_options(autoflush=False)).all() == [1]
    assert count(session, User) == 2


def test_without_autoflush_only_flush_and_commit_write(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        session.add(User(name="a"))
        assert count(session, User) == 0
        session.flush()
        assert count(session, User) == 1


def test_deep_chains_and_wide_trees_are_written_and_deleted(session: Session, engine: Engine) -> None:
    root = node = Node()
    for _ in range(1500):
        child = Node()
        node.children.append(child)
        node = child
    root.children.extend(Node() for _ in range(300))
    session.add(root)
    session.commit()
    assert count(session, Node) == 1801
    session.expunge_all()
    nodes = session.scalars(select(Node)).all()
    assert sum(1 for node in nodes if node.parent_id is None) == 1
    session.delete(next(node for node in nodes if node.parent_id is None))
    session.commit()
    assert count(session, Node) == 0


def test_a_tree_goes_out_level_by_level_in_few_statements(session: Session, engine: Engine) -> None:
    root = Node(children=[Node(children=[Node() for _ in range(10)]) for _ in range(10)])
    session.add(root)
    with Statements(engine) as sent:
        session.flush()
    assert count(session, Node) == 111
    assert len(sent.starting("INSERT")) <= 111


def test_a_cycle_of_rows_is_an_error_that_names_it(session: Session) -> None:
    one, two = Node(), Node()
    one.parent, two.parent = two, one
    session.add(one)
    with pytest.raises(CircularDependencyError, match="Node"):
        session.flush()
    session.rollback()
    one.parent = None
    session.add(one)
    session.commit()
    assert count(session, Node) == 2


def test_mutually_dependent_classes_are_ordered_row_by_row(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Left(Own):
        __tablename__ = "left_side"
        id: Mapped[int] = mapped_column(primary_key=True)
        right_id: Mapped[int | None] = mapped_column(ForeignKey("right_side.id", use_alter=True, name="fk_right"))
        right: Mapped[Right | None] = relationship(foreign_keys=[right_id])

    class Right(Own):
        __tablename__ = "right_side"
        id: Mapped[int] = mapped_column(primary_key=True)
        left_id: Mapped[int | None] = mapped_column(ForeignKey("left_side.id"))
        left: Mapped[Left | None] = relationship(foreign_keys=[left_id])

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        chain = Left(right=Right(left=Left(right=Right())))
        session.add(chain)
        session.commit()
        assert chain.right.left.right.left is None
        session.delete(chain)
        session.commit()
        assert count(session, Left) == 1


# -- versions -------------------------------------------------------------------------------------


def test_a_version_counts_updates(session: Session) -> None:
    row = Versioned(name="a")
    session.add(row)
    session.commit()
    assert row.version == 1
    row.name = "b"
    session.commit()
    assert row.version == 2


def test_a_row_changed_by_somebody_else_is_stale(session: Session, engine: Engine) -> None:
    session.add(Versioned(name="a"))
    session.commit()
    row = session.scalars(select(Versioned)).one()
    session.execute(text("UPDATE versioned SET version = 7"))
    row.name = "b"
    with pytest.raises(StaleDataError, match="versioned"):
        session.flush()
    session.rollback()
    assert (row.name, row.version) == ("a", 1)
    session.execute(text("UPDATE versioned SET version = 7"))
    session.delete(row)
    with pytest.raises(StaleDataError, match="versioned"):
        session.flush()
    session.rollback()
    assert count(session, Versioned) == 1


def test_an_update_of_a_row_that_is_gone_is_stale(session: Session) -> None:
    session.add_all([User(name="a"), User(name="b")])
    session.commit()
    users = session.scalars(select(User).order_by(User.id)).all()
    session.execute(text("DELETE FROM user_account WHERE id = 2"))
    for user in users:
        user.age = 3
    with pytest.raises(StaleDataError, match="user_account"):
        session.flush()
    session.rollback()
    assert [user.age for user in users] == [None, None]


def test_a_delete_of_a_row_that_is_gone_warns(session: Session) -> None:
    user = User(name="a")
    session.add(user)
    session.commit()
    assert user.id == 1
    session.execute(text("DELETE FROM user_account"))
    session.delete(user)
    with pytest.warns(SAWarning, match="user_account"):
        session.flush()


def test_versions_of_ones_own_and_of_the_server(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Stamped(Own):
        __tablename__ = "stamped"
        id: Mapped[int] = mapped_column(primary_key=True)
        stamp: Mapped[str] = mapped_column()
        name: Mapped[str | None]
        __mapper_args__ = {"version_id_col": stamp, "version_id_generator": lambda old: (old or "") + "v"}

    class ByHand(Own):
        __tablename__ = "by_hand"
        id: Mapped[int] = mapped_column(primary_key=True)
        version: Mapped[int] = mapped_column(server_default=FetchedValue())
        __mapper_args__ = {"version_id_col": version, "version_id_generator": False}

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        stamped, by_hand = Stamped(), ByHand(version=10)
        session.add_all([stamped, by_hand])
        session.commit()
        stamped.name = "x"
        by_hand.version = 20
        session.commit()
        assert (stamped.stamp, by_hand.version) == ("vv", 20)


# -- keys -----------------------------------------------------------------------------------------


def test_a_changed_natural_key_is_followed_by_its_references(session: Session) -> None:
    whole = Natural(code="a", parts=[Part(), Part()])
    session.add(whole)
    session.commit()
    whole.code = "b"
    session.commit()
    assert inspect(whole).identity == ("b",)
    assert session.get(Natural, "a") is None
    assert session.get(Natural, "b") is whole
    assert session.scalars(select(Part.code)).all() == ["b", "b"]


def test_delete_and_add_of_one_key_becomes_an_update(session: Session, engine: Engine) -> None:
    old = Natural(code="a", name="old")
    session.add(old)
    session.commit()
    session.delete(old)
    new = Natural(code="a", name="new")
    session.add(new)
    with Statements(engine) as sent:
        session.flush()
    assert len(sent.starting("UPDATE")) == 1
    assert not sent.starting("DELETE") + sent.starting("INSERT")
    session.commit()
    assert session.get(Natural, "a") is new
    assert inspect(old).detached


def test_two_objects_of_one_key_are_refused(session: Session) -> None:
    first = Natural(code="a")
    session.add(first)
    session.flush()
    session.add(Natural(code="a"))
    with pytest.warns(SAWarning, match="Natural"), pytest.raises((IntegrityError, FlushError)):
        session.flush()
    session.rollback()


def test_keys_from_sequences_defaults_and_hands(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Called(Own):
        __tablename__ = "called"
        id: Mapped[str] = mapped_column(primary_key=True, default=lambda: "made")

    class Sequenced(Own):
        __tablename__ = "sequenced"
        id: Mapped[int] = mapped_column(Sequence("ids", start=100), primary_key=True)
        name: Mapped[str | None]

    class Composite(Own):
        __tablename__ = "composite"
        a: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        b: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        called, first, second = Called(), Sequenced(), Sequenced()
        session.add_all([called, first, second, Composite(a=1, b=2), Composite(a=1, b=3)])
        session.commit()
        assert called.id == "made"
        assert second.id == first.id + 1
        assert first.id == (100 if engine.dialect.name == "postgresql" else 1)
        assert session.get(Composite, (1, 3)).b == 3
        half = Composite(a=5)
        session.add(half)
        with pytest.warns(SAWarning, match="composite"), pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
        half.b = 6
        session.add(half)
        session.commit()


def test_a_key_set_to_none_is_refused(session: Session) -> None:
    natural = Natural(code="a")
    session.add(natural)
    session.commit()
    natural.code = None
    with pytest.raises((IntegrityError, AssertionError)):
        session.flush()
    session.rollback()
    assert natural.code == "a"


# -- rest -----------------------------------------------------------------------------------------


def test_a_flush_of_some_objects_writes_those(session: Session) -> None:
    one, two = User(name="1"), User(name="2")
    session.add_all([one, two])
    with pytest.warns(DeprecationWarning):
        session.flush([one])
    assert inspect(one).persistent
    assert inspect(two).pending
    session.commit()


def test_bulk_ways_write_rows(session: Session, engine: Engine) -> None:
    session.bulk_insert_mappings(User, [{"name": "a"}, {"name": "b", "age": 2}])
    session.bulk_save_objects([User(name="c")])
    session.bulk_update_mappings(User, [{"id": 1, "age": 1}])
    session.commit()
    rows = session.execute(select(User.name, User.age).order_by(User.id)).all()
    assert rows == [("a", 1), ("b", 2), ("c", None)]


@pytest.mark.parametrize("first", [User, Node, Versioned])
def test_bulk_save_writes_the_classes_in_the_order_in_which_they_come(
    session: Session, engine: Engine, first: Any
) -> None:
    classes = [first, *({User, Node, Versioned} - {first})]
    with Statements(engine) as sent:
        session.bulk_save_objects([cls() for cls in [*classes, *reversed(classes)]], preserve_order=False)
    tables = [text.split()[2] for text in sent.starting("INSERT")]
    assert [name for name, _ in itertools.groupby(tables)] == [cls.__tablename__ for cls in classes]


def test_a_flush_inside_a_flush_is_refused(session: Session) -> None:
    seen: list[Exception] = []

    def again(*arguments: Any) -> None:
        try:
            session.flush()
        except InvalidRequestError as error:
            seen.append(error)

    event.listen(User, "before_insert", again)
    try:
        session.add(User(name="x"))
        session.commit()
    finally:
        event.remove(User, "before_insert", again)
    assert len(seen) == 1
    assert count(session, User) == 1
