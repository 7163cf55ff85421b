"""The instance state, in both implementations: a weak reference that knows identity and life."""

from __future__ import annotations

import gc
import operator
import sys
import weakref
from typing import Any

import pytest

from session.constants import INSTANCE_STATE, PASSIVE_OFF

from ..hot import World, collect, picture, state_of
from .things import make

FRESH = {
    "ident": None,
    "identity_token": None,
    "home": None,
    "shelf": None,
    "committed": None,
    "expired_keys": None,
    "expired": False,
    "modified": False,
    "_deleted": False,
    "_strong_obj": None,
    "insert_order": 0,
    "load_options": None,
    "load_path": None,
    "run_id": 0,
    "extras": None,
}


# -- the reference -----------------------------------------------------------------------------------


def test_a_state_is_a_weak_reference_to_its_object(world: World) -> None:
    thing = make(world)
    state = state_of(thing)
    assert isinstance(state, weakref.ref)
    assert state() is state.obj() is state.object is thing
    assert state in weakref.getweakrefs(thing)
    del thing
    collect()
    assert state() is None
    assert state.obj() is None
    assert state.object is None
    assert state.dict == {}


def test_a_fresh_state_knows_nothing(world: World, thing: Any) -> None:
    manager = world.manager(type(thing))
    state = world.state.InstanceState(thing, manager)
    assert state.manager is manager
    assert {name: getattr(state, name) for name in FRESH} == FRESH
    assert state.class_ is type(thing)
    assert state.mapper is manager.mapper
    assert state.dict is thing.__dict__
    assert (state.session, state.session_id, state.async_session) == (None, None, None)
    assert (state.key, state.identity_key, state.identity, state.has_identity) == (None, None, None, False)
    assert (state.is_instance, state.is_mapper, state.is_selectable, state.is_aliased_class) == (
        True,
        False,
        False,
        False,
    )


def test_the_manager_is_no_callback(world: World) -> None:
    thing = make(world)
    called: list[Any] = []
    state = world.state.InstanceState(thing, called.append)
    del thing
    collect()
    assert state() is None
    assert called == []
    assert state.manager == called.append


def test_the_manager_may_be_none(world: World) -> None:
    thing = make(world)
    state = world.state.InstanceState(thing, None)
    shelf = state.shelf = {}
    state.ident = 1
    shelf[1] = state
    del thing
    collect()
    assert shelf == {}


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2), (1, 2, 3), (None, None), ("text", None)])
def test_only_an_object_that_can_be_referred_to_weakly_has_a_state(world: World, arguments: Any) -> None:
    with pytest.raises(TypeError):
        world.state.InstanceState(*arguments)
    with pytest.raises(TypeError):
        world.state.InstanceState.__new__(world.state.InstanceState, *arguments)


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_a_state_takes_an_object_and_a_manager(world: World, thing: Any, count: int) -> None:
    before = len(weakref.getweakrefs(thing))
    with pytest.raises(TypeError):
        world.state.InstanceState(*([thing] * count))
    with pytest.raises(TypeError):
        world.state.InstanceState.__new__(world.state.InstanceState, *([thing] * count))
    collect()
    assert len(weakref.getweakrefs(thing)) == before


@pytest.mark.parametrize("base", [weakref.ref, object])
def test_a_state_is_not_made_by_its_base(world: World, thing: Any, base: Any) -> None:
    if world.name == "pure":
        pytest.skip("a class written in Python can be made this way; such a state has no attributes at all")
    with pytest.raises(TypeError):
        base.__new__(world.state.InstanceState, thing)


@pytest.mark.parametrize("method", ["obj", "commit_all", "expire", "detach", "__repr__", "__reduce__", "__hash__"])
def test_methods_want_a_state(world: World, method: str) -> None:
    if world.name == "pure" and method in ("obj", "__hash__"):
        pytest.skip("in Python, a function of anything")
    function = getattr(world.state.InstanceState, method)
    for stranger in (None, 1, object(), weakref.ref(world.state.InstanceState)):
        with pytest.raises((TypeError, AttributeError)):
            function(stranger, *([{}] if method in ("commit_all", "expire") else []))


def test_states_are_equal_only_to_themselves(world: World) -> None:
    thing = make(world)
    manager = world.manager(type(thing))
    first, second = world.state.InstanceState(thing, manager), world.state.InstanceState(thing, manager)
    assert first == first
    assert not first != first  # noqa: SIM202
    assert first != second
    assert not first == second  # noqa: SIM201
    assert first != thing
    assert {first: 1, second: 2}[second] == 2
    assert hash(first) == hash(first)
    number = hash(first)
    del thing
    collect()
    assert hash(first) == number
    assert first != second
    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        with pytest.raises(TypeError):
            compare(first, second)


def test_repr_tells_class_and_key(world: World, thing: Any) -> None:
    state = state_of(thing)
    assert repr(state) == f"<InstanceState of Thing at {id(state):#x}, key None>"
    state.ident = 5
    assert repr(state) == f"<InstanceState of Thing at {id(state):#x}, key {(type(thing), (5,), None)!r}>"


def test_a_subclass_of_the_state_works(world: World, thing: Any) -> None:
    class Special(world.state.InstanceState):  # type: ignore[misc, name-defined]
        pass

    state = Special(thing, world.manager(type(thing)))
    thing.__dict__[INSTANCE_STATE] = state
    state.remark = "mine"
    thing.name = "other"
    assert thing.name == "other"
    assert state.committed == {"name": "one"}
    assert state.modified
    state.expire(thing.__dict__)
    assert "name" not in thing.__dict__


# -- identity ----------------------------------------------------------------------------------------


def test_the_key_of_one_column_is_kept_as_the_bare_value(world: World, thing: Any) -> None:
    state = state_of(thing)
    state.key = (type(thing), (5,), "token")
    assert (state.ident, state.identity_token) == (5, "token")
    assert state.key == state.identity_key == (type(thing), (5,), "token")
    assert state.identity == (5,)
    state.key = (type(thing), (6,))
    assert (state.ident, state.identity_token) == (6, None)
    state.key = None
    assert (state.ident, state.identity_token, state.key) == (None, None, None)


def test_the_key_of_several_columns_is_a_tuple(world: World) -> None:
    obj = world.make(world.map(columns=("a", "b"), primary_key=("a", "b")))
    state = state_of(obj)
    state.key = (type(obj), [1, 2], None)
    assert state.ident == (1, 2)
    assert state.identity == (1, 2)
    assert state.key == (type(obj), (1, 2), None)


@pytest.mark.parametrize("key", [5, (), ("class",), ("class", ())])
def test_what_is_no_key_is_refused(world: World, thing: Any, key: Any) -> None:
    with pytest.raises((TypeError, IndexError)):
        state_of(thing).key = key


def test_no_number_is_too_big_for_a_key(world: World) -> None:
    thing = make(world)
    state = world.file(thing, 1 << 200)
    assert world.home.lookup(type(thing), 1 << 200) is thing
    state.commit_all(thing.__dict__)
    shelf = state.shelf
    del thing
    collect()
    assert shelf == {}


def test_life_cycle_words(world: World, thing: Any) -> None:
    state = state_of(thing)

    def words() -> list[str]:
        return [
            word
            for word in ("transient", "pending", "persistent", "deleted", "detached", "was_deleted")
            if getattr(state, word)
        ]

    assert words() == ["transient"]
    state.home = world.home
    assert words() == ["pending"]
    assert state.session is world.owner
    assert state.session_id == world.home.session_id
    state.ident = 1
    assert words() == ["persistent"]
    state._deleted = True
    assert words() == ["deleted", "was_deleted"]
    state.home = None
    assert words() == ["detached", "was_deleted"]
    state.reset_identity()
    assert words() == ["transient"]


@pytest.mark.parametrize("options", [None, ()])
def test_an_expired_state_that_is_committed_says_so_if_it_was_loaded_with_options(
    world: World, thing: Any, options: Any
) -> None:
    state = world.file(thing, 1)
    state.load_options = options
    state.commit_all(thing.__dict__)
    assert state.peek("partly_expired") is None
    state.expire(thing.__dict__)
    thing.name = "changed"
    state.commit_all(thing.__dict__)
    assert not state.expired
    assert state.expired_keys
    assert "name" not in state.expired_keys
    assert state.peek("partly_expired") is (None if options is None else True)


def test_a_state_whose_session_has_died_is_detached(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    state.commit_all(thing.__dict__)
    del world.owner
    collect()
    assert state.session is None
    assert state.detached
    thing.name = "other"
    assert state.modified
    assert state._strong_obj is None


# -- changes -----------------------------------------------------------------------------------------


def test_unloaded_and_unmodified_keys(world: World, thing: Any) -> None:
    state = state_of(thing)
    assert state.unloaded == state.unloaded_expirable == {"note", "parts"}
    assert state.unmodified == {"note", "parts"}
    assert state.unmodified_intersection(["id", "note", "stranger"]) == {"note"}
    assert state.expired_attributes == frozenset()
    assert state.attrs == ("attribute states of", state)
    assert state.get_impl("name") is world.impl(type(thing), "name")
    assert state.get_history("name", PASSIVE_OFF).added == ["one"]


def test_rarely_used_parts_are_made_at_first_use(world: World, thing: Any) -> None:
    state = state_of(thing)
    assert state.extras is None
    assert state.peek("info") is None
    state.info["a"] = 1
    state.callables["c"] = 3
    state._pending_mutations["d"] = 4
    assert state.extras == {"info": {"a": 1}, "callables": {"c": 3}, "pending": {"d": 4}}
    assert state.peek("info") is state.info
    with pytest.raises(ZeroDivisionError):
        state.extra("failing", lambda: 1 // 0)
    assert state.peek("failing") is None


def test_the_parents_of_several_relationships(world: World, thing: Any) -> None:
    state = state_of(thing)
    first, second, unknown = object(), object(), object()
    assert state.parents == {}
    assert state.parent_by(first) is None
    state.note_parent(first, state)
    assert state.extras is None
    state.note_parent(second, False)
    assert state.parents == {id(first): state, id(second): False}
    state.note_parent(first, False)
    state.note_parent(second, state)
    assert (state.parent_by(first), state.parent_by(second), state.parent_by(unknown)) == (False, state, None)


def test_detach_leaves_the_map(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    assert world.home._modified == {state: None}
    state.detach()
    assert (state.home, state.shelf, state._strong_obj) == (None, None, None)
    assert world.home._modified == {}
    assert not world.home
    state.detach()


@pytest.mark.parametrize("number", [1 << 70, -(1 << 70), "text", None])
def test_counters_hold_numbers_of_a_machine(world: World, thing: Any, number: Any) -> None:
    if world.name == "pure":
        pytest.skip("Python holds anything")
    with pytest.raises((OverflowError, TypeError)):
        state_of(thing).run_id = number
    with pytest.raises((OverflowError, TypeError)):
        state_of(thing).insert_order = number


# -- unusual dictionaries and classes ----------------------------------------------------------------


def test_the_dictionary_may_be_a_subclass(world: World, thing: Any) -> None:
    class Dict(dict[str, Any]):
        pass

    thing.__dict__ = Dict(thing.__dict__)
    thing.name = "two"
    assert thing.name == "two"
    state = state_of(thing)
    assert type(state.dict) is Dict
    world.file(thing, 1)
    world.state_loops.commit_all_states([state])
    world.state_loops.expire_states([state])
    assert set(thing.__dict__) == {INSTANCE_STATE, "label"}
    assert type(thing.__dict__) is Dict


def test_the_dictionary_may_be_exchanged(world: World, thing: Any) -> None:
    state = state_of(thing)
    thing.__dict__ = {INSTANCE_STATE: state, "name": "exchanged"}
    assert thing.name == "exchanged"
    assert state.dict is thing.__dict__
    thing.name = "changed"
    assert thing.__dict__["name"] == "changed"
    del thing.__dict__
    assert state.dict is thing.__dict__
    assert thing.__dict__ == {}


# -- references --------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="about reference counts")
def test_references_are_given_back(world: World, thing: Any) -> None:
    manager = world.manager(type(thing))
    before = [sys.getrefcount(value) for value in (thing, manager, type(thing))]
    for _ in range(1000):
        state = world.state.InstanceState(thing, manager)
        state()
        state.obj()
        state.dict  # noqa: B018
        state.ident = 1
        state.home = world.home
        state._strong_obj = thing
        state.modified_event(thing.__dict__, "name", "x")
        state.commit(thing.__dict__, ("name",))
        state.expire_attributes(thing.__dict__, ())
        state.commit_all(thing.__dict__)
        with pytest.raises(TypeError):
            world.state.InstanceState(thing)
        with pytest.raises(TypeError):
            world.state.InstanceState(thing, manager, 1)
    del state
    gc.collect()
    assert [sys.getrefcount(value) for value in (thing, manager, type(thing))] == before


def test_both_show_the_same_names(worlds: tuple[World, World]) -> None:
    compiled, pure = worlds
    assert compiled.state.__all__ == pure.state.__all__
    names = [{name for name in dir(each.state.InstanceState) if not name.startswith("_")} for each in worlds]
    assert names[0] == names[1]


def test_both_show_the_same_picture(worlds: tuple[World, World]) -> None:
    pictures = []
    for each in worlds:
        thing = each.make(each.map(collections=("parts",)), name="x")
        each.file(thing, 1)
        thing.parts.append(each.make(type(thing)))
        pictures.append(picture(state_of(thing)))
    assert pictures[0] == pictures[1]
