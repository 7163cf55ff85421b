"""What a rollback restores."""

from __future__ import annotations

import weakref

import pytest
from sqlalchemy import event, insert, inspect, select

from session import Session, make_transient
from session.exc import FlushError

from ..session_models import Address, Node, Place, User
from .counting import count


def test_rollback_makes_new_objects_transient_and_reusable(db):
    user = User(name="a", addresses=[Address(email="x")])
    with Session(db) as session:
        session.add(user)
        session.flush()
        assert inspect(user).persistent
        session.rollback()
        assert inspect(user).transient
        assert inspect(user.addresses[0]).transient
        assert user not in session
        session.add(user)
        session.commit()
        assert count(db, Address) == 1


def test_rollback_makes_pending_objects_transient(db):
    user = User(name="a")
    with Session(db) as session:
        session.add(user)
        session.rollback()
        assert inspect(user).transient
        assert not session.new


def test_rollback_brings_deleted_objects_back(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        session.delete(user)
        session.flush()
        assert inspect(user).deleted
        assert user not in session
        session.rollback()
        assert inspect(user).persistent
        assert user in session
        assert not session.deleted
        assert user.name == "a"


def test_rollback_forgets_the_mark_of_deletion(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        session.delete(user)
        session.rollback()
        assert not session.deleted
        session.commit()
    assert count(db) == 1


def test_rollback_restores_a_switched_key(db):
    with Session(db) as session:
        place = Place(country="de", number=1, name="x")
        session.add(place)
        session.commit()
        place.number = 2
        session.flush()
        assert inspect(place).identity == ("de", 2)
        place.number = 3
        session.flush()
        assert session.get(Place, ("de", 3)) is place
        session.rollback()
        assert inspect(place).identity == ("de", 1)
        assert session.get(Place, ("de", 1)) is place
        assert session.get(Place, ("de", 3)) is None
        assert place.number == 1


def test_rollback_expires_everything(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        user.name = "b"
        session.flush()
        user.name = "c"
        session.rollback()
        assert user.name == "a"
        assert not session.dirty


def test_added_and_deleted_in_one_transaction_becomes_transient(db):
    user = User(name="a")
    with Session(db) as session:
        session.add(user)
        session.flush()
        session.delete(user)
        session.flush()
        session.rollback()
        assert inspect(user).transient


def test_deep_tree_is_rolled_back(db):
    with Session(db) as session:
        root = node = Node(name="0")
        for number in range(1, 50):
            child = Node(name=str(number))
            node.children.append(child)
            node = child
        session.add(root)
        session.flush()
        session.rollback()
        assert inspect(node).transient
        session.add(root)
        session.commit()
    assert count(db, Node) == 50


@pytest.mark.parametrize("nested", [False, True])
def test_an_object_that_came_for_the_row_of_a_deleted_one_leaves_when_that_is_back(db, nested):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.flush()
        key = user.id
        session.commit()
        level = session.begin_nested() if nested else session.begin()
        session.delete(user)
        session.flush()
        session.execute(insert(User.__table__).values(id=key, name="b"))
        other = session.get(User, key)
        assert other is not user
        left = []
        event.listen(session, "persistent_to_detached", lambda _, obj: left.append(obj))
        level.rollback()
        assert left == [other]
        assert inspect(other).detached
        assert session.get(User, key) is user
        assert user.name == "a"


@pytest.mark.parametrize("nested", [False, True])
def test_an_object_that_came_for_the_row_of_a_deleted_one_stays_if_nobody_holds_that(db, nested):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.flush()
        key = user.id
        session.commit()
        level = session.begin_nested() if nested else session.begin()
        session.delete(user)
        session.flush()
        gone = weakref.ref(user)
        del user
        session.execute(insert(User.__table__).values(id=key, name="b"))
        other = session.get(User, key)
        level.rollback()
        if gone() is None:  # else the other one is no longer in the Session
            assert other in session
            session.refresh(other)
            assert other.name == "a"
            other.name = "written"
            session.commit()
            assert session.scalars(select(User.name)).all() == ["written"]
        else:
            assert inspect(other).detached


def test_an_object_made_transient_while_it_is_deleted_is_not_brought_back(db):
    with Session(db) as session:
        session.add(Node(id=1, children=[Node(id=2)]))
        session.commit()
        node = session.get(Node, 1)
        event.listen(session, "do_orm_execute", lambda state: make_transient(node), once=True)
        with pytest.raises(FlushError, match="primary key"):
            session.delete(node)
            session.flush()
        session.rollback()
        assert inspect(node).transient
        assert node not in session
        assert not session.deleted
        assert {each.id for each in session.scalars(select(Node))} == {1, 2}
        assert session.get(Node, 1) is not node


def test_an_object_that_came_for_the_old_key_of_another_leaves_when_that_is_back(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        key = user.id
        user.id = key + 1
        session.flush()
        session.execute(insert(User.__table__).values(id=key, name="b"))
        other = session.get(User, key)
        session.rollback()
        assert inspect(other).detached
        assert session.get(User, key) is user
        assert user.name == "a"
