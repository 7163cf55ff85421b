"""What a load for peers leaves alone: changes, values, objects that are gone or elsewhere."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import InvalidRequestError

from session import Session, peerload, raiseload
from session.exc import DetachedInstanceError

from ..loading_models import Address, Profile, User, counted
from .reading import loaded, users_of


def test_values_and_changes_of_peers_stay(session: Session) -> None:
    with session.no_autoflush:
        users = users_of(session, peerload(User.addresses))
        new = Address(id=90, email="new")
        users[0].addresses.append(new)
        known = users[0].addresses
        session.expire(users[1], ["addresses"])
        session.execute(update(Address).where(Address.id == 2).values(user_id=2))
        assert [address.id for address in users[1].addresses] == [2, 3]
        assert users[0].addresses is known
        assert new in known


def test_changes_of_a_reference_that_is_not_loaded_stay(session: Session) -> None:
    addresses = session.scalars(select(Address).order_by(Address.id).options(peerload(Address.user))).all()
    with session.no_autoflush:
        addresses[1].user = None
        del addresses[2].user
        assert addresses[0].user.id == 1
        assert addresses[1].user is None
        assert addresses[2].user is None
    assert session.is_modified(addresses[1])
    session.flush()
    assert session.scalar(select(Address.user_id).where(Address.id == 2)) is None


def test_changes_that_wait_for_a_collection_stay(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    with session.no_autoflush:
        late = Address(id=91, email="late", user=users[1])
        assert not loaded(users[1], "addresses")
        assert [address.id for address in users[0].addresses] == [1, 2]
        assert not loaded(users[1], "addresses")
        assert [address.id for address in users[1].addresses] == [3, 91]
        assert late.user is users[1]
        assert loaded(users[2], "addresses")


def test_objects_that_are_gone_are_skipped(session: Session) -> None:
    users = users_of(session, peerload(User.tags))
    session.delete(users[1])
    session.expire(users[1], ["tags"])
    session.expunge(users[2])
    with session.no_autoflush:
        assert len(users[0].tags) == 2
        assert not loaded(users[1], "tags")
        assert not loaded(users[2], "tags")


def test_peers_in_another_session_are_skipped(session: Session, engine: Engine) -> None:
    users = users_of(session, peerload(User.tags))
    session.expunge(users[1])
    with Session(engine) as other:
        other.add(users[1])
        with counted(session) as statements:
            assert len(users[1].tags) == 1
            assert not loaded(users[0], "tags")
            assert len(users[0].tags) == 2
            assert loaded(users[2], "tags")
        assert len(statements) == 2
        assert users[1].tags[0] is not users[0].tags[1]


def test_merged_objects_have_no_peers_of_the_other_session(session: Session, engine: Engine) -> None:
    users = users_of(session, peerload(User.tags))
    with Session(engine) as other:
        copies = [other.merge(user, load=False) for user in users]
        with counted(session) as statements:
            assert [len(copy.tags) for copy in copies] == [2, 1, 0]
        assert len(statements) == 3
    assert not loaded(users[0], "tags")


def test_raiseload_comes_first(session: Session) -> None:
    users = users_of(session, peerload("*"), raiseload(User.addresses))
    with pytest.raises(InvalidRequestError, match="addresses"):
        users[0].addresses  # noqa: B018
    strict = session.scalars(select(Profile).options(raiseload(Profile.user))).one()
    users_of(session, peerload(User.profile))
    with pytest.raises(InvalidRequestError):
        strict.user.name  # noqa: B018


def test_a_peer_that_may_not_load_is_skipped(session: Session) -> None:
    strict = session.scalars(select(User).where(User.id == 2).options(raiseload(User.tags))).one()
    users = users_of(session)
    session.expire(strict, ["tags"])
    del users
    users = list(session.scalars(select(User).where(User.id != 2).options(peerload(User.tags))))
    everybody = users_of(session)
    assert everybody[1] is strict
    assert len(users[0].tags) == 2
    assert not loaded(strict, "tags")
    with pytest.raises(InvalidRequestError):
        strict.tags  # noqa: B018


def test_detached_and_pending_objects_are_as_ever(session: Session) -> None:
    users = users_of(session, peerload(User.addresses))
    session.expunge_all()
    with pytest.raises(DetachedInstanceError, match="addresses"):
        users[0].addresses  # noqa: B018
    new = User(id=77, name="new")
    session.add(new)
    session.flush()
    with counted(session) as statements:
        assert new.tags == []
    assert len(statements) <= 1
