"""What happens to a state whose object dies, in both implementations."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from session.constants import NO_VALUE

from ..hot import CPYTHON, World, collect, state_of
from .things import make


def test_a_dead_object_leaves_its_shelf(world: World) -> None:
    thing = make(world)
    state = world.file(thing, 7)
    state.commit_all(thing.__dict__)
    shelf = state.shelf
    assert shelf == {7: state}
    del thing
    collect()
    assert shelf == {}
    assert state.shelf is None


def test_a_dead_object_does_not_take_away_its_successor(world: World) -> None:
    thing = make(world)
    state = world.file(thing, 7)
    state.commit_all(thing.__dict__)
    other = world.make(type(thing))
    shelf = state.shelf
    shelf[7] = state_of(other)
    del thing
    collect()
    assert shelf == {7: state_of(other)}


class Key:
    """A primary key value whose comparison does as it is told."""

    def __init__(self, number: int, on_compare: Any = None) -> None:
        self.number = number
        self.on_compare = on_compare

    def __hash__(self) -> int:
        return 3

    def __eq__(self, other: object) -> bool:
        if self.on_compare is not None:
            self.on_compare()
        return isinstance(other, Key) and self.number == other.number


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_key_that_does_not_compare_does_no_harm_when_the_object_dies(world: World) -> None:
    thing = make(world)
    broken = [False]

    def fail() -> None:
        if broken[0]:
            raise RuntimeError("no comparison")

    other = world.make(type(thing))
    other_state = world.file(other, Key(1, fail))
    state = world.file(thing, Key(2, fail))
    for each in (state, other_state):
        each.commit_all(each().__dict__)
    broken[0] = True
    del thing
    collect()
    broken[0] = False
    assert state() is None
    assert world.home.all_states() == [other_state]
    assert world.home.lookup(type(other), Key(2)) is None
    again = world.make(type(other))
    world.file(again, Key(2))
    assert world.home.lookup(type(other), Key(2)) is again


def test_a_key_that_empties_the_map_does_no_harm_when_the_object_dies(world: World) -> None:
    thing = make(world)
    meddling = [False]

    def meddle() -> None:
        if meddling[0]:
            meddling[0] = False
            world.home.clear()
            collect()

    others = [world.make(type(thing)) for _ in range(5)]
    for number, other in enumerate(others):
        world.file(other, Key(number, meddle)).commit_all(other.__dict__)
    state = world.file(thing, Key(9, meddle))
    state.commit_all(thing.__dict__)
    meddling[0] = True
    del thing
    collect()
    assert state() is None
    assert world.home.all_states() == []


def test_a_state_that_dies_with_its_object_calls_nobody(world: World) -> None:
    thing = make(world)
    state = world.file(thing, 1)
    state.commit_all(thing.__dict__)
    shelf = state.shelf
    thing.own = thing
    del state, thing
    collect()
    assert shelf == {}


def test_a_state_and_its_object_in_a_circle_are_collected(world: World) -> None:
    thing = make(world)
    state = state_of(thing)
    state._strong_obj = thing
    state.extra("info", dict)["me"] = state
    state.committed = {"state": state}
    witness = weakref.ref(thing)
    del state, thing
    collect()
    assert witness() is None


def test_a_finalizer_may_use_the_state_for_the_last_time(world: World) -> None:
    seen: list[Any] = []

    class Thing:
        def __del__(self) -> None:
            state = state_of(self)
            state.modified_event(self.__dict__, "name", NO_VALUE)
            seen.append((state.modified, dict(state.committed), state.ident))

    cls = world.map(Thing)
    obj = world.make(cls)
    world.file(obj, 1).commit_all(obj.__dict__)
    world.home.session = lambda: None
    del obj
    collect()
    assert seen == [(True, {"name": NO_VALUE}, 1)]


@pytest.mark.skipif(not CPYTHON, reason="about reference counts")
def test_a_finalizer_may_bring_the_object_back(world: World) -> None:
    kept: list[Any] = []

    class Thing:
        def __del__(self) -> None:
            kept.append(self)

    obj = world.make(world.map(Thing), name="back")
    world.file(obj, 1).commit_all(obj.__dict__)
    del obj
    [obj] = kept
    assert obj.name == "back"
    obj.name = "again"
    assert obj.name == "again"
    kept.clear()
    collect()
