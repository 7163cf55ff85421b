"""Mappings that cannot be made: refused where the mistake is, with the names of class and attribute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoForeignKeysError, SAWarning

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    configure_mappers,
    joinedload,
    mapped_column,
    registry,
    relationship,
)
from session.exc import MappedAnnotationError


class Plain:
    """Not mapped."""


def _no_primary_key(base: Any) -> Any:
    class NoKey(base):
        __tablename__ = "no_key"
        name: Mapped[str]


def _no_table(base: Any) -> Any:
    class NoTable(base):
        id: Mapped[int] = mapped_column(primary_key=True)


def _unknown_type(base: Any) -> Any:
    class Odd(base):
        __tablename__ = "odd"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Plain]


def _unknown_name(base: Any) -> Any:
    class Odd(base):
        __tablename__ = "odd"
        id: Mapped[int] = mapped_column(primary_key=True)
        value: Mapped[Nowhere]  # noqa: F821


def _reserved_name(base: Any) -> Any:
    class Odd(base):
        __tablename__ = "odd"
        id: Mapped[int] = mapped_column(primary_key=True)
        metadata: Mapped[str]


def _reserved_column(base: Any) -> Any:
    class Odd(base):
        __tablename__ = "odd"
        id: Mapped[int] = mapped_column(primary_key=True)
        metadata = Column(String)


@pytest.mark.parametrize(
    ("make", "error", "names"),
    [
        (_no_primary_key, ArgumentError, ["NoKey", "no_key"]),
        (_no_table, InvalidRequestError, ["NoTable", "__tablename__"]),
        (_unknown_type, ArgumentError, ["Plain", "value"]),
        (_unknown_name, (MappedAnnotationError, NameError), ["Nowhere"]),
        (_reserved_name, (InvalidRequestError, SAWarning), ["metadata"]),
        (_reserved_column, (InvalidRequestError, SAWarning), ["metadata"]),
    ],
)
def test_classes_that_cannot_be_mapped(make: Callable[[Any], Any], error: type[Exception], names: list[str]) -> None:
    class Own(DeclarativeBase):
        pass

    with pytest.raises(error) as caught:
        make(Own)
    for name in names:
        assert name in str(caught.value)


def test_relationships_that_cannot_be_made() -> None:
    for argument, options, error, names in (
        ("Nothing", {}, InvalidRequestError, ["Nothing", "Parent"]),
        ("Alone", {}, ArgumentError, ["Parent.children"]),
        ("Child", {"back_populates": "nothing"}, InvalidRequestError, ["nothing", "Child"]),
        ("Child", {"order_by": "Child.nothing"}, (InvalidRequestError, AttributeError), ["nothing"]),
        ("Child", {"lazy": "sometimes"}, (ArgumentError, InvalidRequestError), ["sometimes"]),
        ("Child", {"cascade": "all, everything"}, ArgumentError, ["everything"]),
        ("Child", {"primaryjoin": "Parent.id == Child.id"}, ArgumentError, ["Parent.children"]),
    ):

        class Own(DeclarativeBase):
            pass

        with pytest.raises(error) as caught:

            class Parent(Own):
                __tablename__ = "parent"
                id = mapped_column(Integer, primary_key=True)
                children = relationship(argument, **options)

            class Child(Own):
                __tablename__ = "child"
                id = mapped_column(Integer, primary_key=True)
                parent_id = mapped_column(ForeignKey("parent.id"))

            class Alone(Own):
                __tablename__ = "alone"
                id = mapped_column(Integer, primary_key=True)

            Own.registry.configure()
            Parent.children.any()
            select(Parent).options(joinedload(Parent.children)).compile()
        for name in names:
            assert name in str(caught.value), (argument, options)
        Own.registry.dispose()


def test_a_mapping_that_failed_is_reported_again(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Parent(Own):
        __tablename__ = "parent"
        id = mapped_column(Integer, primary_key=True)
        children = relationship("Missing")

    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="Missing"):
            Parent()
    with Session(engine) as session, pytest.raises(InvalidRequestError, match="Missing"):
        session.query(Parent).all()
    Own.registry.dispose()
    configure_mappers()


def test_a_class_cannot_be_mapped_twice() -> None:
    mapping = registry()
    table = Table("thing", mapping.metadata, Column("id", Integer, primary_key=True))

    class Thing:
        pass

    mapping.map_imperatively(Thing, table)
    with pytest.raises(ArgumentError, match="Thing"):
        mapping.map_imperatively(Thing, table)
    with pytest.raises((ArgumentError, NoForeignKeysError)):
        mapping.map_imperatively(Plain, "no table")
