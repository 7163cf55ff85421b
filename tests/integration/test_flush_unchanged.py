"""Objects that were modified, and hold after all what they held: they take part in a flush, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, ForeignKey, PickleType, String, event, func, inspect, select

from session import DeclarativeBase, Mapped, Session, column_property, mapped_column, relationship

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20))
    children: Mapped[list[Child]] = relationship(
        back_populates="parent", order_by="Child.id", cascade="all, delete-orphan"
    )


class Child(Base):
    __tablename__ = "child"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20))
    size: Mapped[float | None]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    parent: Mapped[Parent | None] = relationship(back_populates="children")


class Versioned(Base):
    __tablename__ = "versioned"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


class Noted(Base):
    __tablename__ = "noted"

    id: Mapped[int] = mapped_column(primary_key=True)
    notes: Mapped[list[str]] = mapped_column(PickleType(comparator=lambda value, old: False))
    other: Mapped[list[str]] = mapped_column(PickleType)


class Measured(Base):
    __tablename__ = "measured"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(20))
    length = column_property(func.length(name))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def family(session: Session) -> Parent:
    parent = Parent(name="p", children=[Child(name=name, size=1.5) for name in "abc"])
    session.add(parent)
    session.commit()
    assert [child.name for child in parent.children] == ["a", "b", "c"]
    return parent


def touch(parent: Parent) -> None:
    """Give everything the values that it has."""
    parent.name = parent.name
    parent.children = list(parent.children)
    for child in parent.children:
        child.id, child.name, child.size, child.parent_id = child.id, child.name, child.size, child.parent_id
        child.parent = child.parent


def test_nothing_is_written(session: Session, engine: Engine, family: Parent) -> None:
    touch(family)
    assert set(session.dirty) == {family, *family.children}
    with Statements(engine) as sent:
        session.flush()
    assert not sent.texts
    assert not session.dirty
    for obj in (family, *family.children):
        assert not inspect(obj).modified
        assert not inspect(obj).attrs.name.history.has_changes()


def test_only_what_changed_is_written(session: Session, engine: Engine, family: Parent) -> None:
    touch(family)
    family.children[1].size = 2.5
    with Statements(engine) as sent:
        session.commit()
    assert len(sent.texts) == 1
    assert [child.size for child in family.children] == [1.5, 2.5, 1.5]


def test_update_events_are_fired(session: Session, family: Parent) -> None:
    heard = []

    def before(mapper: object, connection: object, child: Child) -> None:
        heard.append(child.name)
        child.size = 9.5

    event.listen(Child, "before_update", before)
    try:
        touch(family)
        session.commit()
    finally:
        event.remove(Child, "before_update", before)
    assert heard == ["a", "b", "c"]
    assert [child.size for child in family.children] == [9.5] * 3


def test_a_child_moves_with_nothing_else_changed(session: Session, family: Parent) -> None:
    other = Parent(name="other")
    session.add(other)
    session.commit()
    a, b, _ = family.children
    touch(family)
    b.size = b.size
    other.children.append(b)
    a.name = str(a.name)
    session.commit()
    assert [child.name for child in family.children] == ["a", "c"]
    assert other.children == [b]
    assert b.parent_id == other.id


def test_a_child_that_was_let_go_is_deleted(session: Session, family: Parent) -> None:
    touch(family)
    family.children.pop(0)
    session.commit()
    assert [child.name for child in family.children] == ["b", "c"]
    assert session.scalar(select(func.count()).select_from(Child)) == 2


def test_children_are_deleted_with_the_parent(session: Session, family: Parent) -> None:
    touch(family)
    session.delete(family)
    session.commit()
    assert session.scalar(select(func.count()).select_from(Child)) == 0


def test_another_order_of_a_list_is_looked_at(session: Session, engine: Engine, family: Parent) -> None:
    family.children.reverse()
    with Statements(engine) as sent:
        session.flush()
    assert not sent.texts
    assert [child.name for child in family.children] == ["c", "b", "a"]


def test_rollback_of_a_savepoint(session: Session, family: Parent) -> None:
    with session.begin_nested() as savepoint:
        touch(family)
        session.flush()
        family.children[0].name = "z"
        savepoint.rollback()
    assert [child.name for child in family.children] == ["a", "b", "c"]
    assert not session.dirty


def test_flush_of_some_objects_leaves_the_others_modified(session: Session, family: Parent) -> None:
    touch(family)
    with pytest.warns(DeprecationWarning, match="flush"):
        session.flush([family])
    assert family not in session.dirty
    assert set(session.dirty) == set(family.children)


def test_a_version_stays(session: Session) -> None:
    obj = Versioned(name="a")
    session.add(obj)
    session.commit()
    assert obj.version == 1
    obj.name, obj.version = "a", 1
    session.commit()
    assert obj.version == 1
    obj.name = "b"
    session.commit()
    assert obj.version == 2


def test_a_column_worked_out_by_the_database_is_read_again(session: Session) -> None:
    obj = Measured(name="abc")
    session.add(obj)
    session.commit()
    assert obj.length == 3
    obj.name = "abc"
    session.flush()
    assert "length" not in obj.__dict__
    assert obj.length == 3


def test_the_comparison_of_a_type_is_asked_about_the_same_object(session: Session, engine: Engine) -> None:
    session.add(Noted(id=1, notes=["a"], other=["a"]))
    session.commit()
    noted = session.get_one(Noted, 1)
    for attribute in ("notes", "other"):
        value = getattr(noted, attribute)
        value.append("b")
        setattr(noted, attribute, value)
    assert session.is_modified(noted)
    session.commit()
    assert noted.notes == ["a", "b"]
    assert noted.other == ["a"]
