"""Programs with very many objects in one Session: does time, and memory for each object, stay in proportion?

They seed their rows by one SQL statement, so that nothing is left in memory by it. `perf.scale` runs them.

In: a world and the number of objects. Out: the value to check, the same for every contender.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text

from perf.job import Program, Steps
from perf.world import OrmWorld, World

FAMILY = 6
"""A parent and its children, in objects."""

_NUMBERS = "WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < :count)"


@dataclass(frozen=True)
class ScaleJob:
    """One operation on many objects.

    Parameters:
        name: what the command line calls it.
        title: what tables and plots call it.
        program: as of a `perf.job.Job`.
    """

    name: str
    title: str
    program: Program


def _seed_people(world: World, count: int) -> None:
    _run(
        world,
        f"INSERT INTO perf_person (id, name, email, age, city) {_NUMBERS} "
        "SELECT i, 'name ' || i, 'person' || i || '@example.org', i % 90, 'city ' || (i % 100) FROM number",
        count,
    )


def _seed_parents(world: World, count: int) -> None:
    _run(world, f"INSERT INTO perf_parent (id, name) {_NUMBERS} SELECT i, 'parent ' || i FROM number", count)


def _seed_children(world: World, count: int, of_each: int) -> None:
    _run(
        world,
        f"INSERT INTO perf_child (id, parent_id, name) {_NUMBERS} "
        f"SELECT i, (i - 1) / {of_each} + 1, 'child ' || i FROM number",
        count,
    )


def _run(world: World, statement: str, count: int) -> None:
    with world.engine.begin() as connection:
        connection.execute(text(statement), {"count": count})


def _people(world: OrmWorld, session: Any) -> list[Any]:
    found: list[Any] = session.scalars(select(world.Person)).all()
    return found


def insert(world: OrmWorld, count: int) -> Steps:
    with world.session() as session:
        yield
        people = [world.Person(name="a name", email="someone@example.org", age=i, city="a city") for i in range(count)]
        session.add_all(people)
        session.flush()
        yield
        return [len({person.id for person in people})]


def commit(world: OrmWorld, count: int) -> Steps:
    with world.session() as session:
        people = [world.Person(name="a name", email="someone@example.org", age=i, city="a city") for i in range(count)]
        session.add_all(people)
        session.flush()
        yield
        session.commit()
        yield
        return [len(people), session.scalar(select(func.count()).select_from(world.Person))]


def rollback_of_new(world: OrmWorld, count: int) -> Steps:
    with world.session() as session:
        people = [world.Person(name="a name", email="someone@example.org", age=i, city="a city") for i in range(count)]
        session.add_all(people)
        session.flush()
        yield
        session.rollback()
        yield
        return [sum(person not in session for person in people)]


def load(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    with world.session() as session:
        yield
        people = _people(world, session)
        yield
        return [len(people)]


def identity_map(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    with world.session() as session:
        people = _people(world, session)
        yield
        found = sum(session.get(world.Person, key) in session for key in range(1, count + 1))
        walked = sum(1 for _ in session)
        yield
        return [len(people), found, walked]


def update(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    with world.session() as session:
        people = _people(world, session)
        yield
        for person in people:
            person.age += 1
        session.flush()
        yield
        return [len(people), session.scalar(select(func.sum(world.Person.age)))]


def rollback_of_changes(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    with world.session() as session:
        people = _people(world, session)
        for person in people:
            person.age += 1000
        session.flush()
        yield
        session.rollback()
        yield
        return [len(people), people[-1].age]


def expire_all(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    with world.session() as session:
        people = _people(world, session)
        yield
        session.expire_all()
        yield
        return [len(people), people[-1].age]


def expunge_all(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    with world.session() as session:
        people = _people(world, session)
        yield
        session.expunge_all()
        yield
        return [sum(person not in session for person in people)]


def delete(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    with world.session() as session:
        people = _people(world, session)
        yield
        for person in people:
            session.delete(person)
        session.flush()
        yield
        return [len(people), session.scalar(select(func.count()).select_from(world.Person))]


def cascade_delete(world: OrmWorld, count: int) -> Steps:
    parents = count // FAMILY
    _seed_parents(world, parents)
    _seed_children(world, parents * (FAMILY - 1), FAMILY - 1)
    with world.session() as session:
        with_children = world.orm.selectinload(world.Parent.children)
        found = session.scalars(select(world.Parent).options(with_children)).all()
        yield
        for parent in found:
            session.delete(parent)
        session.flush()
        yield
        return [len(found), session.scalar(select(func.count()).select_from(world.Child))]


def merge(world: OrmWorld, count: int) -> Steps:
    _seed_people(world, count)
    given = [
        world.Person(id=key, name="merged", email="someone@example.org", age=1, city="a city")
        for key in range(1, count + 1)
    ]
    with world.session() as session:
        people = _people(world, session)
        yield
        for person in given:
            session.merge(person)
        yield
        return [len(people), sum(person.name == "merged" for person in people)]


def append(world: OrmWorld, count: int) -> Steps:
    with world.session() as session:
        parent = world.Parent(name="the one")
        session.add(parent)
        session.flush()
        yield
        for _ in range(count):
            parent.children.append(world.Child(name="a child"))
        session.flush()
        yield
        return [session.scalar(select(func.count()).select_from(world.Child))]


def remove(world: OrmWorld, count: int) -> Steps:
    """Takes the last ones first: what a list does for the others is not the ORM's."""
    _seed_parents(world, 1)
    _seed_children(world, count, count)
    with world.session() as session:
        parent = session.get(world.Parent, 1)
        assert len(parent.children) == count
        yield
        while parent.children:
            parent.children.pop()
        session.flush()
        yield
        return [session.scalar(select(func.count()).select_from(world.Child))]


def load_collection(world: OrmWorld, count: int) -> Steps:
    _seed_parents(world, 1)
    _seed_children(world, count, count)
    with world.session() as session:
        parent = session.get(world.Parent, 1)
        yield
        children = parent.children
        yield
        return [len(children)]


def delete_one_parent(world: OrmWorld, count: int) -> Steps:
    _seed_parents(world, 1)
    _seed_children(world, count, count)
    with world.session() as session:
        parent = session.get(world.Parent, 1)
        assert len(parent.children) == count
        yield
        session.delete(parent)
        session.flush()
        yield
        return [session.scalar(select(func.count()).select_from(world.Child))]


def add_chain(world: OrmWorld, count: int) -> Steps:
    """Only the last of the chain is added; the cascade has to find its way to all others, and to flush none of them."""
    node = world.Node(name="first")
    for _ in range(1, count):
        node = world.Node(name="a node", parent=node)
    with world.session() as session:
        yield
        session.add(node)
        found = len(session.new)
        session.expunge_all()
        yield
        return [found]


def flush_tree(world: OrmWorld, count: int) -> Steps:
    nodes: list[Any] = [world.Node(name="first")]
    for i in range(1, count):
        nodes.append(world.Node(name="a node", parent=nodes[(i - 1) // 2]))
    with world.session() as session:
        yield
        session.add(nodes[0])
        session.flush()
        yield
        return [len({node.id for node in nodes})]


SCALE_JOBS: dict[str, ScaleJob] = {
    job.name: job
    for job in (
        ScaleJob("insert", "construct, add and flush", insert),
        ScaleJob("commit", "commit of new objects", commit),
        ScaleJob("rollback_of_new", "rollback of new objects", rollback_of_new),
        ScaleJob("load", "load", load),
        ScaleJob("identity_map", "get() of each, walk over all", identity_map),
        ScaleJob("update", "change and flush", update),
        ScaleJob("rollback_of_changes", "rollback of changes", rollback_of_changes),
        ScaleJob("expire_all", "expire_all()", expire_all),
        ScaleJob("expunge_all", "expunge_all()", expunge_all),
        ScaleJob("delete", "delete and flush", delete),
        ScaleJob("cascade_delete", "delete parents of 5 children", cascade_delete),
        ScaleJob("merge", "merge into loaded ones", merge),
        ScaleJob("append", "append to one collection, flush", append),
        ScaleJob("remove", "remove from one collection, flush", remove),
        ScaleJob("load_collection", "load one collection", load_collection),
        ScaleJob("delete_one_parent", "delete one parent of all", delete_one_parent),
        ScaleJob("add_chain", "add the end of a chain, expunge", add_chain),
        ScaleJob("flush_tree", "flush a binary tree", flush_tree),
    )
}
