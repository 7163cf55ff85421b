"""Children that move from one parent to another, and what expires of them before the flush: no change is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, select

from session import Session, declarative_base, relationship

Base: Any = declarative_base()


class Parent(Base):
    __tablename__ = "moved_parent"
    id = Column(Integer, primary_key=True)
    children = relationship("Child", back_populates="parent", order_by="Child.id")
    owned = relationship("Owned", back_populates="parent", order_by="Owned.id", cascade="all, delete-orphan")
    parcels = relationship("Parcel", cascade="all, delete-orphan")


class Child(Base):
    __tablename__ = "moved_child"
    id = Column(Integer, primary_key=True)
    parent_id = Column(ForeignKey("moved_parent.id"))
    parent = relationship(Parent, back_populates="children")


class Owned(Base):
    __tablename__ = "moved_owned"
    id = Column(Integer, primary_key=True)
    parent_id = Column(ForeignKey("moved_parent.id"))
    parent = relationship(Parent, back_populates="owned")


class Parcel(Base):
    """Knows nothing of its parent."""

    __tablename__ = "moved_parcel"
    id = Column(Integer, primary_key=True)
    parent_id = Column(ForeignKey("moved_parent.id"))


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    Base.metadata.create_all(engine)
    with Session(engine, autoflush=False) as session:
        session.add_all([Parent(id=1, children=[Child(id=1), Child(id=2)], owned=[Owned(id=1), Owned(id=2)])])
        session.add(Parent(id=3))
        session.commit()
        yield session


def rows(session: Session, child: Any) -> list[Any]:
    table = child.__table__
    return [tuple(row) for row in session.execute(select(table.c.id, table.c.parent_id).order_by(table.c.id))]


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("names", [("children",), None])
def test_a_removal_is_written_though_the_child_and_the_new_parents_collection_expire(
    session: Session, loaded: bool, names: Any
) -> None:
    old, new, child = session.get(Parent, 1), session.get(Parent, 3), session.get(Child, 2)
    assert child in old.children
    if loaded:
        assert new.children == []
    child.parent = new
    session.expire(child)
    session.expire(new, names)
    session.flush()
    assert rows(session, Child) == [(1, 1), (2, None)]
    assert [each.id for each in old.children] == [1]
    session.commit()
    assert [each.id for each in old.children] == [1]
    assert new.children == []


@pytest.mark.parametrize("names", [("owned",), None])
def test_an_orphan_is_deleted_though_it_and_the_new_parents_collection_expire(session: Session, names: Any) -> None:
    old, new, child = session.get(Parent, 1), session.get(Parent, 3), session.get(Owned, 2)
    assert child in old.owned
    child.parent = new
    session.expire(child)
    session.expire(new, names)
    session.flush()
    assert rows(session, Owned) == [(1, 1)]


@pytest.mark.parametrize("source", [1, 3])
@pytest.mark.parametrize("kind", [Child, Owned])
@pytest.mark.parametrize("forget", ["expire", "refresh"])
def test_what_expires_on_its_way_comes_to_the_new_parent_in_whichever_order_parents_are_written(
    session: Session, kind: Any, source: int, forget: str
) -> None:
    name = "children" if kind is Child else "owned"
    old, new = session.get(Parent, source), session.get(Parent, 4 - source)
    child = session.get(kind, 2)
    child.parent = old
    session.commit()
    assert child in getattr(old, name)
    getattr(new, name).append(child)
    getattr(session, forget)(child)
    session.flush()
    assert rows(session, kind) == [(1, 1), (2, new.id)]


@pytest.mark.parametrize("source", [1, 3])
def test_an_object_that_expired_between_coming_to_a_parent_and_leaving_another_is_no_orphan(
    session: Session, source: int
) -> None:
    old, new = session.get(Parent, source), session.get(Parent, 4 - source)
    old.parcels.append(Parcel(id=1))
    session.commit()
    [parcel] = old.parcels
    new.parcels.append(parcel)
    session.expire(parcel)
    old.parcels.remove(parcel)
    session.flush()
    assert rows(session, Parcel) == [(1, new.id)]


def test_what_came_to_a_deleted_parent_is_lost_by_the_one_that_it_left(session: Session) -> None:
    old, new, child = session.get(Parent, 1), session.get(Parent, 3), session.get(Child, 2)
    assert child in old.children
    new.children.append(child)
    session.expire(child)
    session.delete(new)
    session.commit()
    assert rows(session, Child) == [(1, 1), (2, None)]


def test_a_new_object_that_takes_over_a_row_keeps_the_reference_that_is_written_last(engine: Engine) -> None:
    Rows: Any = declarative_base()

    class Team(Rows):
        __tablename__ = "moved_team"
        id = Column(Integer, primary_key=True)
        lead_id = Column(ForeignKey("moved_member.id", use_alter=True, name="moved_lead"))
        lead = relationship("Member", foreign_keys=[lead_id], post_update=True)
        members = relationship("Member", foreign_keys="Member.team_id", back_populates="team")

    class Member(Rows):
        __tablename__ = "moved_member"
        id = Column(Integer, primary_key=True)
        team_id = Column(ForeignKey(Team.id))
        team = relationship(Team, foreign_keys=[team_id], back_populates="members")

    Rows.metadata.create_all(engine)
    with Session(engine) as session:
        team = Team(id=1, members=[Member(id=1)])
        team.lead = team.members[0]
        session.add(team)
        session.commit()
        session.delete(team)
        taken = Team(id=1, lead=Member(id=9))
        session.add(taken)
        session.commit()
        assert taken.lead_id == 9
        assert session.get(Member, 1).team_id is None
