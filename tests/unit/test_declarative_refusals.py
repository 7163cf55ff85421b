"""Mistakes in declared classes that are seen when the class is made, and what their arguments leave out."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Computed, ForeignKey, ForeignKeyConstraint, Identity, Integer, MetaData, Table, inspect
from sqlalchemy.exc import ArgumentError, InvalidRequestError

from session import DeclarativeBase, DeclarativeBaseNoMeta, Mapped, MappedAsDataclass, declared_attr, mapped_column


def new_base() -> Any:
    class Base(DeclarativeBase):
        pass

    return Base


@pytest.mark.parametrize("bases", [(DeclarativeBase,), (DeclarativeBaseNoMeta,), (MappedAsDataclass, DeclarativeBase)])
def test_a_class_with_a_table_needs_a_base_of_its_own(bases: Any) -> None:
    table = Table("thing", MetaData(), Column("id", Integer, primary_key=True))
    for names in ({"__tablename__": "thing"}, {"__table__": table}):
        with pytest.raises(InvalidRequestError, match="derive a base"):
            type("Thing", bases, {**names, "id": mapped_column(Integer, primary_key=True)})


@pytest.mark.parametrize(
    "column",
    [
        lambda: mapped_column(),
        lambda: mapped_column("name"),
        lambda: mapped_column(nullable=True),
        lambda: mapped_column(default=3),
        lambda: mapped_column(Computed("1")),
        lambda: mapped_column(Identity()),
        lambda: declared_attr(lambda cls: mapped_column()),
    ],
)
def test_a_column_without_any_type_is_refused(column: Any) -> None:
    with pytest.raises(ArgumentError, match=r"Thing\.name has no type"):

        class Thing(new_base()):
            __tablename__ = "thing"
            id = mapped_column(Integer, primary_key=True)
            name = column()


def test_a_foreign_key_gives_a_column_its_type() -> None:
    class Thing(new_base()):
        __tablename__ = "thing"
        id = mapped_column(Integer, primary_key=True)
        one = mapped_column(ForeignKey("thing.id"))
        two = mapped_column()
        __table_args__ = (ForeignKeyConstraint(["two"], ["thing.id"]),)

    assert [type(column.type) for column in Thing.__table__.c] == [Integer, Integer, Integer]


@pytest.mark.parametrize("arguments", [{"exclude_properties": ["name"]}, {"include_properties": ["id"]}])
def test_a_declared_column_can_be_left_out_with_a_warning(arguments: Any) -> None:
    with pytest.warns(DeprecationWarning, match=r"Thing\.name"):

        class Thing(new_base()):
            __tablename__ = "thing"
            __mapper_args__ = arguments
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

    assert inspect(Thing).attrs.keys() == ["id"]
    assert Thing.__table__.c.keys() == ["id", "name"]
