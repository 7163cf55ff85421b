"""What ``join()`` takes as target and as left side beside a relationship, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Table, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SADeprecationWarning

from session import DeclarativeBase, Mapped, Session, aliased, mapped_column, relationship


class Base(DeclarativeBase):
    pass


marks = Table(
    "joined_mark",
    Base.metadata,
    Column("owner_id", ForeignKey("joined_owner.id"), primary_key=True),
    Column("tag_id", ForeignKey("joined_tag.id"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "joined_tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Owner(Base):
    __tablename__ = "joined_owner"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    things: Mapped[list[Thing]] = relationship(back_populates="owner")
    tags: Mapped[list[Tag]] = relationship(secondary=marks)
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "owner"}


class Special(Owner):
    __mapper_args__ = {"polymorphic_identity": "special"}


class Thing(Base):
    __tablename__ = "joined_thing"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("joined_owner.id"))
    name: Mapped[str]
    owner: Mapped[Owner] = relationship(back_populates="things")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        red, blue = Tag(id=1, name="red"), Tag(id=2, name="blue")
        session.add_all(
            [
                Owner(id=1, name="a", things=[Thing(id=1, name="x"), Thing(id=2, name="y")], tags=[red, blue]),
                Owner(id=2, name="b", things=[Thing(id=3, name="x")], tags=[blue]),
            ]
        )
        session.commit()
        yield session


def names(session: Session, statement: Any) -> list[str]:
    return sorted(session.scalars(statement))


def test_a_subquery_is_joined_along_a_relationship(session: Session) -> None:
    subquery = select(Thing).where(Thing.id > 1).subquery()
    with pytest.warns(SADeprecationWarning, match="aliased"):
        assert names(session, select(Owner.name).join(subquery, Owner.things)) == ["a", "b"]
    with pytest.warns(SADeprecationWarning):
        assert names(session, select(Owner.name).join(subquery, Owner.things.and_(Thing.name == "y"))) == ["a"]
    with pytest.warns(SADeprecationWarning):
        assert session.query(Owner).join(subquery, Owner.things).filter(subquery.c.name == "y").one().name == "a"


def test_a_subquery_is_joined_over_a_secondary_table(session: Session) -> None:
    subquery = select(Tag).where(Tag.id == 1).cte()
    with pytest.warns(SADeprecationWarning):
        assert names(session, select(Owner.name).join(subquery, Owner.tags)) == ["a"]
    statement = select(Owner.name).outerjoin(subquery, Owner.tags).where(subquery.c.name.is_(None))
    with pytest.warns(SADeprecationWarning):
        assert set(names(session, statement)) == {"b"}


def test_a_table_is_joined_along_a_relationship(session: Session) -> None:
    with pytest.warns(SADeprecationWarning):
        assert names(session, select(Owner.name).join(Thing.__table__, Owner.things).where(Thing.name == "y")) == ["a"]


@pytest.mark.parametrize(
    "statement",
    {
        "another class": lambda: select(Owner).join(Tag, Owner.things),
        "an alias of another class": lambda: select(Owner).join(aliased(Owner), Owner.things),
        "another class by of_type": lambda: select(Owner).join(Owner.things.of_type(Tag)),
        "the secondary table": lambda: select(Owner).join(marks, Owner.tags),
        "from another class": lambda: select(Owner).join_from(Tag, Owner.things),
        "from another class to the right one": lambda: select(Owner).join_from(Tag, Thing, Owner.things),
        "from an alias": lambda: select(Owner).join_from(aliased(Owner), Owner.things),
        "from the class by its alias": lambda: select(Owner).join_from(Owner, aliased(Owner).things),
        "from a subquery": lambda: select(Owner).join_from(select(Owner).subquery(), Owner.things),
    }.items(),
    ids=lambda item: item[0],
)
def test_sides_that_are_not_those_of_the_relationship_are_refused(session: Session, statement: Any) -> None:
    with pytest.raises(InvalidRequestError, match="Cannot join"):
        session.execute(statement[1]())


def test_sides_that_are_those_of_the_relationship_are_taken(session: Session) -> None:
    alias = aliased(Owner)
    assert len(session.scalars(select(Owner).join_from(Owner, Owner.things)).all()) == 3
    assert len(session.scalars(select(alias).join_from(alias, Thing, alias.things)).all()) == 3
    assert session.scalars(select(Special).join_from(Special, Owner.things)).all() == []
    assert session.scalars(select(Thing).join(Special, Thing.owner)).all() == []


def test_a_column_is_no_target(session: Session) -> None:
    with pytest.raises(ArgumentError, match="no relationship"):
        session.query(Owner).join(Owner.name)
    with pytest.raises(ArgumentError, match="no relationship"):
        session.execute(select(Owner).join(Owner.name))


def test_query_tuples_is_deprecated(session: Session) -> None:
    with pytest.warns(SADeprecationWarning, match="tuples"):
        assert session.query(Tag.name).order_by(Tag.id).tuples().first() == ("red",)
