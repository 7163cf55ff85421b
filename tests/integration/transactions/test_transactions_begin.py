"""Where a transaction of a Session begins and ends: begin, commit, two phases, close."""

from __future__ import annotations

import pytest
from sqlalchemy import event, exc, inspect, select, text

from session import Session, SessionTransactionOrigin

from ..session_models import Place, User
from .counting import count


def test_first_work_begins_and_commit_ends(db):
    with Session(db) as session:
        assert not session.in_transaction()
        session.add(User(name="a"))
        assert session.in_transaction()
        assert session.get_transaction().origin is SessionTransactionOrigin.AUTOBEGIN
        session.commit()
        assert not session.in_transaction()
    assert count(db) == 1


def test_attribute_change_begins(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        assert user.name == "a"
        session.commit()
        assert not session.in_transaction()
        user.name = "b"
        assert session.in_transaction()


def test_begin_twice_is_refused(db):
    with Session(db) as session:
        session.begin()
        with pytest.raises(exc.InvalidRequestError):
            session.begin()


def test_begin_block_commits(db):
    with Session(db) as session:
        with session.begin() as transaction:
            assert transaction.origin is SessionTransactionOrigin.BEGIN
            session.add(User(name="a"))
        assert not transaction.is_active
    assert count(db) == 1


def test_begin_block_rolls_back_on_error(db):
    user = User(name="a")

    def fail():
        with Session(db) as session, session.begin():
            session.add(user)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inspect(user).transient
    assert count(db) == 0


def test_work_after_the_end_of_a_begin_block_is_refused(db):
    with Session(db) as session:
        with session.begin():
            session.rollback()
            with pytest.raises(exc.InvalidRequestError):
                session.execute(select(User))
        assert session.scalars(select(User)).all() == []


def test_no_autobegin(db):
    with Session(db, autobegin=False) as session:
        for work in (lambda: session.add(User()), lambda: session.execute(text("SELECT 1")), session.commit):
            with pytest.raises(exc.InvalidRequestError):
                work()
        with session.begin():
            session.add(User(name="a"))
    assert count(db) == 1


def test_commit_expires_and_rereads(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        assert "name" not in user.__dict__
        with db.begin() as connection:
            connection.execute(text("UPDATE users SET name = 'other'"))
        assert user.name == "other"


def test_expire_on_commit_false_keeps_values(db):
    with Session(db, expire_on_commit=False) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        assert user.__dict__["name"] == "a"


def test_commit_detaches_deleted(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        session.delete(user)
        session.commit()
        assert inspect(user).detached
        assert inspect(user).was_deleted


# -- states of the transaction -----------------------------------------------------------------------


def test_no_sql_in_after_commit(db):
    with Session(db) as session:
        caught = []

        @event.listens_for(session, "after_commit")
        def query(session):
            try:
                session.execute(text("SELECT 1"))
            except exc.InvalidRequestError as error:
                caught.append(error)

        session.add(User(name="a"))
        session.commit()
        assert len(caught) == 1


def test_commit_inside_of_after_commit_is_an_illegal_state_change(db):
    with Session(db) as session:
        event.listen(session, "after_commit", lambda session: session.get_transaction().close())
        session.add(User(name="a"))
        with pytest.raises(exc.IllegalStateChangeError) as caught:
            session.commit()
        assert caught.value.code == "isce"


def test_closed_transaction_is_refused(db):
    with Session(db) as session:
        transaction = session.begin()
        transaction.rollback()
        with pytest.raises(exc.ResourceClosedError):
            transaction.connection()
        with pytest.raises(exc.ResourceClosedError):
            transaction.commit()


def test_a_transaction_knows_its_session_after_its_end_too(db):
    with Session(db) as session:
        ended = []
        for end in ("commit", "rollback", "close"):
            transaction = session.begin()
            savepoint = session.begin_nested()
            getattr(savepoint, end)()
            getattr(transaction, end)()
            ended += [savepoint, transaction]
        assert [transaction.session for transaction in ended] == [session] * 6
        assert not any(transaction.is_active for transaction in ended)


def test_prepare_needs_two_phases(db):
    with Session(db) as session, pytest.raises(exc.InvalidRequestError):
        session.prepare()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_two_phases(db):
    with db.connect() as connection:
        if not int(connection.scalar(text("SHOW max_prepared_transactions"))):
            pytest.skip("the server has no prepared transactions")
    with Session(db, twophase=True) as session:
        session.add(User(name="a"))
        session.prepare()
        assert not session.is_active
        with pytest.raises(exc.InvalidRequestError):
            session.execute(text("SELECT 1"))
        session.commit()
        assert session.is_active
    assert count(db) == 1


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("failing", ["first", "second", "both", "neither"])
def test_two_phases_on_several_binds_are_all_or_nothing(db, database, failing):
    with db.connect() as connection:
        if not int(connection.scalar(text("SHOW max_prepared_transactions"))):
            pytest.skip("the server has no prepared transactions")
    other = database.create_engine()

    def fail(connection, xid):
        raise RuntimeError("no")

    for engine, name in ((db, "first"), (other, "second")):
        if failing in (name, "both"):
            event.listen(engine, "prepare_twophase", fail)
    try:
        with Session(binds={User: db, Place: other}, twophase=True) as session:
            user, place = User(name="a"), Place(country="no", number=1)
            session.add_all([user, place])
            if failing == "neither":
                session.commit()
            else:
                with pytest.raises(RuntimeError):
                    session.commit()
                assert inspect(user).transient
                assert inspect(place).transient
                assert not session.in_transaction()
                assert session.scalars(select(User)).all() == []
        with db.connect() as connection:
            prepared = text("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()")
            assert connection.scalar(prepared) == 0
        assert count(db) == count(db, Place) == (failing == "neither")
    finally:
        other.dispose()


# -- closing -----------------------------------------------------------------------------------------


def test_close_detaches_and_rolls_back(db):
    session = Session(db)
    user = User(name="a")
    session.add(user)
    session.flush()
    session.close()
    assert inspect(user).detached
    assert count(db) == 0
    session.add(User(name="b"))
    session.commit()
    session.close()
    assert count(db) == 1


def test_close_for_good(db):
    session = Session(db, close_resets_only=False)
    session.reset()
    session.add(User(name="a"))
    session.commit()
    session.close()
    with pytest.raises(exc.InvalidRequestError):
        session.add(User(name="b"))


def test_invalidate_invalidates_the_connection(db):
    session = Session(db)
    connection = session.connection()
    raw = connection.connection.dbapi_connection
    session.invalidate()
    assert not session.in_transaction()
    assert session.connection().connection.dbapi_connection is not raw
    session.close()
