"""Runs with a collection of garbage at every allocation: whatever is held only by luck dies at once."""

# ruff: noqa: T201

from __future__ import annotations

import gc
import random

from sqlalchemy import select

from session import Session, implementation
from tests.parity.isolated import leaks, random_sessions
from tests.parity.isolated.models import Letter, Person, database, populate


class Meddler:
    """Garbage that uses the Session when it goes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.own = self

    def __del__(self) -> None:
        list(self.session.identity_map.values())
        for obj in list(self.session.new):
            obj.__dict__.get("name")


def main() -> None:
    engine = database()
    with Session(engine) as session:
        populate(session)
    work = [leaks.life, leaks.loads, leaks.changes, leaks.errors, leaks.expirations]
    for each in work:
        each(engine)
    gc.set_threshold(1, 1, 1)
    for each in work:
        each(engine)
    gc.set_threshold(5, 2, 2)
    random_sessions.STEPS = 12
    random_sessions.print = lambda *what: None  # type: ignore[attr-defined]
    random_sessions.run(random.Random(1))
    with Session(engine) as session:
        for number in range(20):
            Meddler(session)
            for person in session.scalars(select(Person).limit(number)).all():
                person.name = f"changed {number}"
            session.add(Letter(text="new"))
            Meddler(session)
            session.flush()
            Meddler(session)
            session.expire_all()
        session.rollback()
    gc.set_threshold(700, 10, 10)
    print("clean")


if __name__ == "__main__":
    print(implementation())
    main()
