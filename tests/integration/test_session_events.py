"""Events of the Session and of queries; do_orm_execute."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, delete, event, exc, insert, inspect, select, text, union, update

from session import Query, Session, UserDefinedOption, joinedload, scoped_session, sessionmaker

from .session_models import Address, User


@pytest.fixture
def session(db):
    with Session(db) as session:
        yield session


def note_all(target, *names):
    calls = []
    for name in names:

        def listener(*args, name=name):
            calls.append(name)

        event.listen(target, name, listener)
    return calls


FLUSH_AND_TRANSACTION = (
    "after_transaction_create",
    "after_transaction_end",
    "after_begin",
    "before_commit",
    "after_commit",
    "after_rollback",
    "after_soft_rollback",
    "before_flush",
    "after_flush",
    "after_flush_postexec",
)


def test_order_in_a_commit(session):
    calls = note_all(session, *FLUSH_AND_TRANSACTION)
    session.add(User(name="a"))
    session.commit()
    assert calls == [
        "after_transaction_create",
        "before_commit",
        "before_flush",
        "after_transaction_create",
        "after_begin",
        "after_flush",
        "after_flush_postexec",
        "after_transaction_end",
        "after_commit",
        "after_transaction_end",
    ]


def test_order_in_a_rollback(session):
    calls = note_all(session, *FLUSH_AND_TRANSACTION)
    session.execute(text("SELECT 1"))
    session.rollback()
    assert calls == [
        "after_transaction_create",
        "after_begin",
        "after_rollback",
        "after_transaction_end",
        "after_soft_rollback",
    ]


def test_order_in_a_failed_flush(session):
    session.add(User(id=1, name="a"))
    session.commit()
    session.expunge_all()
    calls = note_all(session, *FLUSH_AND_TRANSACTION)
    session.add(User(id=1, name="b"))
    with pytest.raises(exc.IntegrityError):
        session.flush()
    session.rollback()
    assert calls == [
        "after_transaction_create",
        "before_flush",
        "after_transaction_create",
        "after_begin",
        "after_rollback",
        "after_transaction_end",
        "after_soft_rollback",
        "after_transaction_end",
        "after_soft_rollback",
    ]


def test_what_the_flush_events_see(session):
    seen = {}

    @event.listens_for(session, "after_flush")
    def after_flush(session, context):
        seen["after_flush"] = (len(session.new), inspect(user).persistent)

    @event.listens_for(session, "after_flush_postexec")
    def after_flush_postexec(session, context):
        seen["postexec"] = (len(session.new), inspect(user).persistent)

    user = User(name="a")
    session.add(user)
    session.flush()
    assert seen == {"after_flush": (1, False), "postexec": (0, True)}


def test_before_flush_can_add_and_change(session):
    @event.listens_for(session, "before_flush")
    def before_flush(session, context, instances):
        for obj in list(session.new):
            if isinstance(obj, User) and not obj.addresses:
                obj.addresses.append(Address(email="made"))
                obj.age = 9

    user = User(name="a")
    session.add(user)
    session.commit()
    assert (user.age, user.addresses[0].email) == (9, "made")


def test_sql_in_after_begin(session):
    ran = []

    @event.listens_for(session, "after_begin")
    def after_begin(session, transaction, connection):
        ran.append(connection.scalar(text("SELECT 1")))

    session.add(User(name="a"))
    session.commit()
    assert ran == [1]


def test_listener_with_raw_gets_the_state(session):
    got = []
    event.listen(session, "transient_to_pending", lambda session, state: got.append(state), raw=True)
    user = User(name="a")
    session.add(user)
    assert got == [inspect(user)]


def test_targets(db):
    class Own(Session):
        pass

    maker = sessionmaker(db, class_=Own)
    scoped = scoped_session(sessionmaker(db))
    calls = []

    def listener(session):
        calls.append(type(session))

    targets = [Own, maker, scoped]
    for target in targets:
        event.listen(target, "before_commit", listener)
        assert event.contains(target, "before_commit", listener)
    Own(db).commit()
    assert len(calls) == 1
    maker().commit()
    assert len(calls) == 3
    Session(db).commit()
    assert len(calls) == 3
    scoped.commit()
    assert len(calls) == 4
    for target in targets:
        event.remove(target, "before_commit", listener)
    maker().commit()
    assert len(calls) == 4
    scoped.remove()


def test_scoped_session_of_a_function_is_no_target(db):
    with pytest.raises(exc.ArgumentError):
        event.listen(scoped_session(lambda: Session(db)), "before_commit", print)
    with pytest.raises(exc.InvalidRequestError):
        event.listen(object(), "before_commit", print)


# -- do_orm_execute ------------------------------------------------------------------------------


@pytest.fixture
def states(session):
    session.add_all([User(id=1, name="a"), User(id=2, name="b")])
    session.commit()
    seen = []
    event.listen(session, "do_orm_execute", seen.append)
    return seen


def kinds(state):
    names = ["is_select", "is_insert", "is_update", "is_delete", "is_orm_statement", "is_from_statement"]
    return {name for name in names if getattr(state, name)}


def test_kinds_of_statements(session, states):
    session.execute(select(User))
    session.execute(select(User.__table__))
    session.execute(insert(User), [{"id": 3, "name": "c"}])
    session.execute(update(User).where(User.id == 1).values(name="x"))
    session.execute(delete(User).where(User.id == 2))
    session.execute(text("SELECT 1"))
    session.scalars(select(User).from_statement(text("SELECT * FROM users")))
    assert [kinds(state) for state in states] == [
        {"is_select", "is_orm_statement"},
        {"is_select"},
        {"is_insert", "is_orm_statement"},
        {"is_update", "is_orm_statement"},
        {"is_delete", "is_orm_statement"},
        set(),
        {"is_orm_statement", "is_from_statement"},
    ]
    assert [state.is_executemany for state in states] == [False, False, True, False, False, False, False]
    assert states[0].bind_mapper is inspect(User)
    assert states[0].all_mappers == [inspect(User)]
    assert states[1].bind_mapper is None


def test_a_compound_of_selects_has_no_mappers_of_its_own(session, states):
    session.execute(union(select(User.id), select(User.id)))
    assert states[0].is_orm_statement
    assert states[0].all_mappers == []


def test_statement_can_be_changed(session):
    session.add_all([User(name="a"), User(name="b")])
    session.flush()

    @event.listens_for(session, "do_orm_execute")
    def confine(state):
        if state.is_select and state.bind_mapper is inspect(User):
            state.statement = state.statement.where(User.name == "b")

    assert [user.name for user in session.scalars(select(User))] == ["b"]
    assert [user.name for user in session.query(User)] == ["b"]


def test_result_can_be_replaced(session, states):
    cache = {}

    @event.listens_for(session, "do_orm_execute")
    def cached(state):
        if not state.is_select:
            return None
        key = "key"
        if key not in cache:
            cache[key] = state.invoke_statement().freeze()
        return cache[key]()

    first = session.scalars(select(User).order_by(User.id)).all()
    session.execute(text("DELETE FROM users"))
    assert session.scalars(select(User).order_by(User.id)).all() == first


def test_invoke_runs_the_later_listeners_only(session):
    calls = []

    def one(state):
        calls.append("one")
        return state.invoke_statement()

    def two(state):
        calls.append("two")
        return state.invoke_statement(params={"name": "b"})

    def three(state):
        calls.append(("three", state.parameters))

    for listener in (one, two, three):
        event.listen(session, "do_orm_execute", listener)
    session.execute(select(User).where(User.name == bindparam("name")), {"name": "a"})
    assert calls == ["one", "two", ("three", {"name": "b"})]


def test_execution_options(session, states):
    statement = select(User).execution_options(own=1, both=1)
    session.execute(statement, execution_options={"given": 2, "both": 2, "populate_existing": True})
    (state,) = states
    assert {key: state.execution_options[key] for key in ("own", "given", "both")} == {
        "own": 1,
        "given": 2,
        "both": 2,
    }
    assert state.local_execution_options["given"] == 2
    state.update_execution_options(more=3)
    assert state.local_execution_options["more"] == 3
    assert "more" not in state.execution_options


def test_options_of_the_user(session, states):
    class Cached(UserDefinedOption):
        pass

    option = Cached("payload")
    session.scalars(select(User).options(option, joinedload(User.addresses))).unique().all()
    assert states[0].user_defined_options == [option]
    assert states[0].user_defined_options[0].payload == "payload"


def test_loads_by_attributes_are_seen(session, states):
    user = session.get(User, 1)
    session.expire(user)
    states.clear()
    _ = user.name
    _ = user.addresses
    assert [(state.is_column_load, state.is_relationship_load) for state in states] == [(True, False), (False, True)]
    assert states[1].lazy_loaded_from is inspect(user)


def test_session_wide_execution_options(db):
    with Session(db, execution_options={"wide": 1, "own": 1}) as session:
        seen = []
        event.listen(session, "do_orm_execute", lambda state: seen.append(state.execution_options))
        session.execute(select(User).execution_options(own=2))
        assert (seen[0]["wide"], seen[0]["own"]) == (1, 2)


# -- queries -------------------------------------------------------------------------------------


def test_before_compile(session, states):
    class OwnQuery(Query):
        pass

    @event.listens_for(OwnQuery, "before_compile", retval=True)
    def confine(query):
        return query.enable_assertions(False).filter(User.id == 1)

    query = OwnQuery(User, session)
    assert [user.id for user in query] == [1]
    assert query.count() == 1
    assert query.limit(5).all() == query.all()


def test_before_compile_update_and_delete(session, states):
    class OwnQuery(Query):
        pass

    event.listen(OwnQuery, "before_compile_update", lambda query, change: query.filter(User.id == 1), retval=True)
    event.listen(OwnQuery, "before_compile_delete", lambda query, change: query.filter(User.id == 2), retval=True)
    assert OwnQuery(User, session).update({"name": "x"}) == 1
    assert OwnQuery(User, session).delete() == 1
    assert [(user.id, user.name) for user in session.query(User)] == [(1, "x")]


def test_after_bulk_update_and_delete(session, states):
    got = []
    event.listen(session, "after_bulk_update", got.append)
    event.listen(session, "after_bulk_delete", got.append)
    query = session.query(User).filter(User.id == 1)
    query.update({"name": "x"})
    query.delete()
    assert [context.session for context in got] == [session, session]
    assert [context.result.rowcount for context in got] == [1, 1]
    assert got[0].values == {"name": "x"}


def test_the_older_listener_of_bulk_changes(session, states):
    got = []

    def listener(session, query, query_context, result):
        got.append((session, query, result.rowcount))

    event.listen(session, "after_bulk_update", listener)
    query = session.query(User)
    with pytest.warns(exc.SADeprecationWarning):
        query.update({"name": "x"})
    assert got == [(session, query, 2)]
