"""Programs that load entities and their collections.

In: a world and a count. Out: the value to check, the same for every contender.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from perf.job import Check, Job, Steps
from perf.programs.writing import PERSON_COLUMNS, load_families
from perf.world import Child, HandWorld, Identities, OrmWorld, Parent, Person, build

PERSON_NAMES = ("id", *PERSON_COLUMNS)
ALL_PEOPLE = f"SELECT {', '.join(PERSON_NAMES)} FROM perf_person"


def _check_people(people: list[Any]) -> Check:
    return [len(people), sum(person.id for person in people), sum(person.age for person in people)]


def _check_families(parents: list[Any]) -> Check:
    children = [child for parent in parents for child in parent.children]
    return [len(parents), len(children), sum(child.id * child.parent_id for child in children)]


def load(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        yield
        people = session.scalars(select(world.Person)).all()
        yield
        return _check_people(people)


def load_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    identities: Identities = {}
    yield
    people = build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), identities)
    yield
    return _check_people(people)


def load_again(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        people = session.scalars(select(world.Person)).all()
        yield
        again = session.scalars(select(world.Person)).all()
        yield
        assert {id(person) for person in people} == {id(person) for person in again}
        return _check_people(again)


def load_again_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    identities: Identities = {}
    people = build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), identities)
    yield
    again = build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), identities)
    yield
    assert {id(person) for person in people} == {id(person) for person in again}
    return _check_people(again)


def selectin(world: OrmWorld, count: int) -> Steps:
    world.seed_parents(count)
    with world.session() as session:
        yield
        with_children = world.orm.selectinload(world.Parent.children)
        parents = session.scalars(select(world.Parent).options(with_children)).all()
        yield
        return _check_families(parents)


def selectin_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_parents(count)
    yield
    parents = load_families(world)
    yield
    return _check_families(parents)


def joined(world: OrmWorld, count: int) -> Steps:
    world.seed_parents(count)
    with world.session() as session:
        yield
        with_children = world.orm.joinedload(world.Parent.children)
        parents = session.scalars(select(world.Parent).options(with_children)).unique().all()
        yield
        return _check_families(parents)


def joined_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_parents(count)
    identities: Identities = {}
    child_identities: Identities = {}
    yield
    rows = world.rows(
        "SELECT perf_parent.id, perf_parent.name, perf_child.id, perf_child.parent_id, perf_child.name"
        " FROM perf_parent LEFT OUTER JOIN perf_child ON perf_child.parent_id = perf_parent.id"
    )
    each_parent = build(Parent, ("id", "name"), (row[:2] for row in rows), identities)
    each_child = build(Child, ("id", "parent_id", "name"), (row[2:] for row in rows), child_identities)
    parents: dict[int, Any] = {}
    for parent, child in zip(each_parent, each_child, strict=True):
        if parents.setdefault(parent.id, parent) is parent and "children" not in parent.__dict__:
            parent.children = []
        parent.children.append(child)
    yield
    return _check_families(list(parents.values()))


def lazy(world: OrmWorld, count: int) -> Steps:
    world.seed_parents(count)
    with world.session() as session:
        parents = session.scalars(select(world.Parent)).all()
        yield
        for parent in parents:
            parent.children  # noqa: B018 - reading it is what loads it
        yield
        return _check_families(parents)


def lazy_peers(world: OrmWorld, count: int) -> Steps:
    """The loop of `lazy`, where `session` loads for all peers at once; `sqlalchemy.orm` has nothing of the kind."""
    settings = {"lazy_peers": True} if world.orm.__name__ == "session" else {}
    world.seed_parents(count)
    with world.orm.Session(world.engine, **settings) as session:
        parents = session.scalars(select(world.Parent)).all()
        yield
        for parent in parents:
            parent.children  # noqa: B018 - reading it is what loads it
        yield
        return _check_families(parents)


def lazy_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_parents(count)
    parents = build(Parent, ("id", "name"), world.rows("SELECT id, name FROM perf_parent"), {})
    identities: Identities = {}
    yield
    cursor = world.cursor()
    statement = world.sql("SELECT id, parent_id, name FROM perf_child WHERE parent_id = ?")
    for parent in parents:
        cursor.execute(statement, (parent.id,))
        parent.children = build(Child, ("id", "parent_id", "name"), cursor.fetchall(), identities)
    yield
    return _check_families(parents)


def reload(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        people = session.scalars(select(world.Person)).all()
        yield
        session.expire_all()
        session.scalars(select(world.Person)).all()
        yield
        return _check_people(people)


def reload_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    people = {person.id: person for person in build(Person, PERSON_NAMES, world.rows(ALL_PEOPLE), {})}
    yield
    for person in people.values():
        person.__dict__.clear()
    for row in world.rows(ALL_PEOPLE):
        people[row[0]].__dict__.update(zip(PERSON_NAMES, row, strict=True))
    yield
    return _check_people(list(people.values()))


JOBS = (
    Job("load", "load entities", 100_000, load, load_by_hand),
    Job("load_again", "load again, all present", 100_000, load_again, load_again_by_hand),
    Job("selectin", "selectinload parents x 5", 10_000, selectin, selectin_by_hand),
    Job("joined", "joinedload parents x 5", 10_000, joined, joined_by_hand),
    Job("lazy", "lazy load parents x 5", 10_000, lazy, lazy_by_hand),
    Job("lazy_peers", "the same loop, lazy_peers", 10_000, lazy_peers, lazy_by_hand),
    Job("reload", "expire_all, load again", 20_000, reload, reload_by_hand),
    Job("memory", "memory of a loaded entity", 20_000, load, load_by_hand, meter="bytes"),
)
