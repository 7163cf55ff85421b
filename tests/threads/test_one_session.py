"""A second thread enters a Session while a first one is at work in it: what cannot go well is refused, nothing breaks.

The first thread is held at a known place (a call of the driver, a listener) for as long as the second one does what it
does, so that each meeting is the same each time.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, exc, func, insert, select, text

from session import Session
from session.exc import DetachedInstanceError
from tests.conftest import WATCHED, Database
from tests.faults.faulty import Faults, faulty_engine
from tests.faults.test_driver_errors import forget_frames
from tests.integration.session_models import Address, Base, User

pytestmark = [
    pytest.mark.skipif(WATCHED, reason="these have engines of their own"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

PATIENCE = 60  # seconds


class Gate(Faults):
    """Holds one thread at one place, while another works."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.held: threading.Thread | None = None
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    def passing(self, kind: str, text: str | None, caller: str, do: Callable[[], Any]) -> Any:
        if self.place in (kind, (text or "").partition(" ")[0]):
            self.wait()
        return do()

    def wait(self, *_: Any) -> None:
        """Wait, if this is the thread that is to be held and it is here for the first time."""
        if threading.current_thread() is self.held and not self.arrived.is_set():
            self.arrived.set()
            assert self.go_on.wait(PATIENCE)


def query(session: Session, user: User) -> None:
    session.scalars(select(User)).all()


def connect(session: Session, user: User) -> None:
    session.rollback()
    session.get_bind().engine.dispose()
    query(session, user)


def flush(session: Session, user: User) -> None:
    user.name = "changed"
    session.flush()


def commit(session: Session, user: User) -> None:
    user.name = "changed"
    session.commit()


def rollback(session: Session, user: User) -> None:
    flush(session, user)
    session.rollback()


def close(session: Session, user: User) -> None:
    flush(session, user)
    session.close()


def savepoint(session: Session, user: User) -> None:
    with session.begin_nested():
        user.name = "changed"


def undone_savepoint(session: Session, user: User) -> None:
    nested = session.begin_nested()
    flush(session, user)
    nested.rollback()


FIRST: dict[str, tuple[Callable[[Session, User], None], str]] = {
    "connecting": (connect, "connect"),
    "beginning": (connect, "begin"),
    "executing": (query, "SELECT"),
    "fetching": (query, "cursor.fetchall"),
    "flushing": (flush, "UPDATE"),
    "flushing for a commit": (commit, "UPDATE"),
    "committing": (commit, "commit"),
    "rolling back": (rollback, "rollback"),
    "closing": (close, "rollback"),
    "beginning a savepoint": (savepoint, "SAVEPOINT"),
    "flushing for a savepoint": (savepoint, "UPDATE"),
    "releasing a savepoint": (savepoint, "RELEASE"),
    "rolling back to a savepoint": (undone_savepoint, "ROLLBACK"),
}

SECOND: dict[str, Callable[[Session, User], Any]] = {
    "flush": flush,
    "commit": lambda session, user: session.commit(),
    "rollback": lambda session, user: session.rollback(),
    "close": lambda session, user: session.close(),
    "invalidate": lambda session, user: session.invalidate(),
    "begin": lambda session, user: session.begin(),
    "begin_nested": lambda session, user: session.begin_nested(),
    "connection": lambda session, user: session.connection(),
    "execute": lambda session, user: session.execute(text("SELECT 1")).all(),
    "query": query,
    "get": lambda session, user: session.get(User, 2),
    "refresh": lambda session, user: session.refresh(user),
    "lazy load": lambda session, user: user.addresses,
    "add": lambda session, user: session.add(User(name="added")),
    "merge": lambda session, user: session.merge(User(id=2, name="merged")),
    "delete": lambda session, user: session.delete(user),
    "expire_all": lambda session, user: session.expire_all(),
    "expunge_all": lambda session, user: session.expunge_all(),
    "look": lambda session, user: [session.new, session.dirty, session.deleted, list(session), user in session],
}

ENDS = ("commit", "rollback", "close", "invalidate")
NEEDS_CONNECTION = ("begin_nested", "connection", "execute", "query", "get", "refresh", "lazy load")

REFUSED: dict[str, tuple[str, ...]] = {
    "connecting": (*ENDS, *NEEDS_CONNECTION),
    "beginning": (),
    "flushing": ("flush",),
    "flushing for a commit": (*ENDS, "flush"),
    "committing": (*ENDS, *NEEDS_CONNECTION, "flush"),
    "rolling back": (*ENDS, *NEEDS_CONNECTION, "flush"),
    "releasing a savepoint": (*ENDS, *NEEDS_CONNECTION, "flush"),
    "rolling back to a savepoint": (*ENDS, *NEEDS_CONNECTION, "flush"),
}
"""What the second thread may not do, by the place where the first one is."""

CLEAN = (exc.SQLAlchemyError, DetachedInstanceError)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exc.SAWarning)
        yield
    logging.disable(logging.NOTSET)


class Meeting:
    """Two threads in one Session."""

    def __init__(self, database: Database, place: str) -> None:
        self.gate = Gate(place)
        self.plain = database.create_engine()
        Base.metadata.create_all(self.plain)
        with self.plain.begin() as connection:
            connection.execute(insert(User.__table__), [{"id": n, "name": "first"} for n in (1, 2)])
            connection.execute(insert(Address.__table__), [{"id": n, "email": "x", "user_id": n} for n in (1, 2)])
        self.engine = faulty_engine(database.url, self.gate)
        database._engines.append(self.engine)
        self.session = Session(self.engine)
        self.user = self.session.get_one(User, 1)
        self.errors: dict[str, BaseException | None] = {}

    def run(self, first: Callable[[Session, User], Any], second: Callable[[Session, User], Any]) -> None:
        thread = threading.Thread(target=self._work, args=("first", first))
        self.gate.held = thread
        thread.start()
        assert self.gate.arrived.wait(PATIENCE), "the first thread has not come to the place"
        other = threading.Thread(target=self._work, args=("second", second))
        other.start()
        other.join(PATIENCE)
        assert not other.is_alive(), "the second thread waits for the first"
        self.gate.go_on.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    def _work(self, name: str, work: Callable[[Session, User], Any]) -> None:
        try:
            work(self.session, self.user)
        except BaseException as error:
            self.errors[name] = error
        else:
            self.errors[name] = None

    def check(self) -> None:
        """Both have met nothing but errors that say so, and the Session is as good as new."""
        for name, error in self.errors.items():
            assert error is None or isinstance(error, CLEAN), (name, error)
            if error is not None:
                forget_frames(error)  # whose cursors keep the file locked
        session = self.session
        for _ in range(3):
            session.rollback()
            if not session.in_transaction():
                break
        assert not session.in_transaction()
        session.close()
        assert self.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert session.scalars(select(User).where(User.id < 3)).all()
        with session.begin_nested():
            session.get_one(User, 2).name = "at the end"
        session.commit()
        session.close()
        with self.plain.connect() as connection:
            assert connection.scalar(select(User.__table__.c.name).where(User.__table__.c.id == 2)) == "at the end"
            assert connection.scalar(select(func.count()).select_from(Address.__table__)) in (1, 2)


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("place", FIRST)
def test_second_thread_enters(database: Any, place: str, second: str) -> None:
    work, where = FIRST[place]
    meeting = Meeting(database, where)
    meeting.run(work, SECOND[second])
    refused = meeting.errors["second"]
    if second in REFUSED.get(place, ()):
        assert isinstance(refused, exc.InvalidRequestError)
        if second in ("close", "invalidate") or (second in ENDS and place in ("committing", "flushing for a commit")):
            assert isinstance(refused, exc.IllegalStateChangeError)
        if isinstance(refused, exc.IllegalStateChangeError) or place == "connecting":
            assert refused.code == "isce"
    if refused is not None and second in ENDS and place in ("committing", "connecting"):
        assert meeting.errors["first"] is None, "the first thread suffers from what was refused"
    if (place, second) != ("fetching", "invalidate"):  # a cursor without a connection keeps the SQLite file locked
        meeting.check()


LISTENED = ("after_begin", "before_flush", "after_flush", "before_commit", "after_commit", "after_rollback")


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("name", LISTENED)
def test_second_thread_enters_while_the_first_is_in_a_listener(database: Any, name: str, second: str) -> None:
    meeting = Meeting(database, "nowhere")
    meeting.session.rollback()
    event.listen(meeting.session, name, meeting.gate.wait)
    meeting.run(rollback if name == "after_rollback" else commit, SECOND[second])
    if second in ENDS and name not in ("after_begin", "before_flush", "after_flush"):
        assert isinstance(meeting.errors["second"], exc.InvalidRequestError)
    meeting.check()
