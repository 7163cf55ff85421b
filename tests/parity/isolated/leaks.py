"""Does the same work again and again: no more memory and no more objects are in use at the end."""

# ruff: noqa: T201

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

from sqlalchemy import inspect, select

from session import Session, implementation, joinedload, selectinload
from tests.parity.isolated.models import Circle, Letter, Parcel, Person, database, populate

WARM_UP, ROUNDS = 12, 40
BYTES = 1000  # per round; sqlite3 remembers its last 200 cursors


def main() -> None:
    engine = database()
    with Session(engine) as session:
        populate(session)
    for work in (life, loads, changes, errors, expirations):
        measure(work, engine)
    print("clean")


def measure(work: Callable[[Any], None], engine: Any) -> None:
    for _ in range(WARM_UP):
        work(engine)
    gc.collect()
    tracemalloc.start()
    work(engine)
    gc.collect()
    bytes_before, objects_before = tracemalloc.get_traced_memory()[0], objects()
    for _ in range(ROUNDS):
        work(engine)
    gc.collect()
    bytes_after, objects_after = tracemalloc.get_traced_memory()[0], objects()
    tracemalloc.stop()
    print(work.__name__, bytes_after - bytes_before, objects_after - objects_before)
    assert objects_after - objects_before < ROUNDS / 2, (work.__name__, objects_after - objects_before)
    assert bytes_after - bytes_before < ROUNDS * BYTES, (work.__name__, bytes_after - bytes_before)


def objects() -> int:
    """Count the objects that there are; not the weak references that sqlite3 has to its last cursors."""
    return sum(type(each) is not weakref.ref for each in gc.get_objects())


def life(engine: Any) -> None:
    for _ in range(10):
        person = Person(name="never stored", letters=[Letter(text="a"), Parcel(weight=1)])
        person.boss = Person(name="boss")
        person.letters.pop()
        person.name = "changed"
        del person.name
        inspect(person).attrs.letters.history  # noqa: B018
        person.__dict__["self"] = person


def loads(engine: Any) -> None:
    with Session(engine) as session:
        statement = select(Person).options(selectinload(Person.letters), joinedload(Person.circles))
        for person in session.scalars(statement).unique():
            person.note, person.boss, person.staff  # noqa: B018
        session.scalars(select(Letter)).all()
        session.get(Person, 1)
        session.execute(select(Person.name, Circle)).all()


def changes(engine: Any) -> None:
    with Session(engine) as session:
        person = session.get(Person, 1)
        person.name = "changed"
        person.letters.append(Parcel(text="new", weight=2.5))
        person.circles = []
        session.flush()
        session.delete(person.letters[-1])
        session.flush()
        session.rollback()


def errors(engine: Any) -> None:
    with Session(engine) as session:
        for attempt in (
            lambda: session.add(Person(id=1)) or session.flush(),
            lambda: Person(unknown=1),
            lambda: Person(letters=5),
            lambda: Person(boss=5),
            lambda: session.get(Person, 1).letters.append(5),
            lambda: session.scalars(select(Person)).one(),
            lambda: inspect(Person()).attrs.unknown,
        ):
            try:
                attempt()
            except Exception:
                session.rollback()


def expirations(engine: Any) -> None:
    with Session(engine) as session:
        people = session.scalars(select(Person)).all()
        for _ in range(3):
            session.expire_all()
            for person in people:
                person.name  # noqa: B018
                session.expire(person, ["name", "letters"])
                session.refresh(person)
        session.expunge(people[0])
        session.commit()


if __name__ == "__main__":
    print(implementation())
    main()
