"""Transactions in which a flush has failed, or was refused."""

from __future__ import annotations

import pytest
from sqlalchemy import event, exc, inspect, select

from session import Session
from session.exc import FlushError

from ..session_models import Place, User


def test_failed_flush_requires_a_rollback(db):
    with Session(db) as session:
        session.add(Place(country="de", number=1))
        session.commit()
        session.expunge_all()
        again = Place(country="de", number=1)
        session.add(again)
        with pytest.raises(exc.IntegrityError):
            session.flush()
        assert not session.is_active
        assert inspect(again).transient
        for work in (lambda: session.execute(select(User)), session.commit, lambda: session.get(User, 1)):
            with pytest.raises(exc.PendingRollbackError) as caught:
                work()
            assert caught.value.code == "7s2a"
            assert "IntegrityError" in str(caught.value)
        session.rollback()
        assert session.is_active
        assert session.scalars(select(Place)).all() != []


def test_changes_after_a_failed_flush_are_discarded_with_a_warning(db):
    with Session(db) as session:
        session.add(Place(country="de", number=1))
        session.commit()
        session.add(Place(country="de", number=2))
        session.flush()
        with db.begin() as other:
            pass
        del other
        session.expunge_all()
        session.add(Place(country="de", number=1))
        with pytest.raises(exc.IntegrityError):
            session.flush()
        late = User(name="late")
        session.add(late)
        with pytest.warns(exc.SAWarning):
            session.rollback()
        assert inspect(late).transient


def test_commit_that_never_gets_clean_gives_up(db):
    with Session(db) as session:

        @event.listens_for(session, "after_flush_postexec")
        def add_more(session, context):
            session.add(User(name="more"))

        session.add(User(name="a"))
        with pytest.raises(FlushError):
            session.commit()
        session.rollback()


def test_error_in_before_flush_leaves_the_transaction_alone(db):
    with Session(db) as session:

        @event.listens_for(session, "before_flush")
        def refuse(session, context, instances):
            raise ZeroDivisionError

        user = User(name="a")
        session.add(user)
        with pytest.raises(ZeroDivisionError):
            session.flush()
        assert session.is_active
        assert inspect(user).pending


def test_flush_within_flush_is_refused(db):
    with Session(db) as session:

        @event.listens_for(session, "after_flush")
        def again(session, context):
            session.flush()

        session.add(User(name="a"))
        with pytest.raises(exc.InvalidRequestError):
            session.flush()
