"""What Sessions on several threads share beside classes: pools, statements and their plans, objects in caches."""

from __future__ import annotations

import gc
import queue
import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import exc, func, inspect, select
from sqlalchemy.pool import QueuePool

from session import Session, aliased, joinedload, scoped_session, selectinload, sessionmaker
from tests.conftest import WATCHED, Database
from tests.integration.session_models import Address, Base, Group, User

from .test_many_sessions import THREADS, eager_switches, on_threads  # noqa: F401 -- a fixture

pytestmark = [
    pytest.mark.skipif(WATCHED, reason="these have engines of their own"),
    pytest.mark.usefixtures("eager_switches"),
]

USERS = 6


def new_engine(database: Database, **options: Any) -> Any:
    if database.name == "sqlite":
        options["connect_args"] = {"check_same_thread": False, "timeout": 60}
    return database.create_engine(poolclass=QueuePool, **options)


@pytest.fixture
def filled(database: Database) -> Database:
    Base.metadata.create_all(engine := new_engine(database))
    with Session(engine) as session:
        groups = [Group(id=number, name=f"{number}") for number in (1, 2)]
        for number in range(1, USERS + 1):
            addresses = [Address(email=f"{number}/{count}") for count in range(number % 3)]
            session.add(User(name=f"{number}", age=number, addresses=addresses, groups=groups[: number % 3]))
            session.flush()
        session.commit()
    return database


# -- pools -----------------------------------------------------------------------------------------


def test_a_session_that_gets_no_connection_says_so_and_works_when_there_is_one(filled: Database) -> None:
    engine = new_engine(filled, pool_size=1, max_overflow=0, pool_timeout=0.05)
    holder, session = Session(engine), Session(engine)
    first = session.get_one(User, 1)
    session.commit()
    holder.connection()
    for attempt in (
        lambda: session.scalars(select(User)).all(),
        lambda: session.get(User, 2),
        lambda: first.name,
        lambda: first.addresses,
        lambda: session.refresh(first),
        lambda: session.merge(User(id=2)),
        session.connection,
    ):
        with pytest.raises(exc.TimeoutError) as refused:
            attempt()
        assert refused.value.code == "3o7r"
        assert session.is_active
    for write in (session.flush, session.commit):
        session.add(new := User(name="new"))
        with pytest.raises(exc.TimeoutError):
            write()
        with pytest.raises(exc.PendingRollbackError):
            session.get(User, 2)
        session.rollback()
        assert inspect(new).transient
    holder.close()
    session.add(new)
    session.commit()
    assert inspect(new).persistent
    assert first.name == "1"
    session.close()
    assert engine.pool.checkedout() == 0


def test_an_engine_is_disposed_of_while_sessions_are_at_work(filled: Database) -> None:
    engine = new_engine(filled, pool_size=3)

    def work(number: int) -> None:
        for count in range(15):
            if number == 0:
                engine.dispose()
                continue
            with Session(engine) as session:
                user = User(name=f"{number}/{count}", addresses=[Address(email="x")])
                session.add(user)
                session.commit()
                session.expire_all()
                assert [address.email for address in user.addresses] == ["x"]
                session.delete(user)
                session.commit()

    on_threads(work, 3)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(User)) == USERS
    assert engine.pool.checkedout() == 0


def test_each_thread_has_its_own_session_in_a_scope(filled: Database) -> None:
    engine = new_engine(filled, pool_size=THREADS)
    scoped = scoped_session(sessionmaker(engine))
    sessions: list[Session] = []

    def work(number: int) -> None:
        own = scoped()
        sessions.append(own)
        user = scoped.get(User, 1 + number % USERS)
        assert user in scoped
        assert scoped() is own
        scoped.remove()
        assert inspect(user).detached
        assert scoped() is not own
        scoped.get(User, 1)  # a thread that ends without remove()

    on_threads(work)
    assert len(set(map(id, sessions))) == THREADS
    sessions.clear()
    gc.collect()
    assert engine.pool.checkedout() == 0


# -- statements ------------------------------------------------------------------------------------

Other = aliased(User)
STATEMENTS: list[Callable[[], Any]] = [
    lambda: select(User).order_by(User.id),
    lambda: select(User).where(User.name == "2"),
    lambda: select(User).where(User.id.in_([1, 3])).order_by(User.id),
    lambda: select(User).options(selectinload(User.addresses), joinedload(User.groups)).order_by(User.id),
    lambda: select(User).options(joinedload(User.addresses)).order_by(User.id).limit(3),
    lambda: select(Address).options(joinedload(Address.user).selectinload(User.groups)).order_by(Address.id),
    lambda: select(User, Address.email).join(User.addresses).order_by(Address.id),
    lambda: select(User.name, func.count(Address.id)).join(User.addresses).group_by(User.name).order_by(User.name),
    lambda: select(Other).where(Other.addresses.any(Address.email == "1/0")),
    lambda: select(User, Other).join(Other, Other.id == User.id + 1).order_by(User.id),
    lambda: select(Group).options(selectinload(Group.users).selectinload(User.addresses)).order_by(Group.id),
]


def told(value: Any) -> Any:
    """What an object has loaded, and what these have."""
    if not isinstance(value, Base):
        return value
    lists = {key: value.__dict__.get(key) for key in ("addresses", "groups", "users")}
    inner = {key: [told(member) for member in members] for key, members in lists.items() if key != "users" and members}
    if type(value) is Group and lists["users"]:
        inner["users"] = [member.name for member in lists["users"]]
    return type(value).__name__, value.id, inner, told(value.__dict__.get("user"))


def result(engine: Any, statement: Any) -> list[Any]:
    with Session(engine) as session:
        return [tuple(map(told, row)) for row in session.execute(statement).unique()]


def test_statements_are_run_first_by_several_threads_at_a_time(filled: Database) -> None:
    wanted = [result(new_engine(filled), make()) for make in STATEMENTS]
    for turn in range(3):
        engine = new_engine(filled, pool_size=THREADS)  # no plans are known for its dialect
        shared = [make() for make in STATEMENTS]

        def work(number: int, turn: int = turn, engine: Any = engine, shared: list[Any] = shared) -> None:
            places = list(range(len(STATEMENTS)))
            random.Random(turn if number % 2 else number).shuffle(places)
            for place in places:
                assert result(engine, shared[place]) == wanted[place]
                assert result(engine, STATEMENTS[place]()) == wanted[place]

        on_threads(work)
        engine.dispose()


# -- objects ---------------------------------------------------------------------------------------


def test_objects_of_a_cache_are_merged_by_several_threads(filled: Database) -> None:
    engine = new_engine(filled, pool_size=THREADS)
    with Session(engine) as session:
        options = selectinload(User.addresses), selectinload(User.groups)
        cached = session.scalars(select(User).options(*options).order_by(User.id)).all()
        session.expunge_all()
    wanted = [told(user) for user in cached]

    def work(number: int) -> None:
        for count in range(4):
            with Session(engine) as session:
                load = (number + count) % 2 == 1
                merged = session.merge_all(cached, load=load)
                assert [told(user) for user in merged] == wanted
                assert not any(session.is_modified(user) for user in merged)

    on_threads(work)
    assert [told(user) for user in cached] == wanted
    assert all(inspect(user).detached for user in cached)


def test_another_thread_lets_go_of_the_objects_of_a_session(filled: Database) -> None:
    engine = new_engine(filled, pool_size=THREADS)
    handed: queue.Queue[Any] = queue.Queue(50)

    def work(number: int) -> None:
        if number == 0:
            while handed.get() is not None:
                if random.random() < 0.05:
                    gc.collect(0)
            return
        try:
            for _ in range(10):
                with Session(engine) as session:
                    for user in session.scalars(select(User).options(selectinload(User.addresses))):
                        handed.put(user)
                    del user
                    assert all(found in session for found in list(session))
                    for key in list(session.identity_map):
                        session.identity_map.get(key)
                    session.flush()
                    session.expire_all()
                    assert session.get_one(User, 1).name == "1"
                    session.expunge_all()
        finally:
            if number == 1:
                handed.put(None)

    on_threads(work, 2)
