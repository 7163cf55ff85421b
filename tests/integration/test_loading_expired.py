"""Loading again: what one SELECT brings back of an object that has expired, and what listeners see of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, event, inspect, select, update
from sqlalchemy.exc import InvalidRequestError

from session import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    PassiveFlag,
    Session,
    contains_eager,
    defer,
    joinedload,
    mapped_column,
    raiseload,
    relationship,
    selectinload,
)
from session.attributes import get_history
from session.constants import PASSIVE_OFF
from session.exc import StaleDataError

from .everyday import Statements


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    size: Mapped[int | None]
    note: Mapped[str | None] = mapped_column(deferred=True)
    version: Mapped[int] = mapped_column()
    children: Mapped[list[Child]] = relationship(back_populates="parent", order_by="Child.id")

    __mapper_args__ = {"version_id_col": version}


class Child(Base):
    __tablename__ = "child"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
    parent: Mapped[Parent | None] = relationship(back_populates="children")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Parent(id=1, name="ed", size=5, note="n", children=[Child(), Child()]))
        session.commit()
        yield session


def test_refresh_of_a_relationship_brings_the_primary_key_along(session: Session, engine: Engine) -> None:
    parent = session.get_one(Parent, 1)
    session.expire(parent)
    with Statements(engine) as statements:
        session.refresh(parent, ["children"])
    assert len(statements) == 2
    assert "id" in parent.__dict__
    assert "name" not in parent.__dict__
    assert len(parent.children) == 2


def test_refresh_of_a_column_loads_nothing_else(session: Session) -> None:
    parent = session.get_one(Parent, 1)
    session.expire(parent)
    session.refresh(parent, ["name"])
    assert "name" in parent.__dict__
    assert "size" not in parent.__dict__
    assert {"size", "id"} <= inspect(parent).expired_attributes
    assert parent.size == 5


def test_a_deferred_column_of_an_expired_object_comes_alone(session: Session, engine: Engine) -> None:
    parent = session.get_one(Parent, 1)
    session.expire(parent)
    assert "note" in inspect(parent).expired_attributes
    with Statements(engine) as statements:
        assert parent.note == "n"
    assert len(statements) == 1
    assert "name" not in parent.__dict__
    assert parent.name == "ed"
    session.expire(parent, ["note"])
    assert inspect(parent).expired_attributes == {"note"}
    assert parent.note == "n"
    assert not inspect(parent).expired_attributes


def test_options_that_refuse_end_with_the_expiry(session: Session, engine: Engine) -> None:
    session.expunge_all()  # an object that is there keeps the options that it has come with: none
    options = (defer(Parent.note, raiseload=True), raiseload(Parent.children), defer(Parent.size))
    parent = session.scalars(select(Parent).options(*options)).one()
    with pytest.raises(InvalidRequestError, match="raiseload"):
        _ = parent.note
    session.expire(parent)
    assert parent.note == "n"
    assert len(parent.children) == 2
    session.expire(parent)
    with Statements(engine) as statements:
        assert (parent.name, parent.size) == ("ed", 5)
    assert len(statements) == 1
    with pytest.raises(InvalidRequestError, match="raise"):
        _ = parent.children


def test_loads_of_expired_and_deferred_columns_flush_first(session: Session, engine: Engine) -> None:
    parent = session.get_one(Parent, 1)
    parent.size = 6
    session.expire(parent, ["name"])
    with Statements(engine) as statements:
        assert parent.name == "ed"
    assert statements.starting("UPDATE")
    parent.size = 7
    with Statements(engine) as statements:
        assert parent.note == "n"
    assert statements.starting("UPDATE")


def test_a_deleted_value_of_an_expired_attribute_stays_deleted(session: Session) -> None:
    session.autoflush = False
    parent = session.get_one(Parent, 1)
    session.expire(parent)
    parent.name = "changed"
    assert parent.size == 5
    del parent.name
    session.expire(parent, ["size"])
    assert session.scalars(select(Parent)).one().size == 5
    assert parent.name is None


@pytest.mark.parametrize("nested", [joinedload, contains_eager])
def test_an_object_of_a_contained_eager_load_is_loaded_again_without_the_join(session: Session, nested: Any) -> None:
    statement = select(Child).join(Child.parent).where(Child.id == 1)
    if nested is joinedload:
        statement = statement.options(contains_eager(Child.parent).joinedload(Parent.children))
    else:
        statement = statement.options(contains_eager(Child.parent))
    child = session.scalars(statement).unique().one()
    assert "parent" in child.__dict__
    session.expire(child)
    assert child.id == 1
    assert "parent" not in child.__dict__
    assert child.parent is not None
    assert child.parent.name == "ed"


def test_a_locking_select_refuses_an_object_of_another_version(session: Session) -> None:
    parent = session.get_one(Parent, 1)
    session.execute(update(Parent.__table__).values(version=9, name="new"))
    assert session.scalars(select(Parent)).one().name == "ed"
    with pytest.raises(StaleDataError, match="version 9"):
        session.scalars(select(Parent).with_for_update()).one()
    with pytest.raises(StaleDataError, match="version 9"):
        session.get(Parent, 1, with_for_update=True)
    session.refresh(parent, with_for_update=True)
    assert session.get(Parent, 1, with_for_update=True) is parent
    assert parent.name == "new"


def test_what_a_load_listener_sets_counts_as_loaded(session: Session) -> None:
    def on_load(parent: Parent, context: Any) -> None:
        parent.name = "set"

    def on_refresh(parent: Parent, context: Any, keys: Any) -> None:
        assert isinstance(keys, (set, frozenset))
        parent.name = "set again"

    session.close()
    event.listen(Parent, "load", on_load)
    event.listen(Parent, "refresh", on_refresh)
    try:
        parent = session.scalars(select(Parent)).one()
        assert get_history(parent, "name") == ((), ["set"], ())
        assert parent not in session.dirty
        session.expire(parent)
        assert parent.size == 5
        assert Parent.name.get_history(parent, PassiveFlag.PASSIVE_OFF) == ((), ["set again"], ())
    finally:
        event.remove(Parent, "load", on_load)
        event.remove(Parent, "refresh", on_refresh)


def test_listeners_are_told_the_way_to_a_relationship(session: Session) -> None:
    seen: list[Any] = []

    def listener(state: ORMExecuteState) -> None:
        if state.is_relationship_load:
            path = state.loader_strategy_path
            seen.append([step.key if index % 2 else step.class_ for index, step in enumerate(path)])
        else:
            assert not state.loader_strategy_path

    event.listen(session, "do_orm_execute", listener)
    parent = session.scalars(select(Parent).options(selectinload(Parent.children))).one()
    session.expire(parent, ["children"])
    assert len(parent.children) == 2
    assert seen == [[Parent, "children"], [Parent, "children"]]


def test_passive_flags_are_the_integers_in_use() -> None:
    assert int(PassiveFlag.PASSIVE_OFF) == PASSIVE_OFF
    assert PassiveFlag.PASSIVE_NO_FETCH & PassiveFlag.SQL_OK == 0
    assert type(PASSIVE_OFF) is int
