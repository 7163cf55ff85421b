"""Copying objects on to others, in both implementations."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy.exc import SAWarning

from session.exc import UnmappedInstanceError

from .hot import World, outcome, picture, show, state_of


class Reached(Exception):
    """Raised by listeners of these tests."""


class Cascade:
    merge = True


class Property:
    """As much of a relationship as the walk asks for."""

    def __init__(self, key: str, uselist: bool) -> None:
        self.key = key
        self.uselist = uselist
        self.cascade = Cascade()
        self.reverse_properties: list[Property] = []


class Plain:
    def __init__(self, key: str) -> None:
        self.key = key


class Loud(Plain):
    """A property that copies by itself."""

    def merge(self, session: Any, state: Any, values: Any, own_state: Any, own_values: Any, *rest: Any) -> None:
        session.world.note("copies by itself", self.key, state, own_state, rest)
        own_values[self.key] = values.get(self.key)


class Merger:
    """A Session that is merged into, and the walk's helpers, on one implementation."""

    def __init__(self, world: World, cls: Any, kinds: dict[str, str], load: bool = True) -> None:
        self.world = world
        self.cls = cls
        self.load = load
        self.identity_map = world.home
        self._new: dict[Any, None] = {}
        self.kinds = kinds
        self.merged: dict[Any, Any] = {}
        mapper = world.manager(cls).mapper
        mapper.pk_keys = ("id",)
        mapper.merge_plans = {}
        self.properties = {key: self.property(key, kind) for key, kind in kinds.items()}
        if {"parts", "other"} <= kinds.keys():
            self.properties["parts"].reverse_properties.append(self.properties["other"])
            self.properties["other"].reverse_properties.append(self.properties["parts"])

    def property(self, key: str, kind: str) -> Any:
        if kind == "column":
            return Plain(key)
        return Loud(key) if kind == "loud" else Property(key, kind == "collection")

    def plan_for(self, mapper: Any, manager: Any) -> Any:
        hot = self.world.merging
        kind_of = {"column": hot.COLUMN, "loud": hot.OTHER}
        steps = [
            hot.MergeStep(kind_of.get(kind, hot.RELATED), self.properties[key], manager[key])
            for key, kind in self.kinds.items()
        ]
        return hot.MergePlan(steps, "name")

    def find(self, state: Any, values: dict[str, Any]) -> tuple[Any, bool]:
        self.world.note("find", state)
        return self.world.make(self.cls), True

    def check_version(self, key: str, state: Any, values: Any, own_values: Any) -> None:
        self.world.note("version", key, values.get(key), own_values.get(key))
        if values.get(key) == "refused":
            raise Reached("another version")

    def run(self, obj: Any) -> Any:
        hot = self.world.merging
        walk = hot.MergeWalk(self, self.load, self.merged, {}, self.find, self.plan_for, self.check_version)
        return walk.run(state_of(obj), obj.__dict__)


COLUMNS = {"id": "column", "name": "column", "note": "column"}
ALL = {**COLUMNS, "other": "object", "parts": "collection"}


def merger_of(world: World, kinds: dict[str, str] = ALL, load: bool = True, **options: Any) -> Merger:
    of = {
        kind: [key for key, its in kinds.items() if its == kind] for kind in ("column", "loud", "object", "collection")
    }
    cls = world.map(columns=of["column"] + of["loud"], references=of["object"], collections=of["collection"], **options)
    dispatch = world.manager(cls).dispatch
    dispatch._sa_event_merge_wo_load = dispatch.expire
    dispatch.load.append(lambda state, context: world.note("load", state, context))
    return Merger(world, cls, kinds, load)


def test_values_go_to_the_object_that_is_there(world: World) -> None:
    merger = merger_of(world, COLUMNS)
    there = world.make(merger.cls, id=1, name="before", note="kept")
    world.file(there, 1).commit_all(there.__dict__)
    assert merger.run(world.make(merger.cls, id=1, name="after")) is there
    assert (there.id, there.name, there.note) == (1, "after", "kept")
    state = state_of(there)
    assert (state.committed, state.modified, state._strong_obj) == ({"id": 1, "name": "before"}, True, there)
    assert list(world.home._modified) == [state]


def test_what_is_not_loaded_on_either_side_expires(world: World) -> None:
    merger = merger_of(world, COLUMNS)
    there = world.make(merger.cls, id=1)
    world.file(there, 1)
    merger.run(world.make(merger.cls, id=1))
    assert state_of(there).expired_keys == {"name", "note"}


@pytest.mark.parametrize("load", [True, False])
def test_an_object_that_is_not_there_is_asked_for(world: World, load: bool) -> None:
    merger = merger_of(world, COLUMNS, load=load)
    given = world.make(merger.cls, name="x")
    made = merger.run(given)
    assert made is not given
    assert made.name == "x"
    assert merger.run(given) is made
    assert world.log[0] == ("tuple", "find", show(state_of(given)))
    assert (state_of(made).committed is None) is not load


def test_a_pending_object_of_the_session_is_asked_for_too(world: World) -> None:
    merger = merger_of(world, COLUMNS)
    there = world.make(merger.cls, id=1)
    world.file(there, 1)
    pending = world.make(merger.cls, id=1)
    merger._new[state_of(pending)] = None
    assert merger.run(pending) is not there


def test_an_object_merged_into_its_own_session_is_left_alone(world: World) -> None:
    merger = merger_of(world, COLUMNS)
    there = world.make(merger.cls, id=1, name="refused")
    world.file(there, 1)
    assert merger.run(there) is there


def test_another_version_is_refused(world: World) -> None:
    merger = merger_of(world, COLUMNS)
    with pytest.raises(Reached):
        merger.run(world.make(merger.cls, id=1, name="refused"))


def test_a_listener_may_raise_and_the_object_keeps_its_value(world: World) -> None:
    merger = merger_of(world, COLUMNS)
    there = world.make(merger.cls, id=1, name="before")
    world.file(there, 1)

    def refuse(*args: Any) -> None:
        raise Reached("no")

    world.listen(merger.cls, "name", "set", refuse)
    with pytest.raises(Reached):
        merger.run(world.make(merger.cls, id=1, name="after"))
    assert there.name == "before"


def test_related_objects_come_first_and_a_chain_may_be_long(world: World) -> None:
    merger = merger_of(world, {**COLUMNS, "other": "object"})
    last = head = world.make(merger.cls, id=0)
    for number in range(1, 5000):
        link = world.make(merger.cls, id=number)
        last.other, last = link, link
    found, count = merger.run(head), 0
    while found is not None:
        found, count = found.__dict__.get("other"), count + 1
    assert count == 5000


def test_a_circle_ends(world: World) -> None:
    merger = merger_of(world, {**COLUMNS, "other": "object"})
    one, two = world.make(merger.cls, id=1), world.make(merger.cls, id=2)
    one.other, two.other = two, one
    found = merger.run(one)
    assert found.other.other is found


def test_something_unmapped_in_a_relationship_is_refused(world: World) -> None:
    merger = merger_of(world, {**COLUMNS, "other": "object"})
    given = world.make(merger.cls, id=1)
    given.__dict__["other"] = type("Stranger", (), {})()
    with pytest.raises(UnmappedInstanceError):
        merger.run(given)


@pytest.mark.filterwarnings("ignore", category=SAWarning)
@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_come_out_alike(worlds: tuple[World, World], seed: int) -> None:
    pictures = [_random_merges(world, random.Random(seed)) for world in worlds]
    assert pictures[0] == pictures[1]


def _random_merges(world: World, chance: random.Random) -> list[Any]:
    kinds: dict[str, str] = dict(ALL)
    if chance.random() < 0.3:
        kinds["note"] = "loud"
    merger = merger_of(world, kinds, load=chance.random() < 0.7, active_history=chance.random() < 0.3)
    if chance.random() < 0.3:
        world.listen(merger.cls, chance.choice(["name", "other"]), "set")
    if chance.random() < 0.3:
        world.impl(merger.cls, "name").send_modified = False
    world.manager(merger.cls).row = {"id": 7, "name": "of the row", "note": "of the row"}
    there = [_some_object(world, merger, chance, number) for number in range(4)]
    for number, obj in enumerate(there):
        state = world.file(obj, number)
        if chance.random() < 0.6:
            state.commit_all(obj.__dict__)
        if chance.random() < 0.3:
            state.expire(obj.__dict__)
    given = [_some_object(world, merger, chance, chance.randrange(6)) for _ in range(4)]
    for obj in given:
        if chance.random() < 0.5:
            obj.other = chance.choice(given)
        if chance.random() < 0.5:
            obj.parts = chance.sample(given, 2)
        if chance.random() < 0.4 or not merger.load:
            state_of(obj).ident = obj.__dict__.get("id")
        if chance.random() < 0.2:
            state_of(obj).callables["note"] = lambda state, passive: "called"
    outcomes = [outcome(merger.run, obj) for obj in chance.sample(given, 3)]
    mentioned = dict.fromkeys([*there, *given, *[obj for obj in merger.merged.values() if obj is not True]])
    return [outcomes, [picture(state_of(obj)) for obj in mentioned], world.log, world.owner.begun]


def _some_object(world: World, merger: Merger, chance: random.Random, number: int) -> Any:
    obj = world.make(merger.cls)
    if chance.random() < 0.8:
        obj.id = number
    for key in ("name", "note"):
        if chance.random() < 0.6:
            obj.__dict__[key] = chance.choice(["a", "b", None])
    return obj


def test_a_walk_keeps_nothing_alive(world: World) -> None:
    merger = merger_of(world, COLUMNS)
    given = world.make(merger.cls, id=1)
    state = state_of(given)
    merger.run(given)
    merger.merged.clear()
    del given
    assert state() is None
