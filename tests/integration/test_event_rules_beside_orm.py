"""Rules of events on this package and on ``sqlalchemy.orm``: what listeners may do, their order, what they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy.orm
from sqlalchemy import Column, Engine, Integer, String, event, func, literal, select, text, update
from sqlalchemy.exc import IllegalStateChangeError, InvalidRequestError

import session as ours


class Model:
    """A class with defaults of all kinds, and a Session with one row, on one library."""

    def __init__(self, orm: ModuleType, engine: Engine) -> None:
        self.orm = orm
        self.base: Any = orm.declarative_base()

        class User(self.base):  # type: ignore[name-defined]
            __tablename__ = "user_of_events"
            id = Column(Integer, primary_key=True)
            name = Column(String(20))
            age = Column(Integer)
            by_python = Column(Integer, onupdate=lambda: 7)
            by_sql = Column(Integer, onupdate=literal(8) + 1)

        self.User: Any = User
        self.base.metadata.create_all(engine)
        with orm.Session(engine) as session:
            session.add(User(id=1, name="ed", age=3))
            session.commit()
        self.session = orm.Session(engine)


@pytest.fixture(params=[ours, sqlalchemy.orm], ids=["ours", "sqlalchemy.orm"])
def model(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Model]:
    made = Model(request.param, engine)
    with made.session:
        yield made


# -- after_begin ---------------------------------------------------------------------------------------------------

USES: dict[str, Callable[[Any, Any], Any]] = {
    "execute": lambda session, User: session.execute(text("SELECT 1")),
    "connection": lambda session, User: session.connection(),
    "get": lambda session, User: session.get(User, 1),
    "query": lambda session, User: session.query(User).all(),
    "flush": lambda session, User: (session.add(User(id=2)), session.flush()),
    "begin": lambda session, User: session.begin(),
    "begin_nested": lambda session, User: session.begin_nested(),
    "commit": lambda session, User: session.commit(),
    "rollback": lambda session, User: session.rollback(),
    "close": lambda session, User: session.close(),
}


@pytest.mark.parametrize("use", USES)
def test_the_session_is_refused_in_after_begin(model: Model, use: str) -> None:
    session, User = model.session, model.User
    seen: list[Any] = []

    def after_begin(session: Any, transaction: Any, connection: Any) -> None:
        assert session.get_transaction() is transaction
        seen.append((session.in_transaction(), session.is_active, connection.scalar(text("SELECT 5"))))
        with pytest.raises((InvalidRequestError, IllegalStateChangeError)) as caught:
            USES[use](session, User)
        seen.append(caught.value.code)
        session.expunge_all()

    event.listen(session, "after_begin", after_begin)
    assert session.scalar(text("SELECT 3")) == 3
    assert seen == [(True, False, 5), None if use == "begin" else "isce"]
    assert session.is_active
    assert session.get(User, 1).name == "ed"
    session.rollback()
    event.remove(session, "after_begin", after_begin)
    session.get(User, 1).name = "jack"
    session.commit()
    assert session.scalars(select(User.name)).all() == ["jack"]


def test_savepoints_begin_with_the_connection_that_listeners_get(model: Model) -> None:
    session = model.session
    seen: list[Any] = []

    def after_begin(session: Any, transaction: Any, connection: Any) -> None:
        seen.append((transaction.nested, connection.scalar(text("SELECT 5"))))
        with pytest.raises(InvalidRequestError):
            session.execute(text("SELECT 1"))

    event.listen(session, "after_begin", after_begin)
    with session.begin_nested():
        session.execute(text("SELECT 1"))
    session.commit()
    assert seen == [(False, 5), (True, 5)]


def test_a_listener_of_after_begin_that_fails(model: Model) -> None:
    session = model.session

    def after_begin(*arguments: Any) -> None:
        raise LookupError

    event.listen(session, "after_begin", after_begin)
    with pytest.raises(LookupError):
        session.execute(text("SELECT 1"))
    assert session.in_transaction()
    assert session.is_active
    event.remove(session, "after_begin", after_begin)
    assert session.scalar(text("SELECT 2")) == 2
    session.rollback()
    assert not session.in_transaction()
    assert session.get(model.User, 1).name == "ed"


def test_sql_may_run_when_a_transaction_has_been_created(model: Model) -> None:
    seen: list[Any] = []
    event.listen(
        model.session,
        "after_transaction_create",
        lambda session, transaction: seen.append(session.scalar(text("SELECT 4"))),
    )
    model.session.execute(text("SELECT 1"))
    assert seen == [4]


# -- do_orm_execute ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "order"),
    [
        (lambda session, User: session.scalars(select(User)).all(), ["announced", "flush"]),
        (lambda session, User: session.get(User, 1, populate_existing=True), ["announced", "flush"]),
        (lambda session, User: session.get(User, 2), ["announced", "flush"]),
        (lambda session, User: session.get(User, 2, with_for_update=True), ["announced", "flush"]),
        (lambda session, User: session.get(User, 2, execution_options={"autoflush": False}), ["announced"]),
        (lambda session, User: session.query(User).count(), ["announced", "flush"]),
        (lambda session, User: session.execute(update(User).values(age=5)), ["announced", "flush"]),
    ],
)
def test_statements_are_announced_before_their_flush(
    model: Model, load: Callable[[Any, Any], Any], order: list[str]
) -> None:
    session, User = model.session, model.User
    session.get(User, 1).name = "changed"
    seen: list[str] = []
    event.listen(session, "do_orm_execute", lambda state: seen.append("announced"))
    event.listen(session, "before_flush", lambda *arguments: seen.append("flush"))
    load(session, User)
    assert seen == order


# -- what refresh, refresh_flush and expire are told -----------------------------------------------------------------


def hear(User: Any) -> list[Any]:
    heard: list[Any] = []

    def note(name: str) -> Callable[..., None]:
        return lambda target, *rest: heard.append((name, None if rest[-1] is None else sorted(rest[-1])))

    for name in ("refresh", "refresh_flush", "expire"):
        event.listen(User, name, note(name))
    return heard


def test_an_update_with_sql_tells_of_values_then_of_what_expires(model: Model) -> None:
    session, User = model.session, model.User
    user = session.get(User, 1)
    heard = hear(User)
    user.name = func.upper("zz")
    session.flush()
    expected: list[Any] = [("refresh_flush", ["by_python"]), ("expire", ["by_sql", "name"])]
    assert heard == expected
    heard.clear()
    assert user.name == "ZZ"
    assert heard == [("refresh", ["by_sql", "name"])]
    assert (user.by_python, user.by_sql) == (7, 9)


def test_an_update_in_bulk_tells_of_what_expires_then_of_values(model: Model) -> None:
    session, User = model.session, model.User
    user = session.get(User, 1)
    heard = hear(User)
    session.execute(update(User).where(User.id == 1).values(age=4))
    assert [name for name, _ in heard] == ["expire", "refresh"]
    assert heard[0] == ("expire", ["by_sql"])
    assert "age" in heard[1][1]
    assert user.age == 4
    assert not session.is_modified(user)


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (lambda session, user: session.refresh(user), [("expire", None), ("refresh", None)]),
        (lambda session, user: session.refresh(user, ["age"]), [("expire", ["age"]), ("refresh", ["age"])]),
        (
            lambda session, user: session.get(type(user), 1, populate_existing=True),
            [("refresh", None)],
        ),
        (
            lambda session, user: (session.expire(user, ["age", "name"]), user.age),
            [("expire", ["age", "name"]), ("refresh", ["age", "name"])],
        ),
        (
            lambda session, user: (session.expire(user), user.age),
            [("expire", None), ("refresh", ["age", "by_python", "by_sql", "id", "name"])],
        ),
        (lambda session, user: session.scalars(select(type(user))).all(), []),
    ],
)
def test_what_listeners_of_refresh_are_told(model: Model, load: Callable[[Any, Any], Any], told: list[Any]) -> None:
    user = model.session.get(model.User, 1)
    heard = hear(model.User)
    load(model.session, user)
    assert heard == told


# -- listeners that fail -------------------------------------------------------------------------------------------


def commit(session: Any, User: Any) -> None:
    session.add(User(id=9, name="new"))
    session.commit()


def rollback(session: Any, User: Any) -> None:
    session.add(User(id=9, name="new"))
    session.flush()
    session.rollback()


def savepoint(session: Any, User: Any) -> None:
    with session.begin_nested():
        session.add(User(id=9, name="new"))


@pytest.mark.parametrize(
    ("name", "act", "is_active", "in_transaction", "found"),
    [
        ("before_commit", commit, True, True, [1, 9]),
        ("before_commit", savepoint, True, True, [1]),
        ("before_flush", commit, True, True, [1, 9]),
        ("before_flush", savepoint, True, True, [1]),
        ("after_flush", commit, False, True, None),
        ("after_flush", savepoint, True, True, [1]),
        ("after_flush_postexec", commit, False, True, None),
        ("after_begin", commit, False, True, None),
        ("after_begin", savepoint, True, True, [1]),
        ("after_rollback", rollback, True, False, [1]),
        ("after_soft_rollback", rollback, True, False, [1]),
        ("after_transaction_create", commit, True, True, [1]),
    ],
)
def test_the_session_after_a_listener_has_failed(
    model: Model,
    name: str,
    act: Callable[[Any, Any], None],
    is_active: bool,
    in_transaction: bool,
    found: list[int] | None,
) -> None:
    session, User = model.session, model.User
    failing = True

    def fail(*arguments: Any) -> None:
        if failing:
            raise LookupError

    event.listen(session, name, fail)
    with pytest.raises(LookupError):
        act(session, User)
    failing = False
    assert (session.is_active, session.in_transaction()) == (is_active, in_transaction)
    assert not session.in_nested_transaction()
    ids = select(User.id).order_by(User.id)
    if found is None:
        with pytest.raises(InvalidRequestError) as caught:
            session.scalars(ids).all()
        assert caught.value.code == "7s2a"
    else:
        assert session.scalars(ids).all() == found
    session.rollback()
    assert (session.is_active, session.in_transaction()) == (True, False)
    assert session.scalars(ids).all() == [1]
    assert not session.new
    act(session, User)


def test_a_listener_of_after_commit_that_fails_leaves_the_session_of_use(engine: Engine) -> None:
    model = Model(ours, engine)  # with sqlalchemy.orm it can only be closed
    with model.session as session:
        event.listen(session, "after_commit", fail := lambda session: {}["missing"])
        with pytest.raises(KeyError):
            commit(session, model.User)
        assert (session.is_active, session.in_transaction()) == (True, False)
        event.remove(session, "after_commit", fail)
        assert session.scalars(select(model.User.id).order_by(model.User.id)).all() == [1, 9]
