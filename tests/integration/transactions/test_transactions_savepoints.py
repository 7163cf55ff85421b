"""Savepoints: what is restored, and what is handed on."""

from __future__ import annotations

import pytest
from sqlalchemy import exc, inspect, text

from session import Session

from ..session_models import Place, User
from .counting import count


def test_savepoint_rollback_restores_what_changed_inside(db):
    with Session(db) as session:
        before, untouched = User(name="a"), User(name="u")
        session.add_all([before, untouched])
        session.commit()
        assert (before.name, untouched.name) == ("a", "u")
        inner = session.begin_nested()
        assert session.in_nested_transaction()
        assert session.get_nested_transaction() is inner
        assert inner.parent is session.get_transaction()
        new = User(name="n")
        session.add(new)
        before.name = "b"
        session.flush()
        inner.rollback()
        assert not session.in_nested_transaction()
        assert inspect(new).transient
        assert "name" not in before.__dict__
        assert untouched.__dict__["name"] == "u"
        assert before.name == "a"
        session.commit()
    assert count(db) == 2


def test_savepoint_commit_hands_on_to_the_outer_transaction(db):
    with Session(db) as session:
        old = User(name="old")
        session.add(old)
        session.commit()
        with session.begin_nested():
            new = User(name="n")
            session.add(new)
            session.delete(old)
        assert inspect(new).persistent
        assert inspect(old).deleted
        session.rollback()
        assert inspect(new).transient
        assert inspect(old).persistent


def test_savepoint_flushes_what_was_pending_outside(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        inner = session.begin_nested()
        assert inspect(user).persistent
        inner.rollback()
        assert inspect(user).persistent
        session.commit()
    assert count(db) == 1


def test_savepoint_block_after_an_error_leaves_the_outer_transaction_usable(db):
    with Session(db) as session:
        session.add(User(id=100, name="a"))
        session.flush()
        with pytest.raises(exc.IntegrityError), session.begin_nested():
            session.execute(text("INSERT INTO users (id, name) VALUES (100, 'b')"))
        session.add(User(name="c"))
        session.commit()
    assert count(db) == 2


def test_failed_flush_in_a_savepoint_rolls_back_the_savepoint_only(db):
    with Session(db) as session:
        session.add(Place(country="de", number=1))
        session.flush()
        session.expunge_all()
        with pytest.raises(exc.IntegrityError), session.begin_nested():
            session.add(Place(country="de", number=1))
        session.add(Place(country="de", number=2))
        session.commit()
    assert count(db, Place) == 2


def test_rollback_of_the_outer_transaction_undoes_open_savepoints(db):
    with Session(db) as session:
        outer = session.begin()
        session.begin_nested()
        user = User(name="a")
        session.add(user)
        session.flush()
        outer.rollback()
        assert inspect(user).transient
        assert not session.in_transaction()


def test_commit_of_the_session_commits_open_savepoints(db):
    with Session(db) as session:
        session.begin_nested()
        session.begin_nested()
        session.add(User(name="a"))
        session.commit()
        assert not session.in_transaction()
    assert count(db) == 1


def test_nested_key_switch_goes_back_step_by_step(db):
    with Session(db) as session:
        place = Place(country="de", number=1)
        session.add(place)
        session.commit()
        place.number = 2
        session.flush()
        inner = session.begin_nested()
        place.number = 3
        session.flush()
        inner.rollback()
        assert inspect(place).identity == ("de", 2)
        with session.begin_nested():
            place.number = 4
        assert inspect(place).identity == ("de", 4)
        session.rollback()
        assert inspect(place).identity == ("de", 1)
