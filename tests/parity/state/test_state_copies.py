"""Copies and pickles of states, in both implementations."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from ..hot import World, state_of


def test_a_copy_of_a_state_is_the_state(world: World, thing: Any) -> None:
    state = state_of(thing)
    assert copy.copy(state) is state
    assert state_of(thing) is state


def test_a_deep_copy_of_an_object_has_a_state_of_its_own(world: World, thing: Any) -> None:
    thing.note = ["nested"]
    other = copy.deepcopy(thing)
    assert other is not thing
    assert state_of(other) is not state_of(thing)
    assert state_of(other)() is other
    assert state_of(thing)() is thing
    assert other.note == ["nested"]
    assert other.note is not thing.note
    assert state_of(other).committed == state_of(thing).committed


class Picklable:
    pass


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_restores_object_and_state_once(world: World, protocol: int) -> None:
    cls = world.map(Picklable, columns=("id", "name"))
    thing = world.make(cls, id=1, name="pickled")
    state = state_of(thing)
    state.ident = 1
    other = pickle.loads(pickle.dumps(thing, protocol))
    assert other.name == "pickled"
    assert state_of(other)() is other
    assert state_of(other).ident == 1
    assert state_of(other).committed == state.committed
    again = pickle.loads(pickle.dumps([thing, state], protocol))
    assert again[1] is state_of(again[0])
    assert again[1]() is again[0]


def test_a_pickle_names_no_implementation(world: World) -> None:
    thing = world.make(world.map(Picklable))
    written = pickle.dumps(thing, 0)
    assert b"_cy" not in written
    assert b"_py" not in written
