"""Programs that make objects and touch their attributes, without any SQL in the part that counts.

In: a world and a count. Out: the value to check, the same for every contender.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from perf.job import Job, Steps
from perf.programs.loading import ALL_PEOPLE, PERSON_NAMES
from perf.world import HandWorld, OrmWorld, Person, build


def construct(world: OrmWorld, count: int) -> Steps:
    kind = world.Person
    yield
    person = _construct_each(kind, count)
    yield
    return [person.age, len(person.name)]


def construct_by_hand(world: HandWorld, count: int) -> Steps:
    yield
    person = _construct_each(Person, count)
    yield
    return [person.age, len(person.name)]


def _construct_each(kind: Any, count: int) -> Any:
    for i in range(count):
        person = kind(name="a name", email="someone@example.org", age=i, city="a city")
    return person


def attribute_get(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        people = session.scalars(select(world.Person)).all()
        yield
        _read_each(people)
        yield
        return [len(people), sum(person.age for person in people)]


def attribute_get_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    people = build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), {})
    yield
    _read_each(people)
    yield
    return [len(people), sum(person.age for person in people)]


def _read_each(people: list[Any]) -> None:
    """Ten reads of each person; written out, so that the loop itself hardly counts."""
    for person in people:
        person.id, person.name, person.email, person.age, person.city  # noqa: B018
        person.id, person.name, person.email, person.age, person.city  # noqa: B018


def attribute_set(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        people = session.scalars(select(world.Person)).all()
        yield
        _write_each(people)
        yield
        total = sum(person.age for person in people)
        session.rollback()
        return [len(people), total]


def attribute_set_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    people = build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), {})
    yield
    _write_each(people)
    yield
    return [len(people), sum(person.age for person in people)]


def _write_each(people: list[Any]) -> None:
    """Eight writes to each person: four first ones, and four on top of them."""
    for person in people:
        person.name = "one"
        person.email = "one@example.org"
        person.age = 1
        person.city = "one"
        person.name = "two"
        person.email = "two@example.org"
        person.age = 2
        person.city = "two"


JOBS = (
    Job("construct", "construct with 4 keywords", 100_000, construct, construct_by_hand),
    Job("attribute_get", "read 10 attributes each", 20_000, attribute_get, attribute_get_by_hand),
    Job("attribute_set", "write 8 attributes each", 20_000, attribute_set, attribute_set_by_hand),
)
