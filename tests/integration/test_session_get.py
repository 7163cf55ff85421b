"""get(), get_one(), merge(), identity keys, bulk methods."""

from __future__ import annotations

import pytest
from sqlalchemy import event, exc, inspect, select, text

from session import Session, selectinload
from session.exc import NoResultFound, StaleDataError

from .session_models import Address, Document, Group, Node, Place, User


@pytest.fixture
def session(db):
    with Session(db) as session:
        yield session


@pytest.fixture
def sql(db):
    """The statements that are emitted."""
    statements = []

    @event.listens_for(db, "before_cursor_execute")
    def note(connection, cursor, statement, *rest):
        statements.append(statement.split()[0])

    return statements


def stored(session, *objects):
    session.add_all(objects)
    session.commit()
    return objects[0]


# -- get -----------------------------------------------------------------------------------------


def test_get_of_a_present_object_emits_nothing(session, sql):
    user = stored(session, User(id=1, name="a"))
    assert user.name == "a"
    sql.clear()
    assert session.get(User, 1) is user
    assert session.get(inspect(User), 1) is user
    assert session.get(User, {"id": 1}) is user
    assert session.get(User, (1,)) is user
    assert sql == []


def test_get_loads_once(session, sql):
    stored(session, User(id=1, name="a"))
    session.expunge_all()
    session.commit()
    sql.clear()
    user = session.get(User, 1)
    assert user.name == "a"
    assert session.get(User, 1) is user
    assert sql == ["SELECT"]
    assert session.get(User, 2) is None


def test_get_of_an_expired_object_looks_for_its_row(session, sql):
    user = stored(session, User(id=1, name="a"))
    sql.clear()
    assert session.get(User, 1) is user
    assert sql == ["SELECT"]
    assert user.name == "a"
    assert sql == ["SELECT"]
    session.expire(user)
    session.execute(text("DELETE FROM users"))
    assert session.get(User, 1) is None


def test_get_of_a_key_for_which_a_listener_has_several_objects(session):
    stored(session, User(id=1, name="a"), User(id=2, name="b"))
    session.expunge_all()

    @event.listens_for(session, "do_orm_execute")
    def every_user(execute_state):
        return execute_state.invoke_statement(statement=select(User))

    with pytest.raises(exc.MultipleResultsFound):
        session.get(User, 1)


def test_get_of_composite_keys(session):
    place = stored(session, Place(country="de", number=1))
    assert session.get(Place, ("de", 1)) is place
    assert session.get(Place, ["de", 1]) is place
    assert session.get(Place, {"number": 1, "country": "de"}) is place
    assert session.get(Place, ("de", 2)) is None
    for wrong in ("de", ("de",), ("de", 1, 2), {"country": "de"}, {"country": "de", "nr": 1}):
        with pytest.raises(exc.InvalidRequestError):
            session.get(Place, wrong)


def test_get_of_null(session):
    with pytest.warns(exc.SAWarning):
        assert session.get(User, None) is None


def test_get_needs_an_entity(session):
    with pytest.raises(exc.InvalidRequestError):
        session.get("User", 1)
    with pytest.raises(exc.ArgumentError):
        session.get(User.name, 1)


def test_get_flushes_first(session):
    user = User(id=5, name="a")
    session.add(user)
    assert session.get(User, 5) is user


def test_get_with_populate_existing(session):
    user = stored(session, User(id=1, name="a"))
    user.name = "b"
    with session.no_autoflush:
        assert session.get(User, 1, populate_existing=True) is user
    assert user.name == "a"
    user.name = "b"
    with session.no_autoflush:
        session.get(User, 1, execution_options={"populate_existing": True})
    assert user.name == "a"


def test_get_with_options(session, sql):
    stored(session, User(id=1, name="a", addresses=[Address(email="x")]))
    session.expunge_all()
    user = session.get(User, 1, options=[selectinload(User.addresses)])
    assert len(user.__dict__["addresses"]) == 1


def test_get_with_lock(session, sql):
    user = stored(session, User(id=1, name="a"))
    assert user.name == "a"
    sql.clear()
    assert session.get(User, 1, with_for_update=True) is user
    assert sql == ["SELECT"]


def test_get_with_identity_token(session):
    stored(session, User(id=1, name="a"))
    session.expunge_all()
    user = session.get(User, 1, identity_token="shard")
    assert inspect(user).identity_key == (User, (1,), "shard")
    assert session.get(User, 1, identity_token="shard") is user
    assert session.get(User, 1) is not user


def test_get_one(session):
    user = stored(session, User(id=1))
    assert session.get_one(User, 1) is user
    with pytest.raises(NoResultFound):
        session.get_one(User, 2)


def test_identity_key(session):
    user = stored(session, User(id=1, name="a"))
    key = (User, (1,), None)
    assert Session.identity_key(User, 1) == key
    assert Session.identity_key(User, [1]) == key
    assert Session.identity_key(instance=user) == key
    row = session.execute(User.__table__.select()).one()
    assert Session.identity_key(User, row=row) == key
    with pytest.raises(exc.ArgumentError):
        Session.identity_key()


def test_identity_map_is_a_mapping(session):
    user = stored(session, User(id=1, name="a"))
    key = inspect(user).key
    held = session.identity_map
    assert key in held
    assert held[key] is user
    assert held.get(key) is user
    assert list(held.keys()) == list(held) == [key]
    assert list(held.values()) == [user]
    assert list(held.items()) == [(key, user)]
    assert held.all_states() == [inspect(user)]
    assert held.contains_state(inspect(user))
    assert not held.check_modified()
    user.name = "b"
    assert held.check_modified()
    with pytest.raises(KeyError):
        held[User, (2,), None]


# -- merge ---------------------------------------------------------------------------------------


def test_merge_of_a_new_object(session):
    given = User(name="a", addresses=[Address(email="x")])
    merged = session.merge(given)
    assert merged is not given
    assert given not in session
    assert merged in session.new
    assert merged.addresses[0] in session.new
    assert merged.addresses[0] is not given.addresses[0]
    session.commit()
    assert (merged.name, merged.addresses[0].email) == ("a", "x")


def test_merge_loads_the_row(session, sql):
    stored(session, User(id=1, name="a", age=3))
    session.expunge_all()
    sql.clear()
    merged = session.merge(User(id=1, name="b"))
    assert sql[-1:] == ["SELECT"]
    assert (merged.name, merged.age) == ("b", 3)
    session.commit()
    assert merged.name == "b"


def test_merge_copies_on_to_the_present_object(session):
    user = stored(session, User(id=1, name="a"))
    assert session.merge(User(id=1, name="b")) is user
    assert user.name == "b"


def test_merge_of_an_own_object_gives_it(session):
    user = stored(session, User(id=1, name="a"))
    assert session.merge(user) is user


def test_merge_of_a_detached_object(db, session):
    with Session(db, expire_on_commit=False) as other:
        user = stored(other, User(id=1, name="a", addresses=[Address(id=1, email="x")]))
    user.name = "b"
    user.addresses.append(Address(id=2, email="y"))
    merged = session.merge(user)
    session.commit()
    assert merged.name == "b"
    assert sorted(address.email for address in merged.addresses) == ["x", "y"]


def test_merge_removes_from_collections(db, session):
    with Session(db, expire_on_commit=False) as other:
        user = stored(other, User(id=1, addresses=[Address(email="x"), Address(email="y")]))
    del user.addresses[0]
    merged = session.merge(user)
    assert [address.email for address in merged.addresses] == ["y"]
    session.commit()
    assert session.query(Address).count() == 1


def test_merge_of_many_to_one_and_many_to_many(session):
    group = Group(name="g")
    given = Address(email="x", user=User(name="a", groups=[group]))
    merged = session.merge(given)
    session.commit()
    assert merged.user.groups[0].name == "g"
    assert merged.user.addresses == [merged]


def test_merge_of_a_cycle(session):
    root = Node(name="r")
    child = Node(name="c", parent=root)
    merged = session.merge(child)
    assert merged.parent.children == [merged]
    session.commit()
    assert session.query(Node).count() == 2


def test_merge_of_a_deep_tree_needs_no_deep_stack(session):
    root = node = Node(name="0")
    for number in range(1, 3000):
        child = Node(name=str(number))
        node.children.append(child)
        node = child
    merged = session.merge(root)
    assert len(session.new) == 3000
    assert merged.children[0].children[0].name == "2"


def test_merge_of_duplicates_makes_one(session):
    users = [User(id=1, name="a"), User(id=1, name="b")]
    one, other = session.merge_all(users)
    assert one is other
    assert one.name == "b"


def test_merge_without_load(db, session, sql):
    with Session(db) as other:
        user = stored(other, User(id=1, name="a", addresses=[Address(id=1, email="x")]))
        _ = user.name, user.addresses[0].email
        other.expunge_all()
    sql.clear()
    merged = session.merge(user, load=False)
    assert (merged.name, merged.addresses[0].email) == ("a", "x")
    assert sql == []
    assert not session.dirty
    user.name = "b"
    session.expunge_all()
    with pytest.raises(exc.InvalidRequestError):
        session.merge(user, load=False)
    with pytest.raises(exc.InvalidRequestError):
        session.merge(User(id=9), load=False)


def test_merge_checks_the_version(db, session):
    with Session(db, expire_on_commit=False) as other:
        document = stored(other, Document(id=1, body="a"))
    current = session.get(Document, 1)
    current.body = "b"
    session.flush()
    document.body = "c"
    with pytest.raises(StaleDataError):
        session.merge(document)


def test_merge_of_a_pending_object_is_warned_of(session):
    user = User(name="a")
    session.add(user)
    with session.no_autoflush, pytest.warns(exc.SAWarning):
        session.merge(user)


# -- bulk ----------------------------------------------------------------------------------------


def test_bulk_methods(session):
    session.bulk_save_objects([User(name="a"), User(name="b")])
    assert not session.new
    rows = [{"name": "c"}, {"name": "d"}]
    session.bulk_insert_mappings(User, rows, return_defaults=True)
    assert all(row["id"] for row in rows)
    session.bulk_update_mappings(User, [{"id": rows[0]["id"], "name": "x"}])
    assert sorted(session.scalars(User.__table__.select().with_only_columns(User.__table__.c.name))) == list("abdx")
    users = session.query(User).order_by(User.name).all()
    session.expunge_all()
    users[0].name = "z"
    session.bulk_save_objects(users)
    session.commit()
    assert session.query(User).filter_by(name="z").count() == 1


def test_failed_bulk_needs_a_rollback(session):
    stored(session, Place(country="de", number=1))
    with pytest.raises(exc.IntegrityError):
        session.bulk_insert_mappings(Place, [{"country": "de", "number": 1}])
    with pytest.raises(exc.PendingRollbackError):
        session.execute(text("SELECT 1"))
    session.rollback()
    assert session.query(Place).count() == 1


@pytest.mark.parametrize("lock", ["read", "nope", 1, object()])
def test_a_lock_that_says_nothing_is_refused(session, lock):
    user = stored(session, User(id=1), User(id=2))
    with pytest.raises(exc.ArgumentError, match="says nothing about the lock"):
        session.get(User, 2, with_for_update=lock)
    with pytest.raises(exc.ArgumentError, match="says nothing about the lock"):
        session.refresh(user, with_for_update=lock)
    assert session.get_one(User, 2, with_for_update=select(User).with_for_update(read=True)._for_update_arg).id == 2
