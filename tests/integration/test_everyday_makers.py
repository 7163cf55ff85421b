"""sessionmaker, scoped_session, binds, and the closing of Sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, func, inspect, select, text
from sqlalchemy.exc import ArgumentError, InvalidRequestError, UnboundExecutionError

from session import DeclarativeBase, Mapped, Query, Session, mapped_column, object_session, scoped_session, sessionmaker


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class Log(Base):
    __tablename__ = "log"

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def made(engine: Engine) -> Engine:
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def registry(made: Engine) -> Iterator[Any]:
    registry = scoped_session(sessionmaker(made))
    yield registry
    registry.remove()


def test_a_maker_makes_sessions_of_its_settings(made: Engine) -> None:
    maker = sessionmaker(made, expire_on_commit=False, info={"a": 1})
    with maker(autoflush=False, info={"b": 2}) as session:
        assert session.bind is made
        assert session.expire_on_commit is False
        assert session.autoflush is False
        assert session.info == {"a": 1, "b": 2}
    assert maker().info == {"a": 1}
    maker.configure(expire_on_commit=True)
    assert maker().expire_on_commit is True


def test_a_makers_begin_commits_and_closes(made: Engine) -> None:
    maker = sessionmaker(made)
    with maker.begin() as session:
        session.add(User(name="kept"))
    with pytest.raises(ZeroDivisionError), maker.begin() as session:
        session.add(User(name="gone"))
        session.flush()
        1 / 0  # noqa: B018
    with maker() as session:
        assert session.scalars(select(User.name)).all() == ["kept"]


def test_makers_have_classes_and_events_of_their_own(made: Engine) -> None:
    class Special(Session):
        def greet(self) -> str:
            return "hello"

    one, two = sessionmaker(made, class_=Special), sessionmaker(made)
    seen: list[Session] = []
    event.listen(one, "before_commit", seen.append)
    first, second = one(), two()
    first.commit()
    second.commit()
    first.add(User())
    first.commit()
    assert seen[-1] is first
    assert set(seen) == {first}
    assert isinstance(first, Special)
    assert first.greet() == "hello"
    first.close()
    second.close()


def test_a_scoped_session_is_one_session_a_thread(registry: Any) -> None:
    assert registry() is registry()
    others: list[Session] = []

    def work() -> None:
        others.append(registry())
        registry.remove()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert others[0] is not registry()


def test_a_scoped_session_is_used_like_a_session(registry: Any) -> None:
    user = User(name="ed")
    registry.add(user)
    assert user in registry
    assert user in registry.new
    registry.commit()
    assert registry.scalars(select(User)).one() is user
    assert registry.get(User, 1) is user
    assert registry.query(User).count() == 1
    assert list(registry) == [user]
    assert registry.object_session(user) is registry() is object_session(user)
    assert registry.execute(select(func.count(User.id))).scalar_one() == 1
    with registry.no_autoflush, registry.begin_nested():
        user.name = "x"
    registry.rollback()
    registry.remove()
    assert inspect(user).detached


def test_a_scoped_session_takes_settings_once(registry: Any) -> None:
    session = registry(autoflush=False)
    assert session.autoflush is False
    with pytest.raises(InvalidRequestError):
        registry(autoflush=True)
    registry.remove()
    registry.configure(expire_on_commit=False)
    assert registry().expire_on_commit is False


def test_a_scope_of_ones_own(made: Engine) -> None:
    scope = ["a"]
    registry = scoped_session(sessionmaker(made), scopefunc=lambda: scope[0])
    first = registry()
    scope[0] = "b"
    second = registry()
    assert first is not second
    registry.remove()
    scope[0] = "a"
    assert registry() is first
    registry.remove()


def test_the_query_property(registry: Any) -> None:
    class Own(DeclarativeBase):
        query = registry.query_property()

    class User(Own):
        __tablename__ = "user_account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str | None]

    registry.add(User(name="ed"))
    assert User.query.filter_by(name="ed").one().name == "ed"


def test_a_query_class_of_ones_own(made: Engine) -> None:
    class Named(Query[Any]):
        def named(self, name: str) -> Any:
            return self.filter_by(name=name)

    with Session(made, query_cls=Named) as session:
        session.add(User(name="ed"))
        assert session.query(User).named("ed").one().name == "ed"


# -- binds ----------------------------------------------------------------------------------------


def test_classes_and_tables_may_have_binds_of_their_own(made: Engine) -> None:
    other = create_engine("sqlite://")
    Base.metadata.create_all(other)
    try:
        with Session(binds={User: made, Log.__table__: other}) as session:
            assert session.get_bind(User) is made
            assert session.get_bind(inspect(Log)) is other
            assert session.get_bind(clause=select(Log)) is other
            session.add_all([User(), Log(), Log()])
            session.commit()
            assert session.scalar(select(func.count(Log.id))) == 2
            assert session.scalar(select(func.count(User.id))) == 1
            with pytest.raises(UnboundExecutionError):
                session.execute(text("SELECT 1"))
            assert session.execute(text("SELECT 1"), bind_arguments={"bind": other}).scalar() == 1
        with Session(binds={Base: other}) as session:
            assert session.get_bind(User) is other
        with Session(made) as session:
            session.bind_mapper(Log, other)
            assert session.get_bind(Log) is other
            session.bind_table(User.__table__, other)
            assert session.get_bind(User) is other
        with other.connect() as connection:
            assert connection.scalar(select(func.count()).select_from(Log.__table__)) == 2
    finally:
        other.dispose()


def test_a_session_chooses_its_bind_in_get_bind(made: Engine) -> None:
    asked: list[Any] = []
    kinds: list[str] = []

    class Routing(Session):
        def get_bind(self, mapper: Any = "none", clause: Any = None, **keywords: Any) -> Any:
            asked.append(mapper if isinstance(mapper, str) else mapper.class_)
            kinds.append("flush" if self._flushing else type(clause).__name__)
            return made

    with Routing() as session:
        session.add(User())
        session.flush()
        session.scalars(select(User)).all()
        session.commit()
        user = session.scalars(select(User)).one()
        session.refresh(user)
        session.expire(user)
        assert user.name is None
        session.expunge_all()
        assert session.get_one(User, 1).name is None
        asked.clear()
        session.execute(select(User.__table__))
        session.execute(select(User))
        assert asked == ["none", User]
    assert set(kinds) == {"flush", "Select"}


def test_no_bind_says_what_was_looked_for() -> None:
    with Session() as session:
        with pytest.raises(UnboundExecutionError, match="User"):
            session.scalars(select(User))
        session.add(User())
        with pytest.raises(UnboundExecutionError, match="User"):
            session.flush()
        session.rollback()


def test_a_bind_of_something_else_is_refused() -> None:
    with pytest.raises(ArgumentError):
        Session(binds={7: create_engine("sqlite://")})


# -- closing --------------------------------------------------------------------------------------


def test_a_closed_session_may_be_used_again(made: Engine) -> None:
    session = Session(made)
    session.add(User(name="ed"))
    session.close()
    assert session.scalars(select(User)).all() == []
    session.close()


def test_a_session_that_ends_with_close_refuses_all_use(made: Engine) -> None:
    session = Session(made, close_resets_only=False)
    session.add(User(name="ed"))
    session.commit()
    session.reset()
    assert session.scalar(select(User.name)) == "ed"
    session.close()
    for use in (
        lambda: session.add(User()),
        lambda: session.execute(select(User)),
        lambda: session.get(User, 1),
        lambda: session.begin(),
        lambda: session.connection(),
    ):
        with pytest.raises(InvalidRequestError, match="closed"):
            use()
    session.close()


def test_connections_go_back_to_the_pool(made: Engine) -> None:
    session = Session(made)
    session.scalars(select(User)).all()
    assert made.pool.checkedout() == 1
    session.commit()
    assert made.pool.checkedout() == 0
    session.scalars(select(User)).all()
    session.close()
    assert made.pool.checkedout() == 0
