"""Relationships whose first read loads them for all objects of the same result: each kind of relationship."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, event, insert, select
from sqlalchemy.exc import SAWarning

from session import (
    DeclarativeBase,
    Mapped,
    Session,
    foreign,
    lazyload,
    mapped_column,
    peerload,
    relationship,
    selectinload,
)

from ..loading_models import Address, Node, Pair, Part, User, counted
from .reading import address_ids, loaded, users_of


def test_one_to_many_takes_one_statement(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 1


def test_nothing_is_loaded_until_it_is_read(session: Session) -> None:
    with counted(session) as statements:
        users = users_of(session, peerload(User.addresses))
    assert len(statements) == 1
    assert not any(loaded(user, "addresses") for user in users)


def test_other_relationships_stay_as_they_are(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    with counted(session) as statements:
        assert [len(user.tags) for user in users] == [2, 1, 0]
    assert len(statements) == 3


def test_many_to_many(session: Session) -> None:
    users = users_of(session, peerload(User.tags))
    with counted(session) as statements:
        assert [[tag.name for tag in user.tags] for user in users] == [["red", "blue"], ["blue"], []]
    assert len(statements) == 1


def test_one_to_one(session: Session) -> None:
    users = users_of(session, peerload(User.profile))
    with counted(session) as statements:
        assert [user.profile and user.profile.text for user in users] == ["p1", None, None]
    assert len(statements) == 1


def test_many_to_one(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    with counted(session) as statements:
        assert [address.user and address.user.id for address in addresses] == [1, 1, 2, None]
    assert len(statements) == 1


def test_many_to_one_asks_for_what_the_session_lacks(session: Session) -> None:
    known = session.get(User, 1)
    addresses = session.scalars(select(Address).order_by(Address.id.desc()).options(peerload(Address.user))).all()
    parameters: list[Any] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *given: parameters.append(given[3]))
    assert [address.user for address in addresses] == [None, session.get(User, 2), known, known]
    assert [list(given.values()) if isinstance(given, dict) else list(given) for given in parameters] == [[2]]


def test_many_to_one_of_expired_objects_reads_no_row_of_the_peers(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    session.expire_all()
    with counted(session) as statements:
        assert addresses[0].user.id == 1
        assert addresses[2].user.id == 2
        assert addresses[3].user is None
    # the row of the first, and the users of all
    assert len(statements) == 2
    assert not loaded(addresses[2], "email")


def test_many_to_one_whose_row_is_gone(engine: Engine) -> None:
    class Base(DeclarativeBase):
        pass

    class Target(Base):
        __tablename__ = "loose_target"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Source(Base):
        __tablename__ = "loose_source"
        id: Mapped[int] = mapped_column(primary_key=True)
        target_id: Mapped[int]
        target: Mapped[Target | None] = relationship(
            primaryjoin=lambda: foreign(Source.target_id) == Target.id, lazy="peers"
        )

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Target(id=1))
        session.add_all([Source(id=1, target_id=9), Source(id=2, target_id=1)])
        session.commit()
        sources = session.scalars(select(Source).order_by(Source.id)).all()
        with counted(session) as statements:
            assert [source.target and source.target.id for source in sources] == [None, 1]
        assert len(statements) == 1


def test_composite_keys(session: Session) -> None:
    pairs = session.scalars(select(Pair).order_by(Pair.b).options(peerload(Pair.parts))).all()
    with counted(session) as statements:
        assert [[part.id for part in pair.parts] for pair in pairs] == [[1], [2, 3]]
    assert len(statements) == 1


def test_a_composite_key_with_a_null_is_left_to_a_load_of_its_own(session: Session) -> None:
    parts = session.scalars(select(Part).order_by(Part.id).options(peerload(Part.pair))).all()
    with counted(session) as statements:
        assert [part.pair and part.pair.label for part in parts[:3]] == ["11", "12", "12"]
        assert len(statements) == 1
        assert not loaded(parts[3], "pair")
        assert parts[3].pair is None


def test_a_tree_takes_one_statement_for_each_level(session: Session) -> None:
    session.execute(insert(Node), [{"id": n, "name": f"n{n}", "parent_id": n // 3 + 1} for n in range(6, 40)])
    level = session.scalars(select(Node).where(Node.parent_id.is_(None)).options(peerload(Node.children))).all()
    seen, levels = [], 0
    with counted(session) as statements:
        while level:
            levels += 1
            seen += [node.id for node in level]
            level = [child for node in level for child in node.children]
    assert sorted(seen) == list(range(1, 40))
    assert len(statements) == levels


def test_the_parents_of_a_tree(session: Session) -> None:
    nodes = session.scalars(select(Node).where(Node.id >= 4).order_by(Node.id).options(peerload(Node.parent))).all()
    with counted(session) as statements:
        assert [node.parent.id for node in nodes] == [2, 4]
        assert nodes[0].parent.parent.id == 1
    assert len(statements) == 2


@pytest.mark.parametrize("option", [lazyload, peerload, selectinload])
def test_the_first_of_several_is_the_first_in_order(engine: Engine, option: Callable[..., Any]) -> None:
    class Base(DeclarativeBase):
        pass

    class Source(Base):
        __tablename__ = "latest_source"
        id: Mapped[int] = mapped_column(primary_key=True)
        latest: Mapped[Entry | None] = relationship(order_by=lambda: Entry.id.desc(), viewonly=True, uselist=False)

    class Entry(Base):
        __tablename__ = "latest_entry"
        id: Mapped[int] = mapped_column(primary_key=True)
        source_id: Mapped[int] = mapped_column(ForeignKey("latest_source.id"))

    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.execute(insert(Source), [{"id": 1}, {"id": 2}])
        session.execute(insert(Entry), [{"id": n, "source_id": n % 2 + 1} for n in range(1, 7)])
        statement = select(Source).order_by(Source.id).options(option(Source.latest))
        with pytest.warns(SAWarning, match="latest"):
            found = [source.latest.id for source in session.scalars(statement).all()]
        assert found == [6, 5]
