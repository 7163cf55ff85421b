"""Loads for peers flush, are heard of, and fail like any other."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from session import Session, peerload

from ..loading_models import Address, User, counted
from .reading import address_ids, loaded, users_of


def test_a_load_for_peers_flushes_first(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    session.add(Address(id=50, email="new", user_id=3))
    assert [address.email for address in users[0].addresses] == ["a1", "a2"]
    assert [address.email for address in users[2].addresses] == ["new"]
    with session.no_autoflush:
        session.add(Address(id=51, email="newer", user_id=3))
        session.expire(users[2], ["addresses"])
        assert [address.email for address in users[2].addresses] == ["new"]


def test_listeners_see_a_relationship_load(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    plain = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    seen: list[Any] = []

    def note(state: Any) -> None:
        seen.append((state.is_relationship_load, state.lazy_loaded_from.obj(), str(state.loader_strategy_path)))

    event.listen(session, "do_orm_execute", note)
    assert address_ids(users) == [[1, 2], [3], []]
    assert [(load, user) for load, user, _ in seen] == [(True, users[0])]
    assert "addresses" in seen[0][2]
    assert plain[0].user is users[0]


def test_a_failed_load_leaves_everything_as_it_was(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    engine: Any = session.get_bind()

    def fail(*_: Any) -> None:
        raise OperationalError("no", {}, Exception("gone"))

    event.listen(engine, "before_cursor_execute", fail)
    with pytest.raises(OperationalError):
        users[0].addresses  # noqa: B018
    event.remove(engine, "before_cursor_execute", fail)
    assert not any(loaded(user, "addresses") for user in users)
    assert address_ids(users) == [[1, 2], [3], []]


def test_old_values_are_loaded_one_by_one(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    users = users_of(session)
    addresses[0].user = users[1]
    assert session.is_modified(addresses[0])
    session.flush()
    session.expire_all()
    assert addresses[0].user is users[1]
    assert addresses[1].user is users[0]


def test_deleting_objects_one_by_one_loads_for_all(family: Any) -> None:
    session, Parent, Child = family
    parents = session.scalars(select(Parent)).all()
    with counted(session) as statements:
        for parent in parents:
            session.delete(parent)
    assert len(statements) == 1
    session.flush()
    assert session.scalars(select(Child)).all() == []
