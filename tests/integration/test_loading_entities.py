"""Rows become objects: identity, refreshing, expiry, events."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text, update

from session import Session, aliased
from session.exc import DetachedInstanceError, ObjectDeletedError

from .loading_models import Address, Pair, User, counted, fill


@pytest.fixture
def session(engine: Engine) -> Any:
    fill(engine)
    with Session(engine) as session:
        yield session


def test_rows_become_objects_in_the_order_of_the_rows(session: Session) -> None:
    users = session.scalars(select(User).order_by(User.id.desc())).all()
    assert [(user.id, user.name) for user in users] == [(3, "user3"), (2, "user2"), (1, "user1")]


def test_one_object_for_one_row_as_long_as_it_is_held(session: Session) -> None:
    first = session.scalars(select(User).where(User.id == 1)).one()
    again = session.scalars(select(User).where(User.name == "user1")).one()
    assert first is again
    assert session.get(User, 1) is first


def test_an_object_that_nobody_holds_is_loaded_anew(session: Session) -> None:
    first = session.get(User, 1)
    del first
    gc.collect()
    assert len(session.identity_map) == 0
    with counted(session) as statements:
        assert session.get(User, 1).name == "user1"
    assert len(statements) == 1


def test_what_an_object_has_is_not_overwritten(session: Session) -> None:
    user = session.get(User, 1)
    user.name = "changed"
    with session.no_autoflush:
        again = session.scalars(select(User).where(User.id == 1)).one()
    assert again.name == "changed"
    assert user in session.dirty


def test_populate_existing_overwrites_changes(session: Session) -> None:
    user = session.get(User, 1)
    user.name = "changed"
    with session.no_autoflush:
        session.scalars(select(User).execution_options(populate_existing=True)).all()
    assert user.name == "user1"
    assert user not in session.dirty


def test_populate_existing_drops_loaded_relationships(session: Session) -> None:
    user = session.get(User, 1)
    assert len(user.addresses) == 2
    session.execute(text("UPDATE addresses SET user_id = 1 WHERE id = 3"))
    session.scalars(select(User).execution_options(populate_existing=True)).all()
    assert len(user.addresses) == 3


def test_composite_keys(session: Session) -> None:
    pairs = session.scalars(select(Pair).order_by(Pair.b)).all()
    assert [(pair.a, pair.b, pair.label) for pair in pairs] == [(1, 1, "11"), (1, 2, "12")]
    assert session.get(Pair, (1, 2)) is pairs[1]
    with counted(session) as statements:
        assert session.get(Pair, {"a": 1, "b": 1}) is pairs[0]
    assert statements == []


def test_an_outer_joined_entity_is_none_where_it_has_no_row(session: Session) -> None:
    rows = session.execute(select(User.id, Address).outerjoin(User.addresses).order_by(User.id, Address.id)).all()
    assert [(number, address and address.id) for number, address in rows] == [(1, 1), (1, 2), (2, 3), (3, None)]


def test_aliases_of_one_class_give_the_same_objects(session: Session) -> None:
    other = aliased(User)
    row = session.execute(select(User, other).where(User.id == other.id, User.id == 2)).one()
    assert row[0] is row[1]


def test_an_expired_object_is_loaded_by_one_select(session: Session) -> None:
    user = session.get(User, 1)
    session.expire(user)
    with counted(session) as statements:
        assert user.name == "user1"
        assert user.id == 1
    assert len(statements) == 1
    assert "bio" not in statements[0]


def test_an_expired_object_is_refreshed_by_any_query_that_meets_it(session: Session) -> None:
    user = session.get(User, 1)
    session.expire(user)
    session.scalars(select(User)).all()
    with counted(session) as statements:
        assert user.name == "user1"
    assert statements == []


def test_expiring_one_attribute_loads_only_that(session: Session) -> None:
    user = session.get(User, 1)
    session.execute(update(User).where(User.id == 1).values(name="new").execution_options(synchronize_session=False))
    session.expire(user, ["name"])
    with counted(session) as statements:
        assert user.name == "new"
    assert len(statements) == 1


def test_an_expired_object_keeps_the_changes_that_came_after(session: Session) -> None:
    user = session.get(User, 1)
    session.expire(user)
    user.name = "mine"
    with session.no_autoflush:
        assert user.id == 1
        assert user.name == "mine"


def test_the_row_of_an_expired_object_is_gone(session: Session) -> None:
    user = session.get(User, 3)
    session.execute(text("DELETE FROM users WHERE id = 3"))
    session.expire(user)
    with pytest.raises(ObjectDeletedError):
        user.name  # noqa: B018
    assert session.get(User, 3) is None


def test_a_detached_expired_object_says_what_is_wrong(session: Session) -> None:
    user = session.get(User, 1)
    session.expire(user)
    session.expunge(user)
    with pytest.raises(DetachedInstanceError, match="User") as caught:
        user.name  # noqa: B018
    assert caught.value.code == "bhk3"


def test_refresh_overwrites_and_reports(session: Session) -> None:
    heard: list[Any] = []

    def on_refresh(target: Any, context: Any, attributes: Any) -> None:
        heard.append((target, attributes))

    user = session.get(User, 1)
    event.listen(User, "refresh", on_refresh)
    try:
        session.execute(text("UPDATE users SET name = 'new' WHERE id = 1"))
        session.refresh(user)
        assert user.name == "new"
        assert heard[0][0] is user
        session.refresh(user, ["name"])
        assert set(heard[1][1]) == {"name"}
    finally:
        event.remove(User, "refresh", on_refresh)


def test_load_events_are_fired_once_per_new_object(session: Session) -> None:
    heard: list[Any] = []
    fresh: list[Any] = []

    def on_load(target: Any, context: Any) -> None:
        heard.append((target.id, target.name, context.session))

    def on_persistent(session: Any, target: Any) -> None:
        fresh.append(target)

    event.listen(User, "load", on_load)
    event.listen(session, "loaded_as_persistent", on_persistent)
    try:
        users = session.scalars(select(User).order_by(User.id)).all()
        session.scalars(select(User)).all()
    finally:
        event.remove(User, "load", on_load)
    assert heard == [(1, "user1", session), (2, "user2", session), (3, "user3", session)]
    assert fresh == list(users)


def test_bulk_loading_leaves_the_collector_as_it_was(session: Session) -> None:
    session.execute(text("INSERT INTO addresses (id, email) VALUES (:id, 'x')"), [{"id": 100 + n} for n in range(500)])
    addresses = session.scalars(select(Address)).all()
    assert len(addresses) == 504
    assert gc.isenabled()


def test_text_columns_that_are_missing_load_when_they_are_read(session: Session) -> None:
    user = session.scalars(select(User).from_statement(text("SELECT id FROM users WHERE id = 2"))).one()
    with counted(session) as statements:
        assert user.name == "user2"
    assert len(statements) == 1
