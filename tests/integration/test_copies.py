"""Copies of Sessions, and of what speaks of mapped classes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from session import Session, object_session, scoped_session, sessionmaker

from .session_models import Address, User


def test_a_deep_copy_of_an_unused_session_is_another_one_with_its_settings(db: Engine) -> None:
    session = Session(db, autoflush=False, expire_on_commit=False, info={"marks": [1]}, binds={User: db})
    heard: list[Any] = []
    event.listen(session, "before_commit", heard.append)
    other = deepcopy(session)
    assert type(other) is Session
    assert (other.autoflush, other.expire_on_commit, other.bind) == (False, False, db)
    assert other.info == session.info
    other.info["marks"].append(2)
    assert session.info == {"marks": [1]}
    user = User(name="ed")
    other.add(user)
    assert object_session(user) is other
    assert user not in session
    other.commit()
    assert heard == []
    assert session.scalars(select(User.name)).all() == ["ed"]
    other.add(User(name="wendy"))
    other.rollback()
    other.close()
    session.close()


def test_a_deep_copy_can_be_used_beside_the_other_one_at_the_same_time(db: Engine) -> None:
    one = Session(db)
    other = deepcopy(one)
    with one.begin():
        assert other._moving is not one._moving
        other.begin()
        other.close()
    assert not one.in_transaction()


@pytest.mark.parametrize("use", [Session.begin, lambda session: session.add(User(name="ed")), Session.connection])
def test_a_session_in_use_cannot_be_copied(db: Engine, use: Callable[[Session], Any]) -> None:
    with Session(db) as session:
        use(session)
        with pytest.raises(TypeError, match="in use"):
            deepcopy(session)


def test_a_session_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(Session()))  # PyPy refuses the second


def test_copies_of_makers_make_sessions(db: Engine) -> None:
    maker = sessionmaker(info={"marks": 1})
    assert copy(maker).class_ is maker.class_
    session = deepcopy(maker)(bind=db)
    assert isinstance(session, Session)
    assert session.info == {"marks": 1}
    assert isinstance(copy(scoped_session(maker))(), Session)


def test_a_deep_copy_of_an_unused_query_has_a_session_of_its_own(db: Engine) -> None:
    with Session(db) as session:
        session.add(User(name="ed"))
        session.commit()
        query = deepcopy(Session(db).query())
        assert query.session.scalars(select(User.name)).all() == ["ed"]
        query.session.close()


def test_mapped_attributes_are_not_copied() -> None:
    for kept in (User.name, User.addresses):
        assert copy(kept) is deepcopy(kept) is kept


def test_collections_of_a_copy_by_pickle_tell_the_other_side(db: Engine) -> None:
    with Session(db) as session:
        user = User(name="ed", addresses=[Address(email="a"), Address(email="b")])
        session.add(user)
        session.flush()
        copied = pickle.loads(pickle.dumps(user))
        first, second = copied.addresses
        copied.addresses.remove(first)
        assert (first.user, second.user) == (None, copied)
        copied.addresses.clear()
        assert second.user is None
