"""Programs that fetch one entity at a time.

In: a world and a count. Out: the value to check, the same for every contender.
"""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy import bindparam, select

from perf.job import Job, Steps
from perf.programs.loading import ALL_PEOPLE, PERSON_NAMES
from perf.world import HandWorld, Identities, OrmWorld, Person, build

PRESENT = 1000
"""People that are in the identity map when it is asked for them."""


def get_miss(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        yield
        people = [session.get(world.Person, key) for key in range(1, count + 1)]
        yield
        return [len(people), sum(person.age for person in people)]


def get_miss_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    identities: Identities = {}
    yield
    people = [_fetch_one(world, key, identities) for key in range(1, count + 1)]
    yield
    return [len(people), sum(person.age for person in people)]


def _fetch_one(world: HandWorld, key: int, identities: Identities) -> Any:
    known = identities.get(key)
    person: Any = known() if known is not None else None
    if person is not None:
        return person
    cursor = world.cursor()
    cursor.execute(world.sql(f"{ALL_PEOPLE} WHERE id = ?"), (key,))
    person = Person.__new__(Person)
    person.__dict__ = dict(zip(PERSON_NAMES, cursor.fetchone(), strict=True))
    identities[key] = weakref.ref(person)
    return person


def get_hit(world: OrmWorld, count: int) -> Steps:
    present = min(count, PRESENT)
    world.seed_people(present)
    with world.session() as session:
        people = session.scalars(select(world.Person)).all()
        keys = [key % present + 1 for key in range(count)]
        yield
        for key in keys:
            session.get(world.Person, key)
        yield
        return [len(people), session.get(world.Person, keys[-1]).id]


def get_hit_by_hand(world: HandWorld, count: int) -> Steps:
    present = min(count, PRESENT)
    world.seed_people(present)
    identities: Identities = {}
    people = build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), identities)
    keys = [key % present + 1 for key in range(count)]
    yield
    for key in keys:
        identities[key]()
    yield
    return [len(people), _fetch_one(world, keys[-1], identities).id]


def select_fresh(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    total = 0
    with world.session() as session:
        yield
        for key in range(1, count + 1):
            total += session.scalars(select(world.Person).where(world.Person.id == key)).one().age
        yield
    return [count, total]


def select_prebuilt(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    statement = select(world.Person).where(world.Person.id == bindparam("key"))
    total = 0
    with world.session() as session:
        yield
        for key in range(1, count + 1):
            total += session.scalars(statement, {"key": key}).one().age
        yield
    return [count, total]


def select_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    identities: Identities = {}
    total = 0
    yield
    for key in range(1, count + 1):
        (person,) = build(Person, PERSON_NAMES, world.rows(f"{ALL_PEOPLE} WHERE id = ?", (key,)), identities)
        total += person.age
    yield
    return [count, total]


def refresh(world: OrmWorld, count: int) -> Steps:
    world.seed_people(1)
    with world.session() as session:
        person = session.get(world.Person, 1)
        yield
        for _ in range(count):
            session.commit()
            session.refresh(person)
        yield
        return [person.id, len(person.name)]


def refresh_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(1)
    (person,) = build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), {})
    yield
    for _ in range(count):
        world.connection.commit()
        (row,) = world.rows(f"{ALL_PEOPLE} WHERE id = ?", (1,))
        person.__dict__.update(zip(PERSON_NAMES, row, strict=True))
    yield
    return [person.id, len(person.name)]


JOBS = (
    Job("get_miss", "get() by key from the database", 20_000, get_miss, get_miss_by_hand),
    Job("get_hit", "get() by key, present", 100_000, get_hit, get_hit_by_hand),
    Job("select_fresh", "short select, statement made each time", 5_000, select_fresh, select_by_hand),
    Job("select_prebuilt", "short select, statement made once", 5_000, select_prebuilt, select_by_hand),
    Job("refresh", "commit and refresh one object", 5_000, refresh, refresh_by_hand),
)
