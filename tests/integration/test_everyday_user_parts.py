"""Errors in the user's defaults, validators, reconstructors, collections and composites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, select
from sqlalchemy.exc import StatementError

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    composite,
    declared_attr,
    keyfunc_mapping,
    mapped_column,
    reconstructor,
    relationship,
    selectinload,
    validates,
)
from session.collections import collection


class UserError(Exception):
    """What the user's code raises."""


def test_defaults_validators_and_reconstructors_that_fail(engine: Engine) -> None:
    fails = {"default": False, "load": False}

    def default() -> str:
        if fails["default"]:
            raise UserError("in a default")
        return "made"

    class Own(DeclarativeBase):
        @declared_attr.directive
        def __tablename__(cls) -> str:
            return cls.__name__.lower()

    class Thing(Own):
        id: Mapped[int] = mapped_column(primary_key=True)
        made: Mapped[str] = mapped_column(default=default)
        checked: Mapped[int | None]

        @validates("checked")
        def check(self, key: str, value: int) -> int:
            if value < 0:
                raise UserError(f"{key} is {value}")
            return value

        @reconstructor
        def wake(self) -> None:
            if fails["load"]:
                raise UserError("in a reconstructor")

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        thing = Thing(checked=1)
        session.add(thing)
        fails["default"] = True
        with pytest.raises((UserError, StatementError), match="in a default"):
            session.flush()
        session.rollback()
        fails["default"] = False
        session.add(thing)
        session.commit()
        with pytest.raises(UserError, match="checked is -1"):
            thing.checked = -1
        assert thing.checked == 1
        session.expunge_all()
        fails["load"] = True
        with pytest.raises(UserError, match="in a reconstructor"):
            session.get(Thing, 1)
        fails["load"] = False
        assert session.get(Thing, 1).made == "made"


class Picky:
    """A collection that does not take every member."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    @collection.appender
    def put(self, member: Any) -> None:
        if member.name == "bad":
            raise UserError("in a collection")
        self.kept.append(member)

    @collection.remover
    def take(self, member: Any) -> None:
        self.kept.remove(member)

    @collection.iterator
    def __iter__(self) -> Iterator[Any]:
        return iter(self.kept)


def test_collections_and_key_functions_that_fail(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    def key(member: Any) -> str:
        if member.name == "bad":
            raise UserError("in a key function")
        return str(member.name)

    class Parent(Own):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        picky: Mapped[Picky] = relationship(
            "Member", collection_class=Picky, uselist=True, foreign_keys="Member.picky_id", backref="of"
        )
        keyed: Mapped[dict[str, Member]] = relationship(
            collection_class=keyfunc_mapping(key), foreign_keys="Member.keyed_id"
        )

    class Member(Own):
        __tablename__ = "member"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        picky_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))
        keyed_id: Mapped[int | None] = mapped_column(ForeignKey("parent.id"))

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        parent = Parent()
        parent.picky.put(Member(name="good"))
        with pytest.raises(UserError, match="in a collection"):
            parent.picky.put(Member(name="bad"))
        with pytest.raises(UserError, match="in a key function"):
            parent.keyed.set(Member(name="bad"))
        assert [member.name for member in parent.picky] == ["good"]
        assert parent.keyed == {}
        session.add(parent)
        session.add(Member(name="bad", picky_id=1, keyed_id=1))
        session.commit()
        for name, message in (("picky", "in a collection"), ("keyed", "in a key function")):
            with pytest.raises(UserError, match=message):
                getattr(session.get(Parent, 1), name)
            with pytest.raises(UserError, match=message):
                session.scalars(
                    select(Parent)
                    .options(selectinload(getattr(Parent, name)))
                    .execution_options(populate_existing=True)
                ).all()
        session.rollback()
        bad = session.scalars(select(Member).where(Member.name == "bad")).one()
        bad.name = "fine"
        session.commit()
        assert len(parent.picky.kept) == 2
        assert list(parent.keyed) == ["fine"]


class Fussy:
    """A value that cannot be made of 13."""

    def __init__(self, number: int | None) -> None:
        if number == 13:
            raise UserError("in a composite")
        self.number = number

    def __composite_values__(self) -> tuple[int | None]:
        return (self.number,)

    def __eq__(self, other: object) -> bool:
        raise UserError("in __eq__")

    __hash__ = None  # type: ignore[assignment]


def test_composites_that_fail(engine: Engine) -> None:
    class Own(DeclarativeBase):
        pass

    class Thing(Own):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int | None]
        fussy: Mapped[Fussy] = composite(Fussy, "number")

    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(Thing.__table__.insert(), [{"number": 13}, {"number": 1}])
        session.commit()
        with pytest.raises(UserError, match="in a composite"):
            session.scalars(select(Thing).order_by(Thing.id)).all()
        thing = session.scalars(select(Thing).where(Thing.number == 1)).one()
        assert thing.fussy.number == 1
        thing.number = 2
        session.commit()
        assert thing.fussy.number == 2
