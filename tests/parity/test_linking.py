"""The loops of a flush that follow relationships, in both implementations."""

from __future__ import annotations

import random
from typing import Any

import pytest

from session.constants import NO_VALUE

from .hot import World, dead, outcome, state_of


@pytest.fixture
def parent_class(world: World) -> Any:
    return world.map(type("Parent", (), {}), columns=("id", "name"), collections=("children",))


@pytest.fixture
def child_class(world: World) -> Any:
    return world.map(type("Child", (), {}), columns=("id", "parent_id"), references=("parent",))


def manager_of(obj: Any) -> Any:
    return state_of(obj).manager


def test_statuses(world: World) -> None:
    linking = world.linking
    assert [linking.SAVE, linking.DELETE, linking.LISTED_SAVE, linking.LISTED_DELETE] == [0, 1, 2, 3]


def test_sorting_by_class_and_status(world: World, parent_class: Any, child_class: Any) -> None:
    objects = [
        world.make(cls) for cls in (parent_class, parent_class, child_class, child_class, child_class, parent_class)
    ]
    a, b, c, d, e, f = states = [state_of(obj) for obj in objects]
    statuses = dict(zip(states, (0, 1, 2, 3, 0, 1), strict=True))
    parent, child = a.manager, c.manager
    assert world.linking.by_class(states, statuses) == [
        (parent, [a], [b, f]),
        (child, [e], []),
    ]
    assert world.linking.by_manager(states) == [(parent, [a, b, f]), (child, [c, d, e])]
    assert world.linking.by_manager([]) == []
    assert world.linking.outcome(statuses) == ([a, c, e], [b, d, f])
    assert world.linking.outcome({}) == ([], [])
    parent.mapper.base_mapper, child.mapper.base_mapper = "parents", "children"
    assert world.linking.by_base(statuses) == ({"parents": [a], "children": [e]}, {"parents": [b, f]})
    assert world.linking.unsaved([None, *states, None], statuses) == [b, c, d, f]
    with pytest.raises(KeyError):
        world.linking.by_class([a], {})


def test_what_saving_concerns(world: World, child_class: Any) -> None:
    empty, holding, held, persistent, unchanged = (world.make(child_class) for _ in range(5))
    holding.__dict__["parent"] = None
    state_of(held).committed = {"parent": None}
    for number, obj in enumerate((persistent, unchanged)):
        world.file(obj, number)
    state_of(persistent).committed = {"parent_id": 3}
    state_of(unchanged).committed = {"name": 3}
    states = [state_of(obj) for obj in (empty, holding, held, persistent, unchanged)]
    found = world.linking.concerned(states, ("parent", "other"), frozenset({"parent_id"}))
    assert found == ([[state_of(holding), state_of(held)], []], {frozenset({"parent_id"}): [state_of(persistent)]})
    assert world.linking.concerned([], (), frozenset()) == ([], {})


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [(3, 3, True), (3, 4, False), ("a" * 3, "aaa", True), (3, 3.0, False), (1, True, False), (None, None, True)],
)
def test_setting_the_number_or_text_that_was_there_concerns_nothing(
    world: World, child_class: Any, old: Any, new: Any, same: bool
) -> None:
    obj = world.make(child_class)
    state = state_of(obj)
    state.ident = 1
    obj.__dict__["parent_id"] = new
    state.committed = {"parent_id": old, "name": 3}
    changed = world.linking.concerned([state], (), frozenset({"parent_id"}))[1]
    assert changed == ({} if same else {frozenset({"parent_id"}): [state]})
    state.committed = {"parent_id": NO_VALUE}
    assert world.linking.concerned([state], (), frozenset({"parent_id"}))[1] == {frozenset({"parent_id"}): [state]}


def test_a_relationship_to_the_same_objects_concerns_nothing(world: World, parent_class: Any, child_class: Any) -> None:
    parent, child = world.make(parent_class), world.make(child_class)
    first, second = world.make(child_class), world.make(child_class)
    world.file(parent, 1)
    world.file(child, 2)
    child.__dict__["parent"] = parent
    parent.children.extend([first, second])

    def concerned(obj: Any, key: str, old: Any) -> bool:
        state_of(obj).committed = {key: old}
        changed = world.linking.concerned([state_of(obj)], (key,), frozenset({key}))[1]
        assert changed in ({}, {frozenset({key}): [state_of(obj)]})
        return bool(changed)

    assert not concerned(child, "parent", parent)
    assert concerned(child, "parent", world.make(parent_class))
    assert concerned(child, "parent", NO_VALUE)
    assert not concerned(parent, "children", [first, second])
    for old in ([second, first], [first], [first, second, first], [], None, NO_VALUE, (first, second)):
        assert concerned(parent, "children", old)
    parent.__dict__["children"] = [first, second]  # a list, but nobody says that it keeps its objects in itself
    assert concerned(parent, "children", [first, second])


@pytest.mark.parametrize("value", [3, -(10**30), "a" * 3, "", None, True, False, 2.5])
def test_unchanged(world: World, child_class: Any, value: Any) -> None:
    unchanged, keys = world.linking.unchanged, frozenset({"name", "parent_id"})
    obj = world.make(child_class)
    world.file(obj, 1)
    state = state_of(obj)
    obj.__dict__["name"] = value
    state.committed = {"name": value}
    assert unchanged([state], keys) == [state]
    assert unchanged([state], frozenset()) == []
    obj.__dict__["parent_id"] = 4
    state.committed = {"name": value, "parent_id": 4}
    assert unchanged([state], keys) == [state]
    assert unchanged([state], frozenset({"name"})) == []
    for other in (NO_VALUE, [value], object(), 7, "b", 7.5):
        state.committed = {"name": other, "parent_id": 4}
        assert unchanged([state], keys) == []
    for committed in ({}, None):
        state.committed = committed
        assert unchanged([state], keys) == []
    del obj.__dict__["name"]
    state.committed = {"name": None}
    assert unchanged([state], keys) == []


def test_unchanged_values_that_can_change_in_place(world: World, child_class: Any) -> None:
    obj, new = world.make(child_class), world.make(child_class)
    world.file(obj, 1)
    for value in ([], {}, (), b"b", object()):
        obj.__dict__["name"] = value
        state_of(obj).committed = {"name": value}
        assert world.linking.unchanged([state_of(obj)], frozenset({"name"})) == []
    new.__dict__["name"] = 3
    state_of(new).committed = {"name": 3}
    assert world.linking.unchanged([state_of(new)], frozenset({"name"})) == []
    assert world.linking.unchanged([], frozenset()) == []


def test_states_of_objects(world: World, child_class: Any) -> None:
    obj = world.make(child_class)
    assert world.linking.states_of([obj, None, obj]) == [state_of(obj), None, state_of(obj)]
    assert world.linking.states_of(()) == []
    with pytest.raises((KeyError, AttributeError)):
        world.linking.states_of([3])


def test_members_of_a_new_collection(world: World, parent_class: Any, child_class: Any) -> None:
    collected = world.linking.collected
    parent, first, second = world.make(parent_class), world.make(child_class), world.make(child_class)
    state = state_of(parent)
    assert collected(state, "children") is None
    parent.children.append(first)
    found = collected(state, "children")
    assert found == [first]
    assert found is not parent.children
    assert collected(state, "name") is None
    state.committed = {"children": []}
    assert collected(state, "children") == [first]
    for before in ([second], None, [None]):
        state.committed = {"children": before}
        assert collected(state, "children") is None
    state.committed = {"children": NO_VALUE}
    state.extras = {"pending": {}}
    assert collected(state, "children") is None
    state.extras = None
    assert collected(state, "children") == [first]
    world.file(parent, 1)
    assert collected(state, "children") is None
    assert collected(dead(world, parent_class), "children") is None


def test_members_of_a_collection_that_is_no_list(world: World) -> None:
    cls = world.map(type("Owner", (), {}), columns=("id",))
    world.add(world.manager(cls), "things", "collection", collection_class=set)
    owner, thing = world.make(cls), world.make(cls)
    owner.things.add(thing)
    assert world.linking.collected(state_of(owner), "things") is None


def test_new_children_get_the_key(world: World, parent_class: Any, child_class: Any) -> None:
    parent = world.make(parent_class, id=7, name="x")
    usual, other, stranger, persistent, deleted = (world.make(child_class) for _ in range(5))
    world.file(persistent, 5)
    subclass = world.map(type("Other", (child_class,), {}), columns=("id", "parent_id"))
    special = world.make(subclass)
    gone = dead(world, child_class)
    everything = [usual, other, stranger, persistent, deleted, special]
    states = [*[state_of(obj) for obj in everything], gone, None]
    statuses = {state: 0 for state in states if state not in (None, state_of(stranger))}
    statuses[state_of(deleted)] = 1
    pairs = (("id", "parent_id"), ("name", "parent_name"))
    left = world.linking.refer_children(state_of(parent), states, pairs, statuses, manager_of(usual))
    assert left == [state_of(stranger), state_of(persistent), state_of(deleted), state_of(special), gone, None]
    for obj in (usual, other):
        assert (obj.__dict__["parent_id"], obj.__dict__["parent_name"]) == (7, "x")
        assert not state_of(obj).committed
    for obj in (stranger, persistent, deleted, special):
        assert "parent_id" not in obj.__dict__


@pytest.mark.parametrize("value", [NO_VALUE, None])
def test_children_of_a_parent_whose_key_is_not_there(
    world: World, parent_class: Any, child_class: Any, value: Any
) -> None:
    parent, child = world.make(parent_class), world.make(child_class)
    if value is NO_VALUE:
        parent.__dict__["id"] = NO_VALUE
    given = [state_of(child)]
    args = (state_of(parent), given, (("id", "parent_id"),), {given[0]: 0}, given[0].manager)
    assert world.linking.refer_children(*args) == given
    assert "parent_id" not in child.__dict__


def refer(child: Any, parent: Any, before: Any = NO_VALUE) -> Any:
    child.__dict__["parent"] = parent
    state_of(child).committed = {"parent": before}
    return state_of(child)


def test_new_objects_get_the_key_of_what_they_refer_to(world: World, parent_class: Any, child_class: Any) -> None:
    saved, filed, stranger, keyless = (world.make(parent_class, id=n) for n in range(4))
    del keyless.__dict__["id"]
    world.file(filed, 1)
    subclass = world.map(type("Special", (parent_class,), {}), columns=("id",))
    special = world.make(subclass, id=9)
    children = [world.make(child_class) for _ in range(9)]
    statuses = {state_of(parent): 0 for parent in (saved, keyless, special)}
    states = [
        refer(child, parent)
        for child, parent in zip(children, (saved, filed, stranger, keyless, special, None), strict=False)
    ]
    states.append(refer(children[6], saved, before=filed))
    world.file(children[7], 70)
    states.append(refer(children[7], saved))
    states.append(state_of(children[8]))  # nothing was set
    states.append(dead(world, child_class))
    statuses.update(dict.fromkeys(states, 0))
    args = ("parent", (("id", "parent_id"),), statuses, manager_of(saved), world.home)
    assert world.linking.refer_parents(states, *args) == states[2:]
    assert [child.__dict__.get("parent_id") for child in children] == [0, 1, *[None] * 7]
    statuses[states[0]] = 1
    assert world.linking.refer_parents(states[:2], *args) == states[:1]


def test_something_else_in_place_of_an_object(world: World, child_class: Any) -> None:
    child = world.make(child_class)
    state = refer(child, type("Foreign", (), {})())
    args = ("parent", (("id", "parent_id"),), {state: 0}, state.manager, world.home)
    assert world.linking.refer_parents([state], *args) == [state]


def test_lacking(world: World, child_class: Any) -> None:
    with_key, without = world.make(child_class, id=None), world.make(child_class)
    states = [state_of(with_key), state_of(without), dead(world, child_class)]
    assert world.linking.lacking(states, "id") == [state_of(without)]


def test_steps(world: World, child_class: Any) -> None:
    a, b, c = (world.make(child_class) for _ in range(3))
    steps = world.linking.Steps()
    assert steps.add("whole") == 0
    saves: dict[Any, int] = {}
    links: dict[Any, int] = {}
    states = [state_of(obj) for obj in (a, b, c)]
    steps.add_each("save", states, saves)
    steps.add_each("link", states[1:], links)
    assert saves == dict(zip(states, (1, 2, 3), strict=True))
    assert steps.names == [("whole", None), *[("save", s) for s in states], *[("link", s) for s in states[1:]]]
    steps.join(0, 1)
    steps.join(None, 1)
    steps.join(1, None)
    steps.precede(0, [None, states[0], "unknown", states[2]], saves)
    steps.precede(None, states, saves)
    steps.follow([states[1], None], saves, 0)
    steps.follow(states, saves, None)
    assert steps.edges == [(0, 1), (0, 1), (0, 3), (2, 0)]


def test_steps_of_references(world: World, child_class: Any) -> None:
    first, second, third = (world.make(child_class) for _ in range(3))
    states = [state_of(first), refer(second, first), refer(third, second, before=None)]
    saves: dict[Any, int] = {}
    links: dict[Any, int] = {}
    steps = world.linking.Steps()
    steps.add_each("save", states, saves)
    steps.add_each("link", states, links)
    assert steps.refer(states, "parent", links, saves) == [states[0], states[2]]
    assert steps.edges == [(links[states[1]], 1), (0, links[states[1]])]


def test_both_give_the_same_for_random_programs(worlds: tuple[World, World]) -> None:
    for seed in range(60):
        assert random_program(worlds[0], seed) == random_program(worlds[1], seed)


def random_program(world: World, seed: int) -> Any:
    chance = random.Random(seed)
    parent_class = world.map(type("Parent", (), {}), columns=("id",))
    child_class = world.map(type("Child", (), {}), columns=("id", "parent_id"), references=("parent",))
    parents = [world.make(parent_class, id=n) for n in range(chance.randint(1, 8))]
    children = [world.make(child_class) for _ in range(chance.randint(0, 20))]
    index = {state_of(obj): n for n, obj in enumerate([*parents, *children])}
    index[None] = -1
    for number, child in enumerate(children):
        if chance.random() < 0.8:
            refer(child, chance.choice([None, *parents]), chance.choice([NO_VALUE, NO_VALUE, None]))
        if chance.random() < 0.2:
            world.file(child, number)
    for number, parent in enumerate(parents):
        if chance.random() < 0.3:
            world.file(parent, number)
        if chance.random() < 0.1:
            del parent.__dict__["id"]
    statuses = {state: chance.randint(0, 3) for state in index if state is not None and chance.random() < 0.8}
    states = [state_of(child) for child in children]
    known = [state for state in states if state in statuses]
    pairs = (("id", "parent_id"),)
    linking = world.linking
    parent_manager, child_manager = world.manager(parent_class), world.manager(child_class)

    def numbers(found: Any) -> Any:
        return [index[state] for state in found]

    results: list[Any] = [
        [(numbers(one), numbers(other)) for _, one, other in linking.by_class(known, statuses)],
        [numbers(part) for part in linking.outcome(statuses)],
        numbers(linking.unsaved([*states, None], statuses)),
        outcome(lambda: numbers(linking.refer_parents(states, "parent", pairs, statuses, parent_manager, world.home))),
        numbers(linking.refer_children(state_of(parents[0]), states, pairs, statuses, child_manager)),
        [child.__dict__.get("parent_id", "absent") for child in children],
    ]
    saves: dict[Any, int] = {}
    links: dict[Any, int] = {}
    steps = linking.Steps()
    steps.add_each("save", [state for state in index if state is not None], saves)
    steps.add_each("link", states, links)
    results += [numbers(steps.refer(states, "parent", links, saves)), steps.edges]
    return results
