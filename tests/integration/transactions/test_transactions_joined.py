"""A Session on a connection of one's own, and the connections of its transaction."""

from __future__ import annotations

import pytest
from sqlalchemy import event, exc, func, select

from session import Session

from ..session_models import User
from .counting import count


@pytest.mark.parametrize("mode", ["conditional_savepoint", "rollback_only", "control_fully", "create_savepoint"])
def test_commit_on_a_connection_in_a_transaction(db, mode):
    with db.connect() as connection:
        outer = connection.begin()
        session = Session(connection, join_transaction_mode=mode)
        session.add(User(name="a"))
        session.commit()
        session.close()
        assert outer.is_active is (mode != "control_fully")
        if outer.is_active:
            outer.rollback()
    assert count(db) == (1 if mode == "control_fully" else 0)


@pytest.mark.parametrize("mode", ["conditional_savepoint", "rollback_only", "control_fully", "create_savepoint"])
def test_rollback_on_a_connection_in_a_transaction(db, mode):
    with db.connect() as connection:
        outer = connection.begin()
        connection.execute(User.__table__.insert().values(name="outside"))
        session = Session(connection, join_transaction_mode=mode)
        session.add(User(name="a"))
        session.flush()
        session.rollback()
        session.close()
        assert outer.is_active is (mode == "create_savepoint")
        if outer.is_active:
            outer.commit()
    assert count(db) == (1 if mode == "create_savepoint" else 0)


def test_conditional_savepoint_inside_a_savepoint(db):
    with db.connect() as connection:
        outer = connection.begin()
        connection.execute(User.__table__.insert().values(name="outside"))
        savepoint = connection.begin_nested()
        session = Session(connection)
        session.add(User(name="a"))
        session.flush()
        session.rollback()
        session.close()
        assert savepoint.is_active
        outer.commit()
    assert count(db) == 1


@pytest.mark.parametrize("mode", ["conditional_savepoint", "rollback_only", "create_savepoint"])
@pytest.mark.parametrize("end", ["close", "reset", "rollback of the root"])
def test_savepoints_that_are_open_at_the_end_leave_the_connection_as_it_was(db, mode, end):
    with db.connect() as connection:
        outer = connection.begin()
        around = None if mode == "rollback_only" else connection.begin_nested()
        session = Session(connection, join_transaction_mode=mode)
        root = session.begin()
        session.add(User(name="a"))
        session.begin_nested()
        session.add(User(name="b"))
        session.begin_nested()
        session.flush()
        if end == "rollback of the root":
            root.rollback()
        else:
            getattr(session, end)()
        assert connection.get_nested_transaction() is around
        if outer.is_active:
            if around is not None:
                assert around.is_active
                assert connection.scalar(select(func.count()).select_from(User.__table__)) == 0
                around.commit()
            connection.execute(User.__table__.insert().values(name="after"))
            outer.commit()
    assert count(db) == (0 if mode == "rollback_only" and end == "rollback of the root" else 2 if around is None else 1)


def test_connection_options_apply_once(db):
    with Session(db) as session:
        connection = session.connection(execution_options={"stream_results": False})
        assert connection.get_execution_options()["stream_results"] is False
        with pytest.warns(exc.SAWarning):
            assert session.connection(execution_options={"stream_results": True}) is connection


def test_connections_of_a_transaction(db):
    with Session(db) as session:
        transaction = session.begin()
        assert transaction.connections == frozenset()
        with pytest.raises(exc.InvalidRequestError):
            transaction.bound_connection()
        connection = session.connection()
        assert transaction.connections == {connection}
        assert transaction.bound_connection() is transaction.bound_connection(User) is connection
        inner = session.begin_nested()
        assert inner.connections == frozenset()


def test_transaction_begun_by_a_listener_of_the_engine_is_taken_over(db):
    event.listen(db, "engine_connect", lambda connection: connection.begin())
    with Session(db) as session:
        session.add(User(name="a"))
        session.commit()
    with db.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(User.__table__)) == 1


def test_execution_options_of_the_session_reach_its_connection(db):
    with Session(db, execution_options={"mine": 1}) as session:
        assert session.connection().get_execution_options()["mine"] == 1
    with db.connect() as connection:
        assert "mine" not in connection.get_execution_options()
