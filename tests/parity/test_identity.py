"""The identity map, in both implementations."""

from __future__ import annotations

import random
import weakref
from typing import Any

import pytest
from sqlalchemy.exc import InvalidRequestError

from session.constants import INSTANCE_STATE

from .hot import World, collect, outcome, picture, show, state_of


@pytest.fixture
def cls(world: World) -> Any:
    return world.map()


def filed(world: World, cls: Any, ident: Any) -> Any:
    obj = world.make(cls)
    world.file(obj, ident)
    return obj


def test_an_empty_map(world: World) -> None:
    home = world.identity.IdentityMap()
    assert not home
    assert len(home) == 0
    assert list(home) == home.keys() == home.values() == home.items() == home.all_states() == home.clear() == []
    assert home.session() is None
    assert not home.check_modified()
    assert home.get(("class", (1,), None), "default") == "default"


def test_the_session_is_held_weakly(world: World) -> None:
    assert world.home.session() is world.owner
    del world.owner
    collect()
    assert world.home.session() is None


def test_maps_have_numbers_of_their_own(world: World) -> None:
    first, second = world.identity.IdentityMap(), world.identity.IdentityMap()
    assert second.session_id == first.session_id + 1
    weakref.ref(first)


def test_an_object_is_found_by_its_key(world: World, cls: Any) -> None:
    obj = filed(world, cls, 1)
    home, key = world.home, (cls, (1,), None)
    assert home.lookup(cls, 1) is home.get(key) is home[key] is obj
    assert home.fast_get_state(key) is home.fast_get_state((cls, [1])) is state_of(obj)
    assert key in home
    assert home.has_key(key)
    assert home.keys() == list(home) == [key]
    assert home.values() == [obj]
    assert home.items() == [(key, obj)]
    assert home.all_states() == home.states_of(cls) == [state_of(obj)]
    assert home.states_of(object) == []
    assert len(home) == 1
    assert home
    assert home.contains_state(state_of(obj))
    assert home.lookup(cls, 2) is home.lookup(object, 1) is home.lookup(cls, 1, "token") is None
    with pytest.raises(KeyError):
        home[cls, (2,), None]


@pytest.mark.parametrize("key", [None, 1, "text", (), (1,), [1, 2]])
def test_what_is_no_key_is_not_in_the_map(world: World, key: Any) -> None:
    assert key not in world.home


def test_a_token_tells_objects_apart(world: World, cls: Any) -> None:
    first, second = world.make(cls), world.make(cls)
    state_of(second).identity_token = "other"
    world.file(first, 1)
    world.file(second, 1)
    assert world.home.lookup(cls, 1) is first
    assert world.home.lookup(cls, 1, "other") is world.home[cls, (1,), "other"] is second
    assert len(world.home) == 2
    assert world.home.states_of(cls) == [state_of(first), state_of(second)]


def test_a_key_of_several_columns(world: World) -> None:
    cls = world.map(columns=("a", "b"), primary_key=("a", "b"))
    obj = filed(world, cls, (1, 2))
    assert world.home[cls, (1, 2), None] is world.home[cls, [1, 2], None] is obj
    assert world.home.keys() == [(cls, (1, 2), None)]


def test_adding_twice_says_so(world: World, cls: Any) -> None:
    obj = filed(world, cls, 1)
    assert world.home.add(state_of(obj)) is False
    assert world.home.add_object(obj) is False


def test_a_second_live_object_is_refused(world: World, cls: Any) -> None:
    obj, other = filed(world, cls, 1), world.make(cls)
    state_of(other).ident = 1
    with pytest.raises(InvalidRequestError, match=r"Can't attach Thing object with identity key .*another object"):
        world.home.add(state_of(other))
    assert world.home.lookup(cls, 1) is obj
    assert state_of(other).home is None


def test_a_dead_predecessor_is_no_obstacle(world: World, cls: Any) -> None:
    obj = filed(world, cls, 1)
    state, shelf = state_of(obj), state_of(obj).shelf
    state.shelf = None
    del obj
    collect()
    assert shelf == {1: state}
    assert world.home.lookup(cls, 1) is None
    assert len(world.home) == 1
    assert world.home.keys() == []
    other = filed(world, cls, 1)
    assert world.home.lookup(cls, 1) is other


def test_replace_gives_the_predecessor_back(world: World, cls: Any) -> None:
    obj, other = filed(world, cls, 1), world.make(cls, name="modified")
    obj.name = "changed"
    state_of(other).ident = 1
    assert world.home.replace(state_of(other)) is state_of(obj)
    assert world.home.replace(state_of(other)) is None
    assert world.home.lookup(cls, 1) is other
    assert (state_of(obj).shelf, state_of(obj)._strong_obj) == (None, None)
    assert list(world.home._modified) == [state_of(other)]
    assert state_of(other)._strong_obj is other


def test_discard(world: World, cls: Any) -> None:
    obj = filed(world, cls, 1)
    obj.name = "modified"
    state = state_of(obj)
    assert world.identity.IdentityMap().discard(state) is False
    assert world.home.discard(state) is True
    assert world.home.safe_discard(state) is False
    assert (state.shelf, state.home) == (None, world.home)
    assert world.home._modified == {}
    assert not world.home.contains_state(state)
    assert not world.home


def test_clear_lets_everybody_go(world: World, cls: Any) -> None:
    objects = [filed(world, cls, number) for number in range(3)]
    objects[1].name = "modified"
    states = world.home.clear()
    assert states == [state_of(obj) for obj in objects]
    assert [(s.home, s.shelf, s._strong_obj) for s in states] == [(None, None, None)] * 3
    assert not world.home
    assert world.home._modified == {}


def test_finalizers_may_use_a_map_that_is_cleared(world: World) -> None:
    home = world.home

    class Thing:
        def __del__(self) -> None:
            home.shelf(type(self), random.random())
            home.values()

    cls = world.map(Thing)
    for number in range(50):
        world.file(world.make(cls), number)
    home.clear()
    collect()
    assert home.values() == []


def test_it_is_not_written_as_a_mapping(world: World) -> None:
    with pytest.raises(NotImplementedError, match="merge"):
        world.home[1] = 2
    with pytest.raises(NotImplementedError, match="expunge"):
        del world.home[1]


@pytest.mark.parametrize("stranger", [None, 1, "text", object(), {}])
@pytest.mark.parametrize("method", ["add", "replace", "discard", "contains_state", "add_object", "shelf_of"])
def test_what_is_no_state_is_refused(world: World, method: str, stranger: Any) -> None:
    with pytest.raises((AttributeError, TypeError, KeyError)):
        getattr(world.home, method)(stranger)


@pytest.mark.parametrize("stranger", [1, "text", object()])
def test_a_stranger_on_a_shelf_is_no_crash(world: World, cls: Any, stranger: Any) -> None:
    obj = world.make(cls)
    state_of(obj).ident = 1
    world.home.shelf(cls)[1] = stranger
    for function in (
        lambda: world.home.lookup(cls, 1),
        lambda: world.home[cls, (1,), None],
        lambda: world.home.add(state_of(obj)),
        world.home.values,
        world.home.items,
        lambda: world.home.states_of(cls),
    ):
        with pytest.raises((TypeError, AttributeError)):
            function()


def test_a_map_that_was_not_initialised_is_no_crash(world: World) -> None:
    home = world.identity.IdentityMap.__new__(world.identity.IdentityMap)
    for function in (
        lambda: home.shelf(int),
        lambda: home.lookup(int, 1),
        lambda: home.get((int, (1,))),
        lambda: home.present(int, 1),
        lambda: len(home),
        home.values,
        home.clear,
        lambda: home.states_of(int),
    ):
        with pytest.raises((TypeError, AttributeError)):
            function()


def test_present_answers_for_remembered_classes_only(world: World, cls: Any) -> None:
    class Sub(cls):  # type: ignore[valid-type, misc]
        pass

    obj, text, sub = filed(world, cls, 1), filed(world, cls, "1"), world.make(cls)
    assert world.home.present(cls, 1) is None
    world.home.remember(cls, cls)
    assert world.home.present(cls, 1) is obj
    assert world.home.present(cls, "1") is text
    for ident in (2, 1.0, True, (1,), None, [], {}):
        assert world.home.present(cls, ident) is None
    for stranger in (Sub, object, None, 5):
        assert world.home.present(stranger, 1) is None
    sub.__class__ = Sub
    world.file(sub, 2)
    assert world.home.present(cls, 2) is None
    state_of(obj).expire(obj.__dict__)
    assert world.home.present(cls, 1) is None
    with pytest.raises(TypeError):
        world.home.present([], 1)
    world.home.clear()
    assert world.home.present(cls, "1") is None


@pytest.mark.parametrize("stranger", [1, "text", object()])
def test_present_refuses_a_stranger_on_the_shelf(world: World, cls: Any, stranger: Any) -> None:
    world.home.remember(cls, cls)
    world.home.shelf(cls)[1] = stranger
    with pytest.raises((TypeError, AttributeError)):
        world.home.present(cls, 1)


def getter(world: World) -> Any:
    """An object with the method ``get``, and an echo in place of the long way."""

    class Getter:
        identity_map = world.home
        get = world.identity.get

        def _get(self, *arguments: Any) -> Any:
            return arguments

    return Getter()


def test_get_needs_no_more_than_the_map_for_what_is_present(world: World, cls: Any) -> None:
    obj = filed(world, cls, 1)
    world.home.remember(cls, cls)
    one = getter(world)
    assert one.get(cls, 1) is obj
    assert one.get(entity=cls, ident=1, options=["unused"], populate_existing=False, bind_arguments={}) is obj


@pytest.mark.parametrize(
    "keywords",
    [
        {"populate_existing": True},
        {"with_for_update": False},
        {"with_for_update": {}},
        {"identity_token": "token"},
        {"execution_options": {}},
        {"execution_options": {"populate_existing": True}},
    ],
    ids=str,
)
def test_get_goes_the_long_way_for_whatever_else_is_asked(world: World, cls: Any, keywords: dict[str, Any]) -> None:
    filed(world, cls, 1)
    world.home.remember(cls, cls)
    given = dict.fromkeys(["options", "populate_existing", "with_for_update", "identity_token"])
    expected = {**given, "execution_options": world.identity.NO_OPTIONS, "bind_arguments": None, **keywords}
    assert getter(world).get(cls, 1, **keywords) == (cls, 1, *expected.values())


def test_get_goes_the_long_way_for_what_is_not_present(world: World, cls: Any) -> None:
    assert getter(world).get(cls, 2)[:2] == (cls, 2)
    with pytest.raises(TypeError):
        getter(world).get(cls)
    with pytest.raises(TypeError):
        getter(world).get(cls, 1, None)


class Key:
    """A primary key value whose hash and comparison do as they are told."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        self.number = number
        self.plan = plan

    def __hash__(self) -> int:
        self.plan.get("on hash", lambda: None)()
        return 7

    def __eq__(self, other: object) -> bool:
        self.plan.get("on eq", lambda: None)()
        return isinstance(other, Key) and other.number == self.number

    def __repr__(self) -> str:
        return f"Key({self.number})"


@pytest.mark.parametrize("event", ["on hash", "on eq"])
@pytest.mark.parametrize("method", ["lookup", "add", "replace", "discard"])
def test_an_error_of_a_key_comes_out(world: World, cls: Any, event: str, method: str) -> None:
    def fail() -> None:
        raise RuntimeError("key")

    plan: dict[str, Any] = {}
    objects = [filed(world, cls, Key(number, plan)) for number in range(3)]
    other = world.make(cls)
    state_of(other).ident = Key(2, plan)
    calls = {
        "lookup": lambda: world.home.lookup(cls, Key(2, plan)),
        "add": lambda: world.home.add(state_of(other)),
        "replace": lambda: world.home.replace(state_of(other)),
        "discard": lambda: world.home.discard(state_of(objects[2])),
    }
    plan[event] = fail
    with pytest.raises(RuntimeError, match="key"):
        calls[method]()
    plan.clear()
    assert world.home.values() == objects


@pytest.mark.parametrize("method", ["lookup", "add", "replace", "discard", "get"])
@pytest.mark.parametrize("meddling", ["clear", "drop", "grow", "exchange"])
def test_a_key_that_meddles_is_no_crash(world: World, cls: Any, method: str, meddling: str) -> None:
    plan: dict[str, Any] = {}
    objects = [filed(world, cls, Key(number, plan)) for number in range(8)]
    for obj in objects:
        state_of(obj).commit_all(obj.__dict__)
    other = world.make(cls)
    state_of(other).ident = Key(7, plan)
    last = state_of(objects[7])
    left = [20]

    def meddle() -> None:
        if not left[0]:
            return
        left[0] -= 1
        if meddling == "clear":
            world.home.clear()
            objects.clear()
        elif meddling == "drop":
            objects.clear()
        elif meddling == "grow":
            shelf = world.home.shelf(cls)
            shelf.update({number + left[0] * 100: state_of(other) for number in range(100)})
        else:
            world.home.shelves.clear()
        collect()

    plan["on eq"] = meddle
    calls = {
        "lookup": lambda: world.home.lookup(cls, Key(7, plan)),
        "get": lambda: world.home.get((cls, (Key(7, plan),), None)),
        "add": lambda: world.home.add(state_of(other)),
        "replace": lambda: world.home.replace(state_of(other)),
        "discard": lambda: world.home.discard(last),
    }
    outcome(calls[method])
    plan.clear()
    world.home.values()
    world.home.clear()


def test_present_beside_keys_that_meddle_is_no_crash(world: World, cls: Any) -> None:
    class Number(Key):
        def __hash__(self) -> int:
            return hash(self.number)

    plan: dict[str, Any] = {}
    world.home.remember(cls, cls)
    objects = [filed(world, cls, Number(number, plan)) for number in range(5)]

    def meddle() -> None:
        plan.clear()
        world.home.clear()
        objects.clear()
        collect()

    plan["on eq"] = meddle
    assert world.home.present(cls, 3) is None
    assert objects == []


@pytest.mark.parametrize("seed", range(15))
def test_random_programs_come_out_alike(worlds: tuple[World, World], seed: int) -> None:
    runs = [program(world, random.Random(seed)) for world in worlds]
    for number, (compiled, pure) in enumerate(zip(*runs, strict=True)):
        assert compiled == pure, f"step {number}"


def program(world: World, chance: random.Random) -> Any:
    """Objects come and go, with few keys for many objects; gives what can be seen after each step."""
    classes = [world.map(), world.map(columns=("a", "b"), primary_key=("a", "b"))]
    homes = [world.home, world.identity.IdentityMap(world.owner)]
    objects: list[Any] = []
    states: list[Any] = []
    for _ in range(120):
        home = chance.choice(homes)
        cls = chance.choice(classes)
        number = chance.randrange(6)
        ident: Any = number if cls is classes[0] else (number, None)
        token = chance.choice([None, None, "t"])
        key = (cls, ident if isinstance(ident, tuple) else (ident,), token)
        step = chance.choice(
            ["make", "make", "add", "add", "replace", "discard", "drop", "look", "change", "commit", "clear", "detach"]
        )
        gives: Any = None
        if step == "make":
            objects.append(world.make(cls))
            state = state_of(objects[-1])
            states.append(state)
            state.ident, state.identity_token = ident, token
        elif step in ("add", "replace", "discard", "detach", "commit") and states:
            state = chance.choice(states)
            if step == "detach":
                gives = outcome(state.detach)
            elif step == "commit":
                gives = outcome(state.commit_all, state.dict)
            elif state() is not None:
                gives = outcome(getattr(home, step), state)
        elif step == "change" and objects:
            obj = chance.choice(objects)
            setattr(obj, chance.choice(world.manager(type(obj)).keys_tuple), number)
        elif step == "drop" and objects:
            objects.pop(chance.randrange(len(objects)))
            obj = None
            collect() if chance.random() < 0.3 else None
        elif step == "clear" and chance.random() < 0.2:
            gives = [show(state) for state in home.clear()]
        else:
            gives = [
                outcome(home.lookup, cls, ident, token),
                outcome(home.get, key),
                outcome(home.__getitem__, key)[:2],
                key in home,
            ]
        obj = state = None
        yield (
            step,
            gives,
            [picture(each) for each in states],
            [
                (
                    len(each),
                    bool(each),
                    show(each.values()),
                    [show(k[1:]) for k in each],
                    show(list(each._modified)),
                )
                for each in homes
            ],
            [INSTANCE_STATE in obj.__dict__ for obj in objects],
        )
        obj = None


def test_states_are_filed_once_their_rows_are_written(world: World) -> None:
    cls = world.map(columns=("id", "name"))
    pair = world.map(type("Pair", (), {}), columns=("a", "b"), primary_key=("a", "b"))
    for one in (cls, pair):
        world.manager(one).mapper.pk_keys = ("a", "b") if one is pair else ("id",)
    new, keyless, filed, switched, other_token, occupant, rival = (world.make(cls) for _ in range(7))
    composite = world.make(pair, a=1, b=2)
    new.__dict__["id"] = "n"
    for obj, ident in ((filed, "f"), (switched, "s"), (occupant, "o")):
        obj.__dict__["id"] = ident
        world.file(obj, ident)
    switched.__dict__["id"] = "s2"
    other_token.__dict__["id"] = "t"
    state_of(other_token).identity_token = "token"
    rival.__dict__["id"] = "o"
    dead = world.make(cls, id="d")
    dead_state = state_of(dead)
    del dead
    collect()
    given = [state_of(obj) for obj in (new, keyless, filed, switched, composite, other_token, rival)]
    left = world.home.file_written([dead_state, *given])
    assert left == [state_of(obj) for obj in (keyless, switched, composite, other_token, rival)]
    assert world.home.lookup(cls, "n") is new
    assert (state_of(new).ident, state_of(new).home) == ("n", world.home)
    assert world.home.contains_state(state_of(new))
    assert world.home.lookup(cls, "f") is filed
    assert world.home.lookup(cls, "o") is occupant
    assert world.home.file_written([]) == []


def test_states_whose_rows_were_deleted(world: World) -> None:
    cls = world.map(columns=("id",))
    objects = [world.make(cls, id=n) for n in range(3)]
    states = [world.file(obj, n) for n, obj in enumerate(objects[:2])]
    states.append(state_of(objects[2]))
    marked = {states[0]: objects[0]}
    kept: dict[Any, Any] = {}
    world.home.discard_deleted(states, marked, kept)
    assert kept == dict(zip(states, objects, strict=True))
    assert not marked
    assert all(state._deleted for state in states)
    assert not world.home.all_states()
    world.home.discard_deleted([states[0]], {}, None)
