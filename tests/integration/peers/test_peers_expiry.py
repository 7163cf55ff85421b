"""Peers that expire are loaded for all again."""

from __future__ import annotations

import gc
from typing import Any

from sqlalchemy import Engine, event, select, update

from session import Session, peerload

from ..loading_models import Address, User, counted
from .reading import USERS, address_ids, large, users_of


def test_expired_peers_are_loaded_again(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    assert address_ids(users) == [[1, 2], [3], []]
    session.commit()
    session.execute(update(Address).where(Address.id == 3).values(user_id=3))
    session.commit()
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [], [3]]
    assert len(statements) == 2  # the row of the first, and the addresses of all
    with counted(session) as statements:
        assert [user.name for user in users] == ["user1", "user2", "user3"]
        assert address_ids(users) == [[1, 2], [], [3]]
    assert len(statements) == 2


def test_only_what_was_expired_is_loaded_again(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    address_ids(users)
    kept = users[2].addresses
    for user in users[:2]:
        session.expire(user, ["addresses"])
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
    assert len(statements) == 1
    assert users[2].addresses is kept


def test_refresh_keeps_the_peers(session: Session) -> None:
    users = users_of(session, peerload(User.addresses), peerload(User.tags))
    for user in users:
        session.refresh(user)
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [3], []]
        assert [len(user.tags) for user in users] == [2, 1, 0]
    assert len(statements) == 2
    session.refresh(users[0], ["addresses"])
    assert address_ids(users) == [[1, 2], [3], []]


def test_populate_existing(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    address_ids(users)
    session.execute(update(Address).where(Address.id == 3).values(user_id=3))
    again = session.scalars(
        select(User).order_by(User.id).options(peerload(User.addresses)).execution_options(populate_existing=True)
    ).all()
    assert again == users
    with counted(session) as statements:
        assert address_ids(users) == [[1, 2], [], [3]]
    assert len(statements) == 1


def test_a_loop_that_expires_everything_does_not_load_everything_each_time(engine: Engine) -> None:
    large(engine)
    with Session(engine) as session:
        users = session.scalars(select(User).where(User.id >= 10).options(peerload(User.addresses))).all()
        made = 0

        def note(*_: Any) -> None:
            nonlocal made
            made += 1

        keep = [user.addresses for user in users[:1]]
        assert keep
        gc.collect()
        event.listen(Address, "load", note)
        event.listen(Address, "refresh", note)
        try:
            for user in users[:60]:
                session.expire_all()
                assert len(user.addresses) == 2
            assert made < 4 * USERS + 60 * 2 * 51
            # a loop that lets things be has them all again after few rounds
            with counted(session) as statements:
                assert sum(len(user.addresses) for user in users) == 2 * USERS
            assert len(statements) < 20
        finally:
            event.remove(Address, "load", note)
            event.remove(Address, "refresh", note)
