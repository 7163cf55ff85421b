"""The walk of a cascade, in both implementations."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from session.collections import attribute_keyed_dict
from session.constants import NO_VALUE

from .hot import World, state_of


class Prop:
    """As much of a relationship as the walk asks for; what it is asked is noted."""

    def __init__(self, key: str, reached: Callable[[Any], list[Any]] = lambda state: []) -> None:
        self.key = key
        self.reached = reached
        self.asked: list[Any] = []
        self.checked: list[Any] = []
        self.error: Exception | None = None

    def cascade_iterator(
        self, operation: str, state: Any, dict_: dict[str, Any], visited: set[Any], halt_on: Any
    ) -> Iterator[Any]:
        self.asked.append((operation, state))
        for obj in self.reached(state):
            other = state_of(obj)
            if other not in visited and not (halt_on is not None and halt_on(other)):
                visited.add(other)
                yield obj, "mapper", other, obj.__dict__

    def check_member(self, state: Any) -> None:
        self.checked.append(state)
        if self.error is not None:
            raise self.error


class Family:
    """A class of nodes with a parent and a list of children."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cls = world.map(type("Node", (), {}), columns=("id",), references=("parent",), collections=("children",))
        self.manager = world.manager(self.cls)
        self.up = Prop("parent")
        self.down = Prop("children")
        self.steps: tuple[Any, ...] = ()
        self.manager.mapper.cascade_steps = lambda operation: self.steps

    def step(self, prop: Prop, **settings: Any) -> Any:
        usual = {
            "key": prop.key,
            "uselist": prop is self.down,
            "former": False,
            "ask": False,
            "skip_new": False,
            "manager": self.manager,
            "prop": prop,
        }
        return self.world.cascading.Step(**{**usual, **settings})

    def node(self, *children: Any) -> Any:
        made = self.world.make(self.cls)
        if children:
            made.children = list(children)
        return made

    def walk(self, start: Any, *args: Any, **keywords: Any) -> list[Any]:
        found = self.world.cascading.walk("delete", state_of(start), *args, **keywords)
        assert all(state_of(obj) is state for state, obj in found)
        return [obj for _, obj in found]


@pytest.fixture
def family(world: World) -> Family:
    made = Family(world)
    made.steps = (made.step(made.down), made.step(made.up))
    return made


def test_depth_first_each_once(family: Family) -> None:
    a, b, c, d = (family.node() for _ in range(4))
    left, right = family.node(a, b), family.node(c, d)
    root = family.node(left, right)
    for child, parent in ((left, root), (right, root), (a, right)):
        child.__dict__["parent"] = parent
    assert family.walk(root) == [left, a, b, right, c, d]
    assert family.walk(a) == [right, c, d, root, left, b]
    assert family.walk(d) == []
    assert not family.up.asked
    assert not family.down.asked


def test_nothing_in_it(family: Family) -> None:
    node = family.node()
    node.__dict__["parent"] = None
    assert family.walk(node) == []
    node.__dict__["parent"] = NO_VALUE
    assert family.walk(node) == []


def test_a_chain_needs_no_recursion(family: Family) -> None:
    nodes = [family.node() for _ in range(20_000)]
    for node, parent in pairwise(nodes):
        node.__dict__["parent"] = parent
    assert family.walk(nodes[0]) == nodes[1:]


def test_where_it_halts(family: Family) -> None:
    world = family.world
    below, behind = family.node(), family.node()
    filed, new, other = family.node(below), family.node(), family.node(behind)
    root = family.node(filed, new, other)
    world.file(filed, 1)
    assert family.walk(root, None, world.home, {state_of(new)}) == [other, behind]
    assert family.walk(root, lambda state: state is state_of(other)) == [filed, below, new]

    def fail(state: Any) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        family.walk(root, fail)


def test_the_relationship_is_asked(family: Family) -> None:
    loaded = family.node()
    root = family.node()
    family.up.reached = lambda state: [loaded] if state is state_of(root) else []
    assert family.walk(root) == []
    family.steps = (family.step(family.up, ask=True),)
    assert family.walk(root) == [loaded]
    assert family.up.asked == [("delete", state_of(root)), ("delete", state_of(loaded))]

    # what it held before the change counts where the cascade says so
    family.up.asked.clear()
    root.__dict__["parent"] = None
    state_of(root).committed = {"parent": loaded}
    family.steps = (family.step(family.up),)
    assert family.walk(root) == []
    family.steps = (family.step(family.up, former=True),)
    assert family.walk(root) == [loaded]
    state_of(root).committed = {"parent": NO_VALUE}
    assert family.walk(root) == []
    # in the Session already
    state_of(root).committed = {"parent": loaded}
    assert family.walk(root, None, family.world.home, {state_of(loaded)}) == []


def test_queued_changes_are_asked_for(family: Family) -> None:
    added, root = family.node(), family.node()
    family.down.reached = lambda state: [added] if state is state_of(root) else []
    state_of(root).extras = {"pending": {}}
    assert family.walk(root) == [added]


def test_members_of_other_classes(family: Family) -> None:
    world = family.world
    special_class = world.map(type("Special", (family.cls,), {}), columns=("id",))
    world.manager(special_class).mapper.cascade_steps = lambda operation: ()
    special = world.make(special_class)
    root = family.node(special, family.node())
    assert family.walk(root)[0] is special
    assert family.down.checked == [state_of(special)]
    family.down.error = AssertionError("not for these")
    with pytest.raises(AssertionError, match="not for these"):
        family.walk(root)


def test_new_objects_can_be_passed_over(family: Family) -> None:
    new, filed = family.node(), family.node()
    family.world.file(filed, 4)
    family.steps = (family.step(family.down, skip_new=True),)
    assert family.walk(family.node(new, filed)) == [filed]


@pytest.mark.parametrize("kind", [set, dict])
def test_other_collections(world: World, kind: type[Any]) -> None:
    made = Family(world)
    if kind is dict:
        factory: Any = attribute_keyed_dict("id")
    else:
        factory = set
    world.add(made.manager, "children", "collection", trackparent=True, collection_class=factory)
    made.steps = (made.step(made.down),)
    root, child = made.node(), world.make(made.cls, id=3)
    if kind is dict:
        root.children[3] = child
    else:
        root.children.add(child)
    assert made.walk(root) == [child]


def test_an_object_that_is_not_mapped(family: Family) -> None:
    root = family.node()
    root.__dict__["parent"] = type("Foreign", (), {})()
    with pytest.raises(KeyError):
        family.walk(root)


def test_both_walk_alike(worlds: tuple[World, World]) -> None:
    for seed in range(60):
        assert random_walk(worlds[0], seed) == random_walk(worlds[1], seed)


def random_walk(world: World, seed: int) -> Any:
    chance = random.Random(seed)
    family = Family(world)
    nodes = [family.node() for _ in range(chance.randint(1, 25))]
    number = {state_of(node): index for index, node in enumerate(nodes)}
    for node in nodes:
        if chance.random() < 0.7:
            node.children = [chance.choice(nodes) for _ in range(chance.randint(0, 4))]
        if chance.random() < 0.5:
            node.__dict__["parent"] = chance.choice([None, *nodes])
        if chance.random() < 0.2:
            world.file(node, number[state_of(node)])
    family.up.reached = family.down.reached = lambda state: nodes[:: number[state] + 1]
    family.steps = tuple(
        family.step(prop, former=chance.random() < 0.3, ask=chance.random() < 0.2, skip_new=chance.random() < 0.2)
        for prop in chance.sample([family.up, family.down], 2)
    )
    new = {state for state in number if chance.random() < 0.1}
    halts = [(), (lambda state: number[state] % 5 == 0,), (None, world.home, new)]
    return [
        [number[state] for state, _ in world.cascading.walk("merge", state_of(node), *halt)]
        for node in nodes[:5]
        for halt in halts
    ]
