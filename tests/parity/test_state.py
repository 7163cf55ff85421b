"""The instance state, in both implementations."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
import sys
import weakref
from typing import Any

import pytest

from session.constants import INSTANCE_STATE, NO_VALUE, PASSIVE_NO_FETCH, PASSIVE_NO_RESULT, PASSIVE_OFF
from session.exc import ObjectDereferencedError

from .hot import CPYTHON, World, collect, picture, state_of


def make(world: World) -> Any:
    return world.make(world.map(columns=("id", "name", "note"), collections=("parts",)), id=1, name="one")


@pytest.fixture
def thing(world: World) -> Any:
    """An object that outlives its test; where it is to die, the test makes one itself."""
    return make(world)


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


# -- the reference ---------------------------------------------------------------------------


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


# -- the death of the object -----------------------------------------------------------------


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


# -- identity --------------------------------------------------------------------------------


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


# -- changes ---------------------------------------------------------------------------------


def test_the_first_old_value_is_the_one_that_is_kept(world: World, thing: Any) -> None:
    state = state_of(thing)
    state.commit_all(thing.__dict__)
    state.modified_event(thing.__dict__, "name", "one")
    state.modified_event(thing.__dict__, "name", "two")
    state.modified_event(thing.__dict__, "note", NO_VALUE)
    assert state.committed_state == {"name": "one", "note": NO_VALUE}
    assert list(state.committed) == ["name", "note"]
    assert state.modified


def test_a_collection_is_copied_when_it_changes_first(world: World, thing: Any) -> None:
    state = state_of(thing)
    copied: list[Any] = []

    def copier(value: Any) -> Any:
        copied.append(value)
        return list(value)

    thing.__dict__["parts"] = [1]
    state.modified_event(thing.__dict__, "parts", NO_VALUE, copier)
    thing.__dict__["parts"].append(2)
    state.modified_event(thing.__dict__, "parts", NO_VALUE, copier)
    assert state.committed["parts"] == [1]
    assert len(copied) == 1
    state.modified_event(thing.__dict__, "none", None, copier)
    state.modified_event(thing.__dict__, "absent", NO_VALUE, copier)
    assert state.committed["none"] is None
    assert state.committed["absent"] is NO_VALUE


def test_a_copier_that_fails_leaves_no_history(world: World, thing: Any) -> None:
    state = state_of(thing)
    state.commit_all(thing.__dict__)
    with pytest.raises(ZeroDivisionError):
        state.modified_event(thing.__dict__, "name", 1, lambda value: value / 0)
    assert "name" not in state.committed_state
    assert not state.modified


def test_a_copier_may_forget_the_history_meanwhile(world: World, thing: Any) -> None:
    state = state_of(thing)

    def copier(value: Any) -> Any:
        state.commit_all(thing.__dict__)
        state.expire(thing.__dict__)
        collect()
        return [value]

    state.modified_event(thing.__dict__, "fresh", "old", copier)
    assert state.modified


def test_a_modified_object_of_a_session_is_held(world: World) -> None:
    thing = make(world)
    state = world.file(thing, 1)
    state.commit_all(thing.__dict__)
    assert state._strong_obj is None
    thing.name = "two"
    assert state._strong_obj is thing
    assert list(world.home._modified) == [state]
    assert world.owner.begun == 1
    thing.name = "three"
    assert world.owner.begun == 1
    del thing
    collect()
    assert state().name == "three"
    state.commit_all(state().__dict__)
    collect()
    assert state() is None
    assert world.home._modified == {}


def test_a_pending_object_is_held_but_not_among_the_modified(world: World, thing: Any) -> None:
    state = state_of(thing)
    state.home = world.home
    state.mark_modified()
    assert state._strong_obj is thing
    assert world.home._modified == {}


def test_a_change_after_death_is_an_error(world: World) -> None:
    thing = make(world)
    state = state_of(thing)
    state.commit_all(thing.__dict__)
    del thing
    collect()
    with pytest.raises(ObjectDereferencedError, match=r"Attribute 'name' of a Thing object"):
        state.modified_event({}, "name", NO_VALUE)
    with pytest.raises(ObjectDereferencedError, match=r"Attribute None of a Thing object"):
        state.mark_modified()


def test_an_error_of_the_session_comes_out_of_a_change(world: World, thing: Any) -> None:
    class Refusing:
        _transaction = None

        def _autobegin_for_change(self) -> None:
            raise RuntimeError("not now")

    owner = Refusing()
    world.home = world.identity.IdentityMap(owner)
    state = world.file(thing, 1)
    state.commit_all(thing.__dict__)
    with pytest.raises(RuntimeError, match="not now"):
        thing.name = "two"
    assert thing.name == "one"
    assert state.modified


def test_commit_forgets_the_history_of_some(world: World, thing: Any) -> None:
    state = state_of(thing)
    thing.note = "n"
    state.expired_keys = frozenset({"id", "name", "other"})
    state.extra("pending", dict).update({"name": 1, "absent": 2})
    state.commit(thing.__dict__, ("name", "absent"))
    assert list(state.committed) == ["id", "note"]
    assert state.expired_keys == {"id", "other"}
    assert state._pending_mutations == {"absent": 2}
    assert state.modified
    state.commit(thing.__dict__, ("id", "other"))
    assert state.expired_keys == {"other"}
    thing.__dict__["other"] = 1
    state.commit(thing.__dict__, ["other"])
    assert state.expired_keys is None


def test_commit_all_forgets_everything(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    state.mark_modified()
    state.expired = True
    state.expired_keys = frozenset({"name", "absent"})
    state.extra("pending", dict)["name"] = 1
    state.commit_all(thing.__dict__)
    assert (state.committed, state.expired, state.modified, state._strong_obj) == (None, False, False, None)
    assert state.expired_keys == {"absent"}
    assert state.peek("pending") is None
    assert world.home._modified == {}


def test_expire_forgets_the_values_of_mapped_attributes_only(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    manager = world.manager(type(thing))
    parts = thing.parts
    thing.parts.append(world.make(type(thing)))
    thing.own = "kept"
    state.load_options = "options"
    state.extra("empty", dict)["parts"] = "empty"
    state.extra("pending", dict)["parts"] = "queued"
    state.callables["name"] = state.callables["note"] = len
    expired: list[Any] = []
    manager.dispatch.expire.append(lambda *args: expired.append(args))
    manager.expire_listened = True
    state.expire(thing.__dict__)
    assert set(thing.__dict__) == {INSTANCE_STATE, "label", "own"}
    assert state.expired
    assert (state.committed, state.modified, state._strong_obj) == (None, False, None)
    assert state.expired_keys is manager.expirable
    assert state.extras == {}
    assert (state.load_options, state.load_path) == ("options", None)
    assert expired == [(state, None)]
    assert world.home._modified == {}
    assert parts._sa_adapter is None or parts._sa_adapter.invalidated


def test_expire_lets_finalizers_meddle(world: World) -> None:
    class Meddler:
        def __init__(self, dict_: dict[str, Any]) -> None:
            self.dict_ = dict_

        def __del__(self) -> None:
            self.dict_.pop("b", None)
            self.dict_["d"] = 1
            self.dict_.update({f"more {number}": 1 for number in range(50)})

    obj = world.make(world.map(columns=("a", "b", "c", "d")))
    dict_ = obj.__dict__
    dict_.update(a=Meddler(dict_), b=2, c=Meddler(dict_), d=4)
    state_of(obj).expire(dict_)
    collect()
    assert "a" not in dict_
    assert "c" not in dict_


def test_expire_attributes_forgets_some(world: World, thing: Any) -> None:
    state = state_of(thing)
    world.impl(type(thing), "note").loader = lambda state, passive: None
    state.commit_all(thing.__dict__)
    thing.name = "two"
    state.expire_attributes(thing.__dict__, ["name", "note", "parts"])
    assert state.expired_keys == {"name", "note"}
    assert "name" not in thing.__dict__
    assert state.committed == {}
    state.expired_keys = None
    state.expire_attributes(thing.__dict__, iter(["name", "note"]), no_loader=True)
    assert state.expired_keys == {"name"}
    state.expire_attributes(thing.__dict__, ["id"])
    assert state.expired_keys == {"name", "id"}
    with pytest.raises(KeyError):
        state.expire_attributes(thing.__dict__, ["unheard of"])


def test_expired_attributes_come_back_in_one_load(world: World, thing: Any) -> None:
    state = world.file(thing, 1)
    world.manager(type(thing)).row = {"id": 1, "name": "fresh", "note": "fresh too"}
    state.expire(thing.__dict__)
    assert state.load_expired(PASSIVE_NO_FETCH) is PASSIVE_NO_RESULT
    thing.note = "changed"
    assert thing.name == "fresh"
    assert thing.note == "changed"
    assert world.log == [("tuple", "load expired", ("list", "id", "name"), PASSIVE_OFF)]
    assert state.expired_keys is None


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


# -- unusual dictionaries and classes --------------------------------------------------------


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


# -- copies ----------------------------------------------------------------------------------


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


# -- references ------------------------------------------------------------------------------


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
