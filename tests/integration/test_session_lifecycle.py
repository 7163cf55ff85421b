"""Objects coming into a Session, moving through their states, leaving it."""

from __future__ import annotations

import gc

import pytest
from sqlalchemy import event, exc, inspect, text

from session import (
    Session,
    close_all_sessions,
    make_transient,
    make_transient_to_detached,
    object_session,
    was_deleted,
)
from session.exc import DetachedInstanceError, FlushError, ObjectDeletedError, UnmappedInstanceError

from .session_models import Address, Group, Node, Place, User


@pytest.fixture
def session(db):
    with Session(db) as session:
        yield session


def life(obj):
    state = inspect(obj)
    (found,) = [name for name in ("transient", "pending", "persistent", "deleted", "detached") if getattr(state, name)]
    return found


def stored(session, obj):
    session.add(obj)
    session.commit()
    return obj


def test_a_life(session):
    user = User(name="a")
    assert life(user) == "transient"
    session.add(user)
    assert life(user) == "pending"
    assert user in session
    session.flush()
    assert life(user) == "persistent"
    session.delete(user)
    assert life(user) == "persistent"
    session.flush()
    assert life(user) == "deleted"
    session.commit()
    assert life(user) == "detached"
    assert was_deleted(user)


def test_sets_of_the_session(session):
    old, dirty, gone = User(name="o"), User(name="d"), User(name="g")
    session.add_all([old, dirty, gone])
    session.flush()
    assert set(session) == {old, dirty, gone}
    session.delete(gone)
    dirty.name = "changed"
    new = User(name="n")
    session.add(new)
    assert set(session.new) == {new}
    assert set(session.dirty) == {dirty}
    assert set(session.deleted) == {gone}
    assert set(session) == {old, dirty, gone, new}


def test_rows_are_inserted_in_the_order_of_add(session):
    users = [User(name=str(number)) for number in range(20)]
    for user in reversed(users):
        session.add(user)
    session.flush()
    assert [user.name for user in sorted(users, key=lambda user: user.id)] == [str(n) for n in range(19, -1, -1)]


@pytest.mark.parametrize("verb", ["add", "delete", "expunge", "refresh", "expire", "merge"])
@pytest.mark.parametrize("thing", ["text", None, User])
def test_unmapped_objects_are_refused(session, verb, thing):
    with pytest.raises(UnmappedInstanceError):
        getattr(session, verb)(thing)


def test_add_cascades(session):
    user = User(name="a", addresses=[Address(email="x"), Address(email="y")])
    session.add(user)
    assert set(session.new) == {user, *user.addresses}
    late = Address(email="z")
    user.addresses.append(late)
    assert late in session


def test_add_all_cascades_too(session):
    users = [User(name=str(n), addresses=[Address(email=str(n))]) for n in range(3)]
    session.add_all(users)
    assert len(session.new) == 6


def test_backref_does_not_cascade(session):
    user = stored(session, User(name="a"))
    address = Address(email="x", user=user)
    assert address not in session
    session.add(address)
    session.commit()
    assert user.addresses == [address]


def test_two_sessions_are_refused(db, session):
    user = stored(session, User(name="a"))
    with Session(db) as other:
        for verb in (other.add, other.delete):
            with pytest.raises(exc.InvalidRequestError):
                verb(user)
        session.expunge(user)
        other.add(user)
        assert object_session(user) is other


def test_two_objects_of_one_key_are_refused(session):
    stored(session, User(id=1, name="a"))
    keep = session.get(User, 1)
    twin = User(id=1, name="b")
    make_transient_to_detached(twin)
    with pytest.raises(exc.InvalidRequestError):
        session.add(twin)
    assert session.get(User, 1) is keep


def test_object_of_a_session_that_is_gone_can_be_added_elsewhere(db):
    first = Session(db)
    user = stored(first, User(name="a"))
    assert user.name == "a"
    first.rollback()
    del first
    gc.collect()
    assert life(user) == "detached"
    with Session(db) as second:
        second.add(user)
        user.name = "b"
        second.commit()
        assert user.name == "b"


def test_persistent_objects_are_held_weakly(session):
    user = stored(session, User(name="a"))
    key = inspect(user).key
    assert key in session.identity_map
    del user
    gc.collect()
    assert key not in session.identity_map
    assert len(session.identity_map) == 0


def test_modified_objects_are_held(session):
    user = stored(session, User(id=1, name="a"))
    user.name = "b"
    del user
    gc.collect()
    session.commit()
    assert session.get(User, 1).name == "b"


def test_delete_of_a_transient_object_is_refused(session):
    user = User(name="a")
    with pytest.raises(exc.InvalidRequestError):
        session.delete(user)
    session.add(user)
    with pytest.raises(exc.InvalidRequestError):
        session.delete(user)


def test_delete_attaches_a_detached_object(session):
    user = stored(session, User(name="a"))
    session.expunge(user)
    session.delete(user)
    assert user in session.deleted
    session.commit()
    assert session.query(User).count() == 0


def test_delete_cascades(session):
    user = stored(session, User(name="a", addresses=[Address(email="x")]))
    address = user.addresses[0]
    session.delete(user)
    assert set(session.deleted) == {user, address}
    session.commit()
    assert session.query(Address).count() == 0


def test_delete_all(session):
    users = [User(name=str(n)) for n in range(3)]
    session.add_all(users)
    session.commit()
    session.delete_all(users[:2])
    session.commit()
    assert session.query(User).all() == users[2:]


def test_add_takes_the_mark_of_deletion_off(session):
    user = stored(session, User(name="a"))
    session.delete(user)
    session.add(user)
    assert not session.deleted
    session.commit()
    assert life(user) == "persistent"


def test_add_of_a_deleted_object_is_refused(session):
    user = stored(session, User(name="a"))
    session.delete(user)
    session.flush()
    with pytest.raises(exc.InvalidRequestError):
        session.add(user)
    session.commit()
    with pytest.raises(exc.InvalidRequestError):
        session.add(user)
    make_transient(user)
    session.add(user)
    session.commit()
    assert session.query(User).count() == 1


def test_expunge(session):
    user = stored(session, User(name="a"))
    assert user.name == "a"
    session.expunge(user)
    assert life(user) == "detached"
    assert user not in session
    with pytest.raises(exc.InvalidRequestError):
        session.expunge(user)
    pending = User(name="p")
    session.add(pending)
    session.expunge(pending)
    assert life(pending) == "transient"
    assert not session.new


def test_expunge_cascades_where_told(session):
    root = stored(session, Node(name="r", children=[Node(name="c")]))
    child = root.children[0]
    session.expunge(root)
    assert life(child) == "detached"


def test_expunge_all(session):
    user = stored(session, User(name="a"))
    pending = User(name="p")
    session.add(pending)
    session.expunge_all()
    assert (life(user), life(pending)) == ("detached", "transient")
    assert list(session) == []


def test_detached_objects_refuse_to_load(session):
    user = stored(session, User(name="a"))
    session.expunge(user)
    with pytest.raises(DetachedInstanceError) as caught:
        _ = user.name
    assert caught.value.code == "bhk3"
    with pytest.raises(DetachedInstanceError):
        _ = user.addresses


def test_gone_row(session):
    user = stored(session, User(name="a"))
    session.execute(text("DELETE FROM users"))
    session.expire_all()
    with pytest.raises(ObjectDeletedError):
        _ = user.name


def test_make_transient_copies_a_row(session):
    user = stored(session, User(name="a"))
    assert user.name == "a"
    session.expunge(user)
    make_transient(user)
    assert life(user) == "transient"
    user.id = None
    session.add(user)
    session.commit()
    assert session.query(User).count() == 2


def test_make_transient_to_detached(session):
    stored(session, User(id=1, name="a"))
    session.expunge_all()
    user = User(id=1)
    make_transient_to_detached(user)
    assert life(user) == "detached"
    session.add(user)
    assert user.name == "a"
    with pytest.raises(exc.InvalidRequestError):
        make_transient_to_detached(user)


def test_close_all_sessions(db):
    one, two = Session(db), Session(db)
    users = [stored(one, User(name="a")), stored(two, User(name="b"))]
    close_all_sessions()
    assert [life(user) for user in users] == ["detached", "detached"]


@pytest.mark.filterwarnings("ignore:Column 'places")
def test_flush_without_a_key(session):
    session.add(Place(name="nowhere"))
    with pytest.raises((FlushError, exc.IntegrityError)):
        session.flush()
    session.rollback()


def test_autoflush(session):
    user = User(name="a")
    session.add(user)
    assert session.query(User).filter_by(name="a").one() is user
    with session.no_autoflush:
        session.add(User(name="b"))
        assert session.query(User).count() == 1
    assert session.query(User).count() == 2


def test_error_of_autoflush_says_so(session):
    stored(session, Place(country="de", number=1))
    session.expunge_all()
    session.add(Place(country="de", number=1))
    with pytest.raises(exc.IntegrityError, match="autoflush"):
        session.query(User).all()
    session.rollback()


def test_is_modified(session):
    user = stored(session, User(name="a"))
    assert not session.is_modified(user)
    assert user.name == "a"
    user.name = "a"
    assert user in session.dirty
    assert not session.is_modified(user)
    user.name = "b"
    assert session.is_modified(user)
    session.rollback()
    assert user.groups == []
    user.groups.append(Group(name="g"))
    assert session.is_modified(user)
    assert not session.is_modified(user, include_collections=False)


# -- expire and refresh --------------------------------------------------------------------------


def test_expire_some(session):
    user = stored(session, User(name="a", age=1))
    _ = user.name
    user.age = 5
    session.expire(user, ["name"])
    session.execute(text("UPDATE users SET name = 'b'"), execution_options={"autoflush": False})
    assert user.name == "b"
    assert user.age == 5


def test_expire_discards_changes(session):
    user = stored(session, User(name="a"))
    user.name = "b"
    session.expire(user)
    assert user not in session.dirty
    assert user.name == "a"


def test_expire_needs_a_persistent_object(session):
    with pytest.raises(exc.InvalidRequestError):
        session.expire(User())
    pending = User()
    session.add(pending)
    with pytest.raises(exc.InvalidRequestError):
        session.refresh(pending)


def test_refresh(session):
    user = stored(session, User(name="a", age=1))
    _ = user.name
    session.execute(text("UPDATE users SET name = 'b', age = 2"))
    user.age = 7
    session.refresh(user)
    assert (user.name, user.age) == ("b", 2)


def test_refresh_of_some_attributes(session):
    user = stored(session, User(name="a", age=1))
    _ = user.name
    user.age = 7
    user.name = "c"
    session.refresh(user, ["name"])
    assert (user.name, user.age) == ("a", 7)
    session.commit()
    assert user.age == 7


def test_refresh_of_a_gone_row(session):
    user = stored(session, User(name="a"))
    session.execute(text("DELETE FROM users"))
    with pytest.raises(exc.InvalidRequestError):
        session.refresh(user)


def test_refresh_with_lock(session):
    user = stored(session, User(name="a"))
    session.refresh(user, with_for_update=True)
    session.refresh(user, with_for_update={"nowait": True})
    with pytest.raises(exc.ArgumentError):
        session.refresh(user, with_for_update={})


def test_refresh_loads_a_relationship(session):
    user = stored(session, User(name="a", addresses=[Address(email="x")]))
    assert len(user.addresses) == 1
    session.execute(text("INSERT INTO addresses (id, email, user_id) VALUES (77, 'y', :id)"), {"id": user.id})
    session.refresh(user, ["addresses"])
    assert len(user.addresses) == 2


# -- events --------------------------------------------------------------------------------------

LIFE_CYCLE = [
    "before_attach",
    "after_attach",
    "transient_to_pending",
    "pending_to_transient",
    "persistent_to_transient",
    "pending_to_persistent",
    "detached_to_persistent",
    "loaded_as_persistent",
    "persistent_to_deleted",
    "deleted_to_persistent",
    "deleted_to_detached",
    "persistent_to_detached",
]


@pytest.fixture
def heard(session):
    calls = []
    for name in LIFE_CYCLE:

        def listener(session, obj, name=name):
            assert isinstance(obj, User)
            calls.append(name)

        event.listen(session, name, listener)
    return calls


def test_events_of_a_life(session, heard):
    user = User(name="a")
    session.add(user)
    assert heard == ["before_attach", "after_attach", "transient_to_pending"]
    heard.clear()
    session.commit()
    assert heard == ["pending_to_persistent"]
    heard.clear()
    session.delete(user)
    session.flush()
    assert heard == ["persistent_to_deleted"]
    heard.clear()
    session.commit()
    assert heard == ["deleted_to_detached"]


def test_events_of_a_rollback(session, heard):
    old = User(name="old")
    session.add(old)
    session.commit()
    new, pending = User(name="new"), User(name="pending")
    session.add(new)
    session.delete(old)
    session.flush()
    session.add(pending)
    heard.clear()
    session.rollback()
    assert sorted(heard) == ["deleted_to_persistent", "pending_to_transient", "persistent_to_transient"]


def test_events_of_coming_and_going(session, heard):
    user = User(name="a")
    session.add(user)
    session.commit()
    heard.clear()
    session.expunge(user)
    assert heard == ["persistent_to_detached"]
    heard.clear()
    session.add(user)
    assert heard == ["before_attach", "after_attach", "detached_to_persistent"]
    heard.clear()
    session.expunge(user)
    del user
    session.query(User).all()
    assert heard == ["persistent_to_detached", "loaded_as_persistent"]
    heard.clear()
    pending = User()
    session.add(pending)
    heard.clear()
    session.expunge(pending)
    assert heard == ["pending_to_transient"]


def test_add_all_fires_events(session, heard):
    session.add_all([User(), User()])
    assert heard == ["before_attach", "after_attach", "transient_to_pending"] * 2


def test_change_in_a_listener_of_the_flush_is_warned_of(session):
    event.listen(session, "after_flush", lambda session, context: None)

    @event.listens_for(User, "before_insert")
    def add_another(mapper, connection, target):
        object_session(target).add(Group(name="g"))

    try:
        session.add(User(name="a"))
        with pytest.warns(exc.SAWarning):
            session.flush()
    finally:
        event.remove(User, "before_insert", add_another)
