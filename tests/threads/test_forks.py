"""Processes that are forked: with Sessions that were used before, and while other threads are at work."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.pool import QueuePool

from session import DeclarativeBase, Mapped, Session, mapped_column, selectinload
from tests.conftest import WATCHED
from tests.integration.session_models import Address, Base, User

from .test_many_sessions import eager_switches  # noqa: F401 -- a fixture

pytestmark = [
    pytest.mark.skipif(WATCHED, reason="these have engines of their own"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes can be forked here"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

PATIENCE = 120  # seconds
FORKS = 40


def forked(work: Callable[[], Any]) -> str:
    """Do something in a child process.

    :return: what it raised; empty if nothing.
    """
    end, start = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE)
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            os.write(start, traceback.format_exc()[-3000:].encode())
        finally:
            os._exit(status)
    os.close(start)
    with os.fdopen(end) as said:
        raised = said.read()
    _, status = os.waitpid(child, 0)
    return raised if status == 0 or raised else f"ended with status {status}"


@pytest.fixture
def used(database: Any) -> Iterator[Any]:
    """A Session that has been used, on an engine with connections in its pool."""
    engine = database.create_engine(poolclass=QueuePool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([User(id=number, name="before", addresses=[Address(email="x")]) for number in (1, 2)])
        session.commit()
        yield session


def test_a_child_works_with_connections_of_its_own(used: Any) -> None:
    kept = used.get_one(User, 1)
    engine = used.get_bind()

    def work() -> None:
        engine.dispose(close=False)
        assert kept.name == "before"
        with Session(engine) as session:
            session.get_one(User, 2).name = "child"
            session.add(User(id=3, name="new", addresses=[Address(email="y")]))
            session.commit()
            (found,) = session.scalars(select(User).where(User.id == 3).options(selectinload(User.addresses)))
            assert [address.email for address in found.addresses] == ["y"]

    assert kept.name == "before"
    used.commit()
    assert kept.name == "before"
    used.rollback()
    assert forked(work) == ""
    assert used.get_one(User, 2).name == "child"
    kept.name = "parent"
    used.commit()
    assert used.scalar(select(func.count()).select_from(Address)) == 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("eager_switches")
def test_a_child_maps_classes_while_another_thread_was_mapping_some(used: Any) -> None:
    over = threading.Event()

    def map_and_use() -> Any:
        class Root(DeclarativeBase):
            pass

        class Node(Root):
            __tablename__ = "node"
            id: Mapped[int] = mapped_column(primary_key=True)

        return Node(id=1)

    def keep_mapping() -> None:
        while not over.is_set():
            map_and_use()

    thread = threading.Thread(target=keep_mapping)
    thread.start()
    try:
        for _ in range(FORKS):
            assert forked(map_and_use) == ""
    finally:
        over.set()
        thread.join()
