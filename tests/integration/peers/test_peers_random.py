"""Random programs come to the same collections with ``lazy="peers"`` as with ``lazy="select"``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from session import Session, joinedload, peerload, selectinload

from ..loading_models import Address, Base, Node, Pair, Part, Profile, Tag, User, fill, tagged

STEPS = 60
CLASSES = (User, Address, Tag, Node, Pair, Part, Profile)
RELATIONSHIPS = {
    User: ("addresses", "tags", "profile"),
    Address: ("user",),
    Tag: ("users",),
    Node: ("children", "parent"),
    Pair: ("parts",),
    Part: ("pair",),
    Profile: ("user",),
}


def populate(engine: Engine, seed: int) -> None:
    """Make the tables, with more rows, of random references."""
    fill(engine)
    chance = random.Random(seed)
    users, tags, nodes = range(10, 40), range(10, 20), range(10, 60)
    with engine.begin() as connection:
        connection.execute(insert(User), [{"id": n, "name": f"u{n}"} for n in users])
        connection.execute(insert(Tag), [{"id": n, "name": f"t{n}"} for n in tags])
        connection.execute(
            insert(Address),
            [{"id": n, "email": f"e{n}", "user_id": chance.choice([None, *users])} for n in range(10, 90)],
        )
        connection.execute(insert(Profile), [{"id": n, "text": f"p{n}", "user_id": n} for n in users if n % 3])
        links = sorted({(chance.choice(users), chance.choice(tags)) for _ in range(60)})
        connection.execute(insert(tagged), [{"user_id": user, "tag_id": tag} for user, tag in links])
        for node in nodes:
            parent = chance.choice([None, *range(1, 6), *range(10, node)])
            connection.execute(insert(Node), [{"id": node, "name": f"n{node}", "parent_id": parent}])
        connection.execute(insert(Pair), [{"a": n % 4, "b": n, "label": str(n)} for n in range(10, 25)])
        connection.execute(
            insert(Part),
            [
                {"id": n, "pair_a": pair and pair % 4, "pair_b": pair}
                for n in range(10, 60)
                for pair in [chance.choice([None, *range(10, 25)])]
            ],
        )


def name(obj: Any) -> Any:
    """Name an object, the same in every run."""
    if obj is None:
        return None
    return (type(obj).__name__, (obj.a, obj.b) if isinstance(obj, Pair) else obj.id)


def names(value: Any) -> Any:
    return sorted(map(name, value)) if isinstance(value, list) else name(value)


class Program:
    """A random program: the same seed makes the same steps, whatever the way of loading.

    :param session: the Session.
    :param seed: of the steps.
    :param options: for all statements.
    """

    def __init__(self, session: Session, seed: int, options: tuple[Any, ...]) -> None:
        self.session = session
        self.chance = random.Random(seed)
        self.options = options
        self.held: list[Any] = []

    def observations(self) -> Iterator[Any]:
        for _ in range(STEPS):
            step = self.chance.choice(
                [self.query] + [self.read] * 5 + [self.walk, self.expire, self.change, self.remove, self.let_go]
            )
            yield step.__name__, step()
        yield [names(getattr(obj, key)) for obj in self.held for key in RELATIONSHIPS[type(obj)]]

    def pick(self, *classes: type[Any]) -> Any:
        found = [obj for obj in self.held if not classes or isinstance(obj, classes)]
        return self.chance.choice(found) if found else None

    def query(self) -> Any:
        cls = self.chance.choice(CLASSES)
        key = self.chance.choice(RELATIONSHIPS[cls])
        eager = self.chance.choice([None, None, None, selectinload, joinedload])
        options = self.options if eager is None else (*self.options, eager(getattr(cls, key)))
        statement = select(cls).order_by(*cls.__table__.primary_key).options(*options)
        first = self.chance.randrange(20)
        found = self.session.scalars(statement).unique().all()[first : first + self.chance.randrange(40)]
        if self.chance.random() < 0.3:
            self.held = []
        known = set(map(id, self.held))
        self.held += [obj for obj in found if id(obj) not in known]
        return names(list(found))

    def read(self) -> Any:
        obj = self.pick()
        if obj is None:
            return self.query()
        key = self.chance.choice(RELATIONSHIPS[type(obj)])
        return name(obj), key, names(getattr(obj, key))

    def walk(self) -> Any:
        level, seen = [obj for obj in self.held if isinstance(obj, Node)], []
        for _ in range(self.chance.randrange(6)):
            seen.append(names(level))
            level = [child for node in level for child in node.children]
        return seen

    def expire(self) -> Any:
        what = self.chance.randrange(4)
        obj = self.pick()
        if what == 0 or obj is None:
            self.session.flush()
            self.session.expire_all()
            return None
        self.session.flush()
        if what == 1:
            self.session.expire(obj)
        elif what == 2:
            self.session.refresh(obj)
        else:
            self.session.expire(obj, [self.chance.choice(RELATIONSHIPS[type(obj)])])
        return name(obj)

    def change(self) -> Any:
        obj, owner, tag = self.pick(Address, Node), self.pick(User), self.pick(Tag)
        if isinstance(obj, Address):
            obj.user = owner
        elif isinstance(obj, Node):
            obj.parent = None
        elif owner is not None and tag is not None and tag not in owner.tags:
            owner.tags.append(tag)
        return name(obj), name(owner), name(tag)

    def remove(self) -> Any:
        obj = self.pick(Address, Profile)
        if obj is None:
            return None
        gone = name(obj)
        self.session.delete(obj)
        self.session.flush()
        self.session.expire_all()
        self.held.remove(obj)
        return gone

    def let_go(self) -> None:
        kept = self.chance.randrange(len(self.held) + 1)
        self.session.flush()
        self.held = self.held[:kept]


def run(engine: Engine, seed: int, options: tuple[Any, ...] = (), **settings: Any) -> list[Any]:
    with Session(engine, **settings) as session:
        return list(Program(session, seed, options).observations())


@pytest.mark.parametrize("seed", range(6))
def test_the_same_objects_are_found(engine: Engine, seed: int) -> None:
    populate(engine, seed)
    try:
        expected = run(engine, seed)
        assert any(observation for observation in expected)
        assert run(engine, seed, (peerload("*"),)) == expected
        assert run(engine, seed, lazy_peers=True) == expected
    finally:
        Base.metadata.drop_all(engine)
