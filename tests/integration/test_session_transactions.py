"""Transactions of a Session: begin, commit, rollback, savepoints, failed flushes, joined transactions."""

from __future__ import annotations

import pytest
from sqlalchemy import event, exc, func, inspect, select, text

from session import Session, SessionTransactionOrigin
from session.exc import FlushError

from .session_models import Address, Base, Node, Place, User


@pytest.fixture
def db(savepoint_engine):
    Base.metadata.create_all(savepoint_engine)
    return savepoint_engine


def count(db, cls=User):
    with db.connect() as connection:
        return connection.scalar(select(func.count()).select_from(cls.__table__))


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


def test_commit_detaches_deleted(db):
    with Session(db) as session:
        user = User(name="a")
        session.add(user)
        session.commit()
        session.delete(user)
        session.commit()
        assert inspect(user).detached
        assert inspect(user).was_deleted


# -- savepoints ----------------------------------------------------------------------------------


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


# -- failed flushes ------------------------------------------------------------------------------


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


# -- states of the transaction -------------------------------------------------------------------


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


# -- closing -------------------------------------------------------------------------------------


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


# -- on a connection of one's own ----------------------------------------------------------------


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
