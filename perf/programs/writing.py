"""Programs that insert, update, delete, merge and roll back.

In: a world and a count. Out: the value to check, the same for every contender.
"""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy import func, inspect, select

from perf import data
from perf.job import Job, Steps
from perf.world import Child, HandWorld, Identities, OrmWorld, Parent, Person, build

PERSON_COLUMNS = ("name", "email", "age", "city")
MERGED_CHILDREN = 2
PEOPLE = 100
"""So many people take turns in the requests."""


def insert(world: OrmWorld, count: int) -> Steps:
    people = [world.Person(**values) for values in data.people_values(count)]
    with world.session() as session:
        yield
        session.add_all(people)
        session.flush()
        session.commit()
        yield
        keys = [inspect(person).identity[0] for person in people]
        total = session.scalar(select(func.sum(world.Person.age)))
    return [len(set(keys)), sum(keys), total]


def insert_by_hand(world: HandWorld, count: int) -> Steps:
    people: list[Any] = [Person(**values) for values in data.people_values(count)]
    identities: Identities = {}
    yield
    _insert_records(world, "perf_person", PERSON_COLUMNS, people, identities)
    world.connection.commit()
    yield
    keys = [person.id for person in people]
    ((total,),) = world.rows("SELECT sum(age) FROM perf_person")
    return [len(set(keys)), sum(keys), total]


def _insert_records(
    world: HandWorld, table: str, columns: tuple[str, ...], records: list[Any], identities: Identities
) -> None:
    rows = [tuple(map(record.__dict__.__getitem__, columns)) for record in records]
    for record, key in zip(records, world.insert(table, columns, rows), strict=True):
        record.id = key
        identities[key] = weakref.ref(record)


def insert_children(world: OrmWorld, count: int) -> Steps:
    parents = [world.Parent(name=f"parent {i}") for i in range(count)]
    with world.session() as session:
        yield
        for parent in parents:
            for i in range(data.CHILDREN):
                parent.children.append(world.Child(name=f"child {i}"))
        session.add_all(parents)
        session.flush()
        session.commit()
        yield
        keys = [inspect(parent).identity[0] for parent in parents]
        children = session.scalar(select(func.count()).select_from(world.Child))
        parent_keys = session.scalar(select(func.sum(world.Child.parent_id)))
    return [len(set(keys)), children, parent_keys]


def insert_children_by_hand(world: HandWorld, count: int) -> Steps:
    parents: list[Any] = [Parent(name=f"parent {i}") for i in range(count)]
    parent_identities: Identities = {}
    child_identities: Identities = {}
    yield
    for parent in parents:
        parent.children = [Child(name=f"child {i}") for i in range(data.CHILDREN)]
    _insert_records(world, "perf_parent", ("name",), parents, parent_identities)
    children: list[Any] = []
    for parent in parents:
        for child in parent.children:
            child.parent_id = parent.id
            children.append(child)
    _insert_records(world, "perf_child", ("parent_id", "name"), children, child_identities)
    world.connection.commit()
    yield
    ((total, parent_keys),) = world.rows("SELECT count(*), sum(parent_id) FROM perf_child")
    return [len({parent.id for parent in parents}), total, parent_keys]


def update(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        people = session.scalars(select(world.Person)).all()
        yield
        for person in people:
            person.age += 1
        session.flush()
        yield
        total = session.scalar(select(func.sum(world.Person.age)))
        session.commit()
    return [len(people), total]


def update_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    people = _load_people(world)
    yield
    for person in people:
        person.age += 1
    world.run_many("UPDATE perf_person SET age=? WHERE id=?", [(person.age, person.id) for person in people])
    yield
    ((total,),) = world.rows("SELECT sum(age) FROM perf_person")
    world.connection.commit()
    return [len(people), total]


def request(world: OrmWorld, count: int) -> Steps:
    """What a web service does all day: a Session of its own for each request, that reads, changes and commits."""
    world.seed_people(PEOPLE)
    yield
    for number in range(count):
        with world.session() as session:
            person = session.get(world.Person, number % PEOPLE + 1)
            person.age = number
            session.commit()
    yield
    with world.session() as session:
        return [session.scalar(select(func.sum(world.Person.age)))]


def request_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(PEOPLE)
    columns = ("id", *PERSON_COLUMNS)
    one = f"SELECT {', '.join(columns)} FROM perf_person WHERE id = ?"
    yield
    for number in range(count):
        (person,) = build(Person, columns, world.rows(one, (number % PEOPLE + 1,)), {})
        person.age = number
        world.run_many("UPDATE perf_person SET age=? WHERE id=?", [(person.age, person.id)])
        world.connection.commit()
    yield
    ((total,),) = world.rows("SELECT sum(age) FROM perf_person")
    return [total]


def _load_people(world: HandWorld) -> list[Any]:
    columns = ("id", *PERSON_COLUMNS)
    rows = world.rows(f"SELECT {', '.join(columns)} FROM perf_person ORDER BY id")
    return build(Person, columns, rows, {})


def cascade_delete(world: OrmWorld, count: int) -> Steps:
    world.seed_parents(count)
    with world.session() as session:
        with_children = world.orm.selectinload(world.Parent.children)
        parents = session.scalars(select(world.Parent).options(with_children)).all()
        yield
        for parent in parents:
            session.delete(parent)
        session.flush()
        yield
        session.commit()
        left = session.scalar(select(func.count()).select_from(world.Parent))
        children_left = session.scalar(select(func.count()).select_from(world.Child))
    return [len(parents), left, children_left]


def cascade_delete_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_parents(count)
    parents = load_families(world)
    yield
    children = [(child.id,) for parent in parents for child in parent.children]
    world.run_many("DELETE FROM perf_child WHERE id=?", children)
    world.run_many("DELETE FROM perf_parent WHERE id=?", [(parent.id,) for parent in parents])
    yield
    world.connection.commit()
    ((left,),) = world.rows("SELECT count(*) FROM perf_parent")
    ((children_left,),) = world.rows("SELECT count(*) FROM perf_child")
    return [len(parents), left, children_left]


def load_families(world: HandWorld) -> list[Any]:
    """All parents, each with its list of children, in two SELECTs."""
    parents = build(Parent, ("id", "name"), world.rows("SELECT id, name FROM perf_parent"), {})
    by_key = {parent.id: parent for parent in parents}
    for parent in parents:
        parent.children = []
    columns = ("id", "parent_id", "name")
    rows = world.rows("SELECT id, parent_id, name FROM perf_child ORDER BY id")
    for child in build(Child, columns, rows, {}):
        child.parent = by_key[child.parent_id]
        child.parent.children.append(child)
    return parents


def merge(world: OrmWorld, count: int) -> Steps:
    world.seed_parents(count, MERGED_CHILDREN)
    given = [
        world.Parent(
            id=key,
            name=f"merged {key}",
            children=[world.Child(id=child, parent_id=key, name=f"child {child}") for child in _children_of(key)],
        )
        for key in range(1, count + 1)
    ]
    with world.session() as session:
        with_children = world.orm.selectinload(world.Parent.children)
        present = session.scalars(select(world.Parent).options(with_children)).all()
        yield
        merged = [session.merge(parent) for parent in given]
        session.flush()
        yield
        changed = select(func.count()).select_from(world.Parent).where(world.Parent.name.like("merged %"))
        names_changed = session.scalar(changed)
        session.commit()
        same = len({id(parent) for parent in present} & {id(parent) for parent in merged})
    return [same, names_changed]


def _children_of(parent: int) -> range:
    return range((parent - 1) * MERGED_CHILDREN + 1, parent * MERGED_CHILDREN + 1)


def merge_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_parents(count, MERGED_CHILDREN)
    given: list[Any] = [
        Parent(
            id=key,
            name=f"merged {key}",
            children=[Child(id=child, parent_id=key, name=f"child {child}") for child in _children_of(key)],
        )
        for key in range(1, count + 1)
    ]
    present = {parent.id: parent for parent in load_families(world)}
    children = {child.id: child for parent in present.values() for child in parent.children}
    yield
    merged = [_merge_record(parent, present, children) for parent in given]
    world.run_many("UPDATE perf_parent SET name=? WHERE id=?", [(parent.name, parent.id) for parent in merged])
    yield
    ((names_changed,),) = world.rows("SELECT count(*) FROM perf_parent WHERE name LIKE ?", ("merged %",))
    world.connection.commit()
    return [len({id(parent) for parent in merged}), names_changed]


def _merge_record(given: Any, present: dict[int, Any], children: dict[int, Any]) -> Any:
    target = present[given.id]
    target.name = given.name
    target.children = [children[child.id] for child in given.children]
    for child, given_child in zip(target.children, given.children, strict=True):
        child.name = given_child.name
        child.parent_id = given_child.parent_id
    return target


def rollback(world: OrmWorld, count: int) -> Steps:
    world.seed_people(count)
    with world.session() as session:
        people = session.scalars(select(world.Person)).all()
        for person in people:
            person.age += 1000
        session.flush()
        yield
        session.rollback()
        yield
        session.scalars(select(world.Person)).all()
        total = sum(person.age for person in people)
    return [len(people), total]


def rollback_by_hand(world: HandWorld, count: int) -> Steps:
    world.seed_people(count)
    people = _load_people(world)
    before = [dict(person.__dict__) for person in people]
    for person in people:
        person.age += 1000
    world.run_many("UPDATE perf_person SET age=? WHERE id=?", [(person.age, person.id) for person in people])
    yield
    world.connection.rollback()
    for person, values in zip(people, before, strict=True):
        person.__dict__.update(values)
    yield
    ((total,),) = world.rows("SELECT sum(age) FROM perf_person")
    assert total == sum(person.age for person in people)
    return [len(people), total]


JOBS = (
    Job("insert", "insert objects, keys back", 100_000, insert, insert_by_hand),
    Job("insert_children", "insert parents, 5 children each", 10_000, insert_children, insert_children_by_hand),
    Job("update", "change one attribute, flush", 20_000, update, update_by_hand),
    Job("request", "a Session each: get, change, commit", 5_000, request, request_by_hand),
    Job("cascade_delete", "delete parents, 5 children each", 10_000, cascade_delete, cascade_delete_by_hand),
    Job("merge", "merge parents, 2 children each", 10_000, merge, merge_by_hand),
    Job("rollback", "roll changes back", 10_000, rollback, rollback_by_hand),
)
