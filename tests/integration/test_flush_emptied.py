"""A Session that is emptied while it flushes: another thread is refused, a listener finds the flush undisturbed."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, event, func, select
from sqlalchemy.exc import IllegalStateChangeError, InvalidRequestError, ResourceClosedError

from session import Session, declarative_base, relationship

Base: Any = declarative_base()


class Owner(Base):
    __tablename__ = "emptied_owner"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))
    things = relationship("Thing", cascade="all, delete-orphan")


class Thing(Base):
    __tablename__ = "emptied_thing"
    id = Column(Integer, primary_key=True)
    name = Column(String(20), server_default="x")
    owner_id = Column(ForeignKey("emptied_owner.id"))


EMPTYING = {
    "expunge_all": Session.expunge_all,
    "close": Session.close,
    "reset": Session.reset,
    "invalidate": Session.invalidate,
    "rollback": Session.rollback,
}


@pytest.fixture
def full(engine: Engine) -> Session:
    """A Session with changes of all kinds, of objects that nobody else holds."""
    Base.metadata.create_all(engine)
    session = Session(engine, autoflush=False)
    session.add_all([Owner(id=number, name="old", things=[Thing(), Thing()]) for number in (1, 2, 3)])
    session.commit()
    first, second, third = session.scalars(select(Owner).order_by(Owner.id))
    first.name = "new"
    first.things.append(second.things.pop())
    second.things.pop()
    session.delete(third)
    session.add(Owner(id=4, name=func.lower("Q"), things=[Thing(), Thing()]))
    session.add_all([Thing(), Thing(name="y")])
    return session


def contents(session: Session) -> Any:
    owners = session.execute(select(Owner.id, Owner.name).order_by(Owner.id)).all()
    things = session.execute(select(Thing.owner_id, func.count()).group_by(Thing.owner_id)).all()
    return [*map(tuple, owners)], dict(map(tuple, things))


WRITTEN = ([(1, "new"), (2, "old"), (4, "q")], {1: 3, 4: 2, None: 2})

MOMENTS = [
    (Owner, "before_insert"),
    (Owner, "after_insert"),
    (Owner, "before_update"),
    (Owner, "before_delete"),
    (Thing, "before_insert"),
    (Thing, "after_insert"),
    (Thing, "after_delete"),
    (Session, "after_flush"),
]


def at(session: Session, moment: tuple[Any, str], call: Callable[[], Any]) -> Callable[[], None]:
    """Call once at a moment of a flush.

    :return: to be called afterwards.
    """
    target, name = moment
    target = session if target is Session else target
    calls = [call]

    def listener(*_: Any) -> None:
        if calls:
            calls.pop()()

    event.listen(target, name, listener)
    return lambda: event.remove(target, name, listener)


@pytest.mark.parametrize("how", EMPTYING)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment[1])
def test_another_thread_cannot_empty_a_session_that_flushes(full: Session, moment: Any, how: str) -> None:
    seen: list[BaseException] = []

    def empty() -> None:
        try:
            EMPTYING[how](full)
        except BaseException as error:
            seen.append(error)

    def meanwhile() -> None:
        thread = Thread(target=empty)
        thread.start()
        thread.join()

    forget = at(full, moment, meanwhile)
    try:
        full.flush()
    finally:
        forget()
    assert [type(error) for error in seen] == [IllegalStateChangeError]
    assert contents(full) == WRITTEN
    full.close()


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment[1])
def test_a_flush_writes_what_a_listener_takes_out_of_the_session(full: Session, moment: Any) -> None:
    forget = at(full, moment, full.expunge_all)
    try:
        full.flush()
    finally:
        forget()
    assert full._held == []
    assert contents(full) == WRITTEN
    full.close()


def test_a_listener_cannot_expunge_what_another_has_taken_out(full: Session) -> None:
    forget = at(full, (Owner, "before_insert"), full.expunge_all)
    event.listen(Thing, "before_insert", expunge_it := lambda mapper, connection, thing: full.expunge(thing))
    try:
        with pytest.raises(InvalidRequestError, match="not present"):
            full.flush()
    finally:
        forget()
        event.remove(Thing, "before_insert", expunge_it)
    full.rollback()
    assert contents(full)[0] == [(1, "old"), (2, "old"), (3, "old")]
    full.close()


@pytest.mark.parametrize("how", [how for how in EMPTYING if how != "expunge_all"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment[1])
def test_a_flush_whose_transaction_a_listener_ends_says_so(full: Session, moment: Any, how: str) -> None:
    forget = at(full, moment, lambda: EMPTYING[how](full))
    try:
        with pytest.raises(ResourceClosedError):
            full.flush()
    finally:
        forget()
    full.rollback()
    assert contents(full) == ([(1, "old"), (2, "old"), (3, "old")], {1: 2, 2: 2, 3: 2})
    full.close()


@pytest.mark.parametrize("moment", [(Owner, "before_insert"), (Session, "before_commit")], ids=lambda moment: moment[1])
def test_another_thread_cannot_flush_meanwhile(full: Session, moment: Any) -> None:
    seen: list[BaseException] = []

    def flush() -> None:
        try:
            full.flush()
        except BaseException as error:
            seen.append(error)

    def meanwhile() -> None:
        thread = Thread(target=flush)
        thread.start()
        thread.join()

    forget = at(full, moment, meanwhile)
    try:
        full.commit()
    finally:
        forget()
    expected = InvalidRequestError if moment[0] is Owner else IllegalStateChangeError
    assert [type(error) for error in seen] == [expected]
    assert contents(full) == WRITTEN
    full.close()


@pytest.mark.parametrize("twophase", [False, True])
def test_a_closed_transaction_cannot_be_prepared(engine: Engine, twophase: bool) -> None:
    session = Session(engine, twophase=twophase)
    transaction = session.begin()
    session.close()
    with pytest.raises(InvalidRequestError):
        transaction.prepare()
