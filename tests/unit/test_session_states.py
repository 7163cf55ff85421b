"""The guard of state changes, and its use by transactions."""

from __future__ import annotations

from enum import Enum
from threading import RLock, Thread

import pytest
from sqlalchemy import create_engine, event, exc, text

from session import Session
from session.state_changes import ANY_STATE, SAME_STATE, Guarded, moves


class Door(Enum):
    OPEN = 1
    SHUT = 2
    LOCKED = 3


class House(Guarded):
    def __init__(self, moving=None):
        super().__init__(moving)
        self._state = Door.OPEN
        self.meanwhile = None

    def _work(self):
        if self.meanwhile is not None:
            self.meanwhile()

    @moves((Door.OPEN,), Door.SHUT)
    def shut(self):
        self._work()
        self._state = Door.SHUT

    @moves((Door.SHUT,), Door.LOCKED)
    def lock(self):
        self._state = Door.LOCKED

    @moves(ANY_STATE, Door.LOCKED)
    def shut_and_lock(self):
        self._announce(Door.SHUT)
        self.shut()
        self._announce(Door.LOCKED)
        self.lock()

    @moves(ANY_STATE, SAME_STATE)
    def look(self):
        return self._state

    @moves(ANY_STATE, SAME_STATE)
    def slam(self):
        self._state = Door.SHUT


def refused(call):
    with pytest.raises(exc.IllegalStateChangeError) as caught:
        call()
    assert caught.value.code == "isce"


def test_a_method_starts_from_its_states_only():
    house = House()
    refused(house.lock)
    house.shut()
    house.lock()
    refused(house.shut)
    assert house.look() is Door.LOCKED


def test_announced_steps_may_run_inside_of_others():
    house = House()
    house.shut_and_lock()
    assert house._state is Door.LOCKED


def test_others_may_not():
    house = House()
    house.meanwhile = house.shut_and_lock
    refused(house.shut)
    assert house._state is Door.OPEN
    house.meanwhile = house.look
    refused(house.shut)
    house.meanwhile = None
    house.shut()


def test_a_method_must_end_where_it_says():
    refused(House().slam)


def test_an_error_leaves_the_guard_free():
    house = House()
    house.meanwhile = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        house.shut()
    house.meanwhile = None
    house.shut()
    assert house._state is Door.SHUT


def test_another_thread_is_refused_whatever_was_announced():
    house = House()
    seen = []

    def knock():
        try:
            house.shut()
        except exc.IllegalStateChangeError as error:
            seen.append(str(error))

    def meanwhile():
        house.meanwhile = None
        house._announce(Door.SHUT)
        thread = Thread(target=knock)
        thread.start()
        thread.join()

    house.meanwhile = meanwhile
    house.shut()
    assert len(seen) == 1
    assert "use one Session per thread" in seen[0]


def test_objects_that_share_a_lock_do_not_move_in_two_threads():
    moving = RLock()
    house, shed = House(moving), House(moving)
    thread = Thread(target=lambda: refused(shed.shut))
    house.meanwhile = lambda: (thread.start(), thread.join())
    house.shut()
    assert shed._state is Door.OPEN
    shed.shut()


def test_require():
    house = House()
    house._require("x", Door.OPEN)
    refused(lambda: house._require("x", Door.SHUT))
    house.meanwhile = lambda: house._require("x", Door.OPEN)
    refused(house.shut)


# -- transactions --------------------------------------------------------------------------------


class Intruder:
    """An engine that does something to the Session while a connection is asked for."""

    def __init__(self, engine):
        self.engine = engine
        self.intrude = None

    def connect(self):
        self.intrude()
        return self.engine.connect()


@pytest.mark.parametrize("verb", ["close", "commit", "rollback", "connection", "flush_begin"])
def test_use_while_a_connection_is_asked_for_is_refused(verb):
    bind = Intruder(create_engine("sqlite://"))
    session = Session(bind)
    caught = []

    def intrude():
        try:
            if verb == "flush_begin":
                session._transaction._begin()
            else:
                getattr(session, verb)()
        except exc.InvalidRequestError as error:
            caught.append(error.code)

    bind.intrude = intrude
    assert session.execute(text("SELECT 1")).scalar() == 1
    assert caught == ["isce"]
    session.close()


def test_failure_to_connect_leaves_the_session_usable():
    bind = Intruder(create_engine("sqlite://"))
    session = Session(bind)
    bind.intrude = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        session.connection()
    bind.intrude = lambda: None
    assert session.scalar(text("SELECT 1")) == 1
    session.close()


def test_blocks_that_are_left_in_another_order_leave_nothing_behind():
    session = Session(create_engine("sqlite://"))
    first = session.begin().__enter__()
    second = session.begin_nested().__enter__()
    third = session.begin_nested().__enter__()
    second.__exit__(None, None, None)
    first.__exit__(None, None, None)
    with pytest.raises(exc.InvalidRequestError, match="leave the block"):
        session.execute(text("SELECT 1"))
    third.__exit__(None, None, None)
    assert session.execute(text("SELECT 1")).scalar() == 1


def test_a_transaction_begins_in_one_thread_at_a_time():
    session = Session(create_engine("sqlite://"))
    refusals = []

    def intrude():
        try:
            session.execute(text("SELECT 1"))
        except exc.IllegalStateChangeError as error:
            refusals.append(error.code)

    @event.listens_for(session, "after_transaction_create")
    def meanwhile(session, transaction):
        session._transaction = None  # as another thread sees it before that
        thread = Thread(target=intrude)
        thread.start()
        thread.join()
        session._transaction = transaction

    session.begin()
    assert refusals == ["isce"]
    session.rollback()
