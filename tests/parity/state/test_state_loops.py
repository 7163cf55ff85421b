"""Many states at once, in both implementations."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from session.constants import NO_VALUE

from ..hot import World, collect, dead, state_of


def test_loops_over_states(world: World, thing: Any) -> None:
    others = [world.make(type(thing), name=str(number)) for number in range(5)]
    states = [world.file(other, number) for number, other in enumerate(others)]
    del others[2]
    states[2]._strong_obj = None
    world.home._modified.pop(states[2])
    collect()
    assert states[2]() is None
    world.state_loops.commit_all_states(states)
    assert not any(state.modified for state in states)
    world.state_loops.expire_states(iter(states))
    assert [state.expired for state in states] == [True, True, False, True, True]
    states[0].merge_expired(["a"])
    states[2].merge_expired(["a"])
    assert states[0].expired_keys == {"a", "id", "name", "note"}
    assert states[2].expired_keys == frozenset({"a"})


@pytest.mark.parametrize("loop", ["commit_all_states", "expire_states"])
@pytest.mark.parametrize("stranger", [None, 1, "state", object(), [], weakref.ref(World)])
def test_loops_refuse_what_is_no_state(world: World, thing: Any, loop: str, stranger: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        getattr(world.state_loops, loop)([state_of(thing), stranger])
    with pytest.raises(TypeError):
        getattr(world.state_loops, loop)(None)
    with pytest.raises((TypeError, AttributeError)):
        world.state.InstanceState.merge_expired(stranger, ["a"])


@pytest.mark.parametrize("loop", ["commit_all_states", "expire_states"])
def test_the_modified_states_are_not_walked_while_they_leave(world: World, thing: Any, loop: str) -> None:
    others = [world.make(type(thing)) for _ in range(5)]
    for number, other in enumerate(others):
        world.file(other, number)
        other.name = "changed"
    assert len(world.home._modified) == 5
    with pytest.raises(RuntimeError, match="changed size"):
        getattr(world.state_loops, loop)(world.home._modified)
    getattr(world.state_loops, loop)(list(world.home._modified))
    assert world.home._modified == {}


def test_keys_expire_on_many_states(world: World, thing: Any) -> None:
    other = world.make(type(thing), id=2, name="two")
    states = [state_of(thing), state_of(other)]
    state_of(other).commit_all(other.__dict__)
    world.state_loops.expire_keys(states, frozenset({"id"}))
    assert [(state.expired_keys, "id" in state.dict) for state in states] == [({"id"}, False)] * 2
    assert [state.committed for state in states] == [{"name": NO_VALUE}, None]
    world.state_loops.expire_keys(iter(states[:1]), frozenset({"name"}))
    assert [state.expired_keys for state in states] == [{"id", "name"}, {"id"}]


@pytest.mark.parametrize("stranger", [None, 1, "text", object(), "dead"])
def test_keys_expire_on_states_of_live_objects_only(world: World, thing: Any, stranger: Any) -> None:
    if stranger == "dead":
        stranger = dead(world, type(thing))
    with pytest.raises((TypeError, AttributeError)):
        world.state_loops.expire_keys([stranger], frozenset({"id"}))


def test_both_show_the_same_names(worlds: tuple[World, World]) -> None:
    compiled, pure = worlds
    assert compiled.state_loops.__all__ == pure.state_loops.__all__
