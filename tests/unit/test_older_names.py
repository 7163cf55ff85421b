"""Names of earlier releases: what they do, or that they do nothing."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine, event, inspect, select
from sqlalchemy.exc import InvalidRequestError, SADeprecationWarning

import session
from session import DeclarativeBase, DynamicMapped, Mapped, Session, mapped_column
from session.attributes import NO_KEY


class Base(DeclarativeBase):
    pass


class Child(Base):
    __tablename__ = "child"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))


class Parent(Base):
    __tablename__ = "parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    children: DynamicMapped[Child] = session.dynamic_loader("Child")
    listed: Mapped[list[Child]] = session.relationship(viewonly=True)


@pytest.fixture
def engine():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    return engine


def test_dynamic_loader(engine):
    with Session(engine) as made:
        made.add(Parent(id=1, children=[Child(id=1), Child(id=2)]))
        made.commit()
        assert made.get_one(Parent, 1).children.filter_by(id=2).one().id == 2


def test_create_session(engine):
    made = session.create_session(engine)
    assert (made.bind, made.autoflush, made.expire_on_commit) == (engine, False, False)
    assert session.create_session(autoflush=True).autoflush


def test_mapper_maps_nothing_and_is_a_target_of_events(engine):
    with pytest.raises(InvalidRequestError, match="map_imperatively"):
        session.mapper(Parent)
    heard: list[Any] = []

    def note(mapper, connection, target):
        heard.append(type(target))

    event.listen(session.mapper, "before_insert", note)
    event.listen(session.mapper, "load", lambda target, context: heard.append("load"))
    try:
        with Session(engine) as made:
            made.add(Child(id=5))
            made.commit()
            made.expunge_all()
            made.get_one(Child, 5)
    finally:
        event.remove(session.mapper, "before_insert", note)
    assert heard == [Child, "load"]
    with Session(engine) as made:
        made.add(Child(id=6))
        made.commit()
    assert heard == [Child, "load"]


def test_what_has_no_effect():
    with pytest.warns(SADeprecationWarning):
        assert session.declarative_mixin(Parent) is Parent
    with pytest.warns(SADeprecationWarning):
        option = session.contains_alias(Parent.__table__.alias())
    assert isinstance(option, session.AliasOption)
    assert str(select(Parent.id).options(option)) == str(select(Parent.id))
    assert session.as_typed_table(Parent) is Parent.__table__
    assert session.MappedClassProtocol[Any]


def test_as_scalar(engine):
    with Session(engine) as made:
        made.add(Child(id=7))
        with pytest.warns(SADeprecationWarning):
            inner = made.query(Child.id).as_scalar()
        assert made.scalar(select(inner)) == 7


def test_the_module_and_the_function_called_mapper():
    importlib.import_module("session.mapper")
    assert callable(session.mapper)
    assert importlib.import_module("session.mapper").Mapper is session.Mapper


@pytest.mark.parametrize(
    "name",
    [
        "base",
        "context",
        "decl_api",
        "descriptor_props",
        "interfaces",
        "properties",
        "relationships",
        "scoping",
        "session",
    ],
)
def test_the_modules_hand_the_public_names_on(name):
    module = importlib.import_module(f"session.{name}")
    names = {each for each in vars(module) if not each.startswith("_")} - {"annotations"}
    assert len(names) > 1
    for each in names & set(vars(session)):
        assert getattr(module, each) is getattr(session, each)


def test_the_maker_can_be_imported_beside_the_session():
    assert importlib.import_module("session.session").sessionmaker is session.sessionmaker


def test_one_mapper_for_each_class():
    mapper = inspect(Parent)
    assert mapper.primary_mapper() is mapper.primary_base_mapper is mapper


def test_has_identity(engine):
    with Session(engine) as made:
        child = Child(id=8)
        assert not session.util.has_identity(child)
        made.add(child)
        made.flush()
        assert session.util.has_identity(child)


def test_modules_are_there_as_attributes():
    for name in (
        "attributes",
        "base",
        "collections",
        "events",
        "exc",
        "instrumentation",
        "interfaces",
        "loading",
        "util",
    ):
        assert getattr(session, name).__name__ == f"session.{name}"


@pytest.mark.parametrize("raw", [True, False])
def test_a_listener_is_told_that_there_is_no_key(raw):
    class Own(DeclarativeBase):
        pass

    class Part(Own):
        __tablename__ = "part"
        id: Mapped[int] = mapped_column(primary_key=True)
        whole_id: Mapped[int | None] = mapped_column(ForeignKey("whole.id"))

    class Whole(Own):
        __tablename__ = "whole"
        id: Mapped[int] = mapped_column(primary_key=True)
        parts: Mapped[set[Part]] = session.relationship()

    keys: list[Any] = []
    event.listen(
        Whole.parts, "append", lambda target, value, initiator, key: keys.append(key), raw=raw, include_key=True
    )
    whole = Whole(parts={Part()})
    whole.parts.add(Part())
    assert keys == [NO_KEY, NO_KEY]
