"""Attribute descriptors and implementations, in both implementations."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from session.constants import (
    ATTR_EMPTY,
    ATTR_WAS_SET,
    INCLUDE_PENDING_MUTATIONS,
    INSTANCE_STATE,
    NO_VALUE,
    PASSIVE_NO_FETCH,
    PASSIVE_NO_INITIALIZE,
    PASSIVE_NO_RESULT,
    PASSIVE_OFF,
    PASSIVE_RETURN_NO_VALUE,
)
from session.exc import StaleDataError, UnmappedInstanceError

from .hot import World, collect, outcome, picture, show, state_of


@pytest.fixture
def cls(world: World) -> Any:
    return world.map(columns=("id", "name"), references=("other",), collections=("parts",))


@pytest.fixture
def obj(world: World, cls: Any) -> Any:
    made = world.make(cls, id=1, name="one")
    state_of(made).commit_all(made.__dict__)
    return made


# -- the descriptor --------------------------------------------------------------------------


def test_read_on_the_class_gives_the_attribute(world: World, cls: Any) -> None:
    assert cls.name is world.manager(cls)["name"]
    assert cls.name.key == "name"
    assert cls.name.impl is world.impl(cls, "name")


def test_read_set_and_delete(world: World, obj: Any) -> None:
    assert obj.name == "one"
    obj.name = "two"
    assert (obj.name, obj.__dict__["name"]) == ("two", "two")
    assert state_of(obj).committed == {"name": "one"}
    del obj.name
    assert "name" not in obj.__dict__
    assert state_of(obj).committed == {"name": "one"}
    with pytest.raises(AttributeError, match=r"Thing\.name has no value on this object"):
        del world.make(type(obj)).name


def test_values_stay_the_very_objects(world: World, obj: Any) -> None:
    for value in (object(), None, 0, 1 << 300, [], {}, obj, type, NO_VALUE):
        obj.name = value
        assert obj.name is value
        assert type(obj).name.__get__(obj, type(obj)) is value


def test_an_object_without_state_says_so(world: World, cls: Any) -> None:
    obj = cls.__new__(cls)
    obj.__dict__["name"] = "readable"
    assert obj.name == "readable"
    for function in (lambda: obj.id, lambda: setattr(obj, "id", 1), lambda: delattr(obj, "id")):
        with pytest.raises(UnmappedInstanceError, match="'Thing' object has no ORM state, so attribute 'id'"):
            function()


def test_an_attribute_without_implementation_is_not_read(world: World, cls: Any, obj: Any) -> None:
    bare = world.descriptors.AttributeDescriptor()
    bare.key = "bare"
    bare.impl = None
    cls.bare = bare
    with pytest.raises(AttributeError, match="'bare' of 'Thing' can't be read on an object"):
        obj.bare  # noqa: B018
    with pytest.raises(AttributeError):
        obj.bare = 1


@pytest.mark.parametrize("stranger", [1, "text", object(), (), 1.5])
def test_a_descriptor_wants_an_object_with_a_dictionary(world: World, cls: Any, stranger: Any) -> None:
    for function in (
        lambda: cls.name.__get__(stranger, cls),
        lambda: cls.name.__set__(stranger, 1),
        lambda: cls.name.__delete__(stranger),
    ):
        with pytest.raises(AttributeError, match="__dict__"):
            function()


@pytest.mark.parametrize("state", [None, 1, "text", object()])
def test_what_stands_in_place_of_a_state_is_no_crash(world: World, obj: Any, state: Any) -> None:
    obj.__dict__[INSTANCE_STATE] = state
    obj.__dict__.pop("id")
    for function in (lambda: obj.id, lambda: setattr(obj, "name", 1), lambda: delattr(obj, "name")):
        with pytest.raises((AttributeError, TypeError)):
            function()


def test_an_evil_key_in_the_dictionary_is_no_crash(world: World, obj: Any) -> None:
    class Evil:
        def __hash__(self) -> int:
            return hash("name")

        def __eq__(self, other: object) -> bool:
            if armed:
                raise RuntimeError("evil")
            return False

    armed = False
    value = obj.__dict__.pop("name")
    obj.__dict__[Evil()] = 1
    obj.__dict__["name"] = value
    assert obj.name == "one"
    armed = True
    with pytest.raises(RuntimeError, match="evil"):
        obj.name  # noqa: B018
    with pytest.raises(RuntimeError, match="evil"):
        obj.name = 2
    armed = False
    assert obj.name == "one"


def test_a_finalizer_of_an_old_value_may_do_anything(world: World, obj: Any) -> None:
    class Value:
        def __del__(self) -> None:
            obj.__dict__.pop("id", None)
            obj.__dict__.update({str(number): number for number in range(100)})
            state_of(obj).committed = None

    obj.name = Value()
    state_of(obj).commit_all(obj.__dict__)
    obj.name = Value()
    state_of(obj).commit_all(obj.__dict__)
    obj.name = "last"
    collect()
    assert obj.name == "last"


# -- loading ---------------------------------------------------------------------------------


def test_a_missing_value_is_none_and_not_kept(world: World, cls: Any) -> None:
    obj = world.make(cls)
    assert obj.name is None
    assert "name" not in obj.__dict__
    assert world.impl(cls, "name").get(state_of(obj), obj.__dict__, PASSIVE_RETURN_NO_VALUE) is NO_VALUE
    assert world.impl(cls, "name").get(state_of(obj), obj.__dict__, PASSIVE_NO_INITIALIZE) is PASSIVE_NO_RESULT


@pytest.mark.parametrize(
    ("given", "expected", "kept"),
    [
        ("value", "value", True),
        (None, None, True),
        (ATTR_EMPTY, None, False),
        (PASSIVE_NO_RESULT, PASSIVE_NO_RESULT, False),
    ],
)
def test_a_loader_gives_the_value(world: World, obj: Any, given: Any, expected: Any, kept: bool) -> None:
    world.impl(type(obj), "name").loader = lambda state, passive: given
    del obj.__dict__["name"]
    assert obj.name is expected
    assert ("name" in obj.__dict__) is kept
    assert not state_of(obj).modified


def test_a_loader_may_set_the_value_itself(world: World, obj: Any) -> None:
    world.impl(type(obj), "name").loader = lambda state, passive: (state.dict.update(name="set"), ATTR_WAS_SET)[1]
    del obj.__dict__["name"]
    assert obj.name == "set"
    world.impl(type(obj), "name").loader = lambda state, passive: ATTR_WAS_SET
    del obj.__dict__["name"]
    with pytest.raises(KeyError, match=r"loader of Thing\.name said that it had set the value"):
        obj.name  # noqa: B018


def test_a_loader_of_the_object_comes_before_that_of_the_attribute(world: World, obj: Any) -> None:
    world.impl(type(obj), "name").loader = lambda state, passive: "general"
    state_of(obj).callables["name"] = lambda state, passive: ("own", passive)
    del obj.__dict__["name"]
    assert obj.name == ("own", PASSIVE_OFF)


def test_the_row_comes_before_every_loader(world: World, obj: Any) -> None:
    state_of(obj).callables["name"] = lambda state, passive: "own"
    world.manager(type(obj)).row = {"id": 1, "name": "row"}
    state_of(obj).expire(obj.__dict__)
    assert world.impl(type(obj), "name").get(state_of(obj), obj.__dict__, PASSIVE_NO_FETCH) is PASSIVE_NO_RESULT
    assert obj.name == "row"


def test_the_error_of_a_loader_comes_out(world: World, obj: Any) -> None:
    world.impl(type(obj), "name").loader = lambda state, passive: 1 // 0
    del obj.__dict__["name"]
    with pytest.raises(ZeroDivisionError):
        obj.name  # noqa: B018
    world.impl(type(obj), "name").active_history = True
    with pytest.raises(ZeroDivisionError):
        obj.name = "two"
    assert "name" not in obj.__dict__
    assert not state_of(obj).modified


# -- listeners -------------------------------------------------------------------------------


def test_listeners_see_changes_and_may_change_them(world: World, obj: Any) -> None:
    world.listen(type(obj), "name", "set", lambda state, value, old, token: f"{value}, was {old}, {token.op}")
    world.listen(type(obj), "name", "remove")
    obj.name = "two"
    assert obj.name == "two, was one, REPLACE"
    del obj.name
    assert len(world.log) == 1


def test_an_error_of_a_listener_stops_the_change(world: World, obj: Any) -> None:
    def refuse(*args: Any) -> None:
        raise ValueError("refused")

    for key in ("name", "other"):
        world.listen(type(obj), key, "set", refuse)
        with pytest.raises(ValueError, match="refused"):
            setattr(obj, key, obj)
    world.listen(type(obj), "parts", "append", lambda *args, key=None: refuse())
    with pytest.raises(ValueError, match="refused"):
        obj.parts.append(obj)
    assert obj.name == "one"
    assert obj.other is None
    assert list(obj.parts) == []


def test_a_listener_that_expires_the_object_is_no_crash(world: World, obj: Any) -> None:
    def meddle(state: Any, value: Any, old: Any, token: Any) -> Any:
        state.expire(state.dict)
        collect()
        return value

    world.listen(type(obj), "name", "set", meddle)
    obj.name = "two"
    assert obj.__dict__["name"] == "two"
    assert state_of(obj).committed == {"name": "one"}


def test_a_first_reading_may_be_given_a_value(world: World, cls: Any) -> None:
    world.impl(cls, "name").dispatch.init_scalar.append(lambda state, value, dict_: "first")
    world.impl(cls, "name").dispatch.init_scalar.append(lambda state, value, dict_: ATTR_EMPTY)
    assert world.make(cls).name == "first"


# -- references ------------------------------------------------------------------------------


def test_a_reference_notes_the_parent(world: World, obj: Any) -> None:
    impl = world.impl(type(obj), "other")
    child, state = world.make(type(obj)), state_of(obj)
    assert not impl.hasparent(state_of(child))
    assert impl.hasparent(state_of(child), optimistic=True)
    obj.other = child
    assert impl.hasparent(state_of(child))
    obj.other = None
    assert not impl.hasparent(state_of(child), optimistic=True)
    assert state.committed == {"other": NO_VALUE}


@pytest.mark.parametrize("stranger", [1, "text", object(), []])
def test_only_a_mapped_object_is_referred_to(world: World, obj: Any, stranger: Any) -> None:
    with pytest.raises(UnmappedInstanceError, match=r"can't be a value of Thing\.other"):
        obj.other = stranger
    with pytest.raises(UnmappedInstanceError, match=r"can't be a value of Thing\.parts"):
        obj.parts.append(stranger)


def test_removing_what_is_not_there(world: World, obj: Any) -> None:
    impl, state = world.impl(type(obj), "other"), state_of(obj)
    child, other = world.make(type(obj)), world.make(type(obj))
    obj.other = child
    with pytest.raises(ValueError, match=r"is not the value of Thing\.other"):
        impl.remove(state, obj.__dict__, other, None)
    impl.pop(state, obj.__dict__, other, None)
    assert obj.other is child
    impl.pop(state, obj.__dict__, child, None)
    assert obj.other is None


def test_a_parent_that_has_gone_is_stale(world: World, cls: Any) -> None:
    impl = world.impl(cls, "other")
    child, parent, other = world.make(cls), world.make(cls), world.make(cls)
    state_of(parent).ident, state_of(other).ident = 1, 2
    parent.other = child
    impl.sethasparent(state_of(child), state_of(other), False)
    assert impl.hasparent(state_of(child))
    state_of(parent).commit_all(parent.__dict__)
    del parent
    collect()
    with pytest.raises(StaleDataError, match="has been garbage collected"):
        impl.sethasparent(state_of(child), state_of(other), False)


# -- collections -----------------------------------------------------------------------------


def test_a_collection_is_made_at_first_reading(world: World, obj: Any) -> None:
    parts = obj.parts
    assert obj.parts is parts
    assert "parts" not in obj.__dict__
    assert not state_of(obj).modified
    child = world.make(type(obj))
    parts.append(child)
    assert obj.__dict__["parts"] is parts
    assert state_of(obj).committed == {"parts": []} or state_of(obj).committed == {"parts": NO_VALUE}
    assert world.impl(type(obj), "parts").hasparent(state_of(child))


def test_changes_to_a_collection_that_is_not_loaded_wait(world: World, obj: Any) -> None:
    impl, state = world.impl(type(obj), "parts"), state_of(obj)
    loaded = [world.make(type(obj)) for _ in range(2)]
    fresh = world.make(type(obj))
    impl.loader = lambda state, passive: loaded if passive & 4 and passive & 2 else PASSIVE_NO_RESULT
    impl.append(state, obj.__dict__, fresh, None, PASSIVE_NO_FETCH)
    impl.remove(state, obj.__dict__, loaded[0], None, PASSIVE_NO_FETCH)
    history = impl.get_history(state, obj.__dict__, PASSIVE_NO_FETCH | INCLUDE_PENDING_MUTATIONS)
    assert history == ([fresh], (), [loaded[0]])
    assert list(obj.parts) == [loaded[1], fresh]
    assert impl.get_history(state, obj.__dict__) == ([fresh], [loaded[1]], [loaded[0]])
    impl.pop(state, obj.__dict__, loaded[0], None)


def test_a_replaced_collection_tells_what_came_and_left(world: World, obj: Any) -> None:
    first, second, third = (world.make(type(obj)) for _ in range(3))
    for event in ("append", "remove", "append_wo_mutation"):
        world.listen(type(obj), "parts", event)
    old = obj.parts
    old.extend([first, second])
    world.log.clear()
    obj.parts = [second, third]
    assert list(obj.parts) == [second, third]
    assert old._sa_adapter is None
    assert [entry[1] for entry in world.log if entry[1] != "append_wo_mutation"] == ["append", "remove"]
    with pytest.raises(TypeError, match="Incompatible collection type"):
        obj.parts = 5
    assert list(obj.parts) == [second, third]


def test_a_deleted_collection_is_emptied(world: World, obj: Any) -> None:
    child = world.make(type(obj))
    parts = obj.parts
    parts.append(child)
    del obj.parts
    assert list(parts) == []
    assert parts._sa_adapter is None
    assert not world.impl(type(obj), "parts").hasparent(state_of(child))
    del obj.parts


# -- comparison, tokens ----------------------------------------------------------------------


def test_history_asks_the_comparison(world: World, cls: Any) -> None:
    compared: list[Any] = []
    impl = world.add(world.manager(cls), "price", "scalar", compare=lambda a, b: (compared.append((a, b)), a == b)[1])
    obj = world.make(cls, price=1)
    state_of(obj).commit_all(obj.__dict__)
    obj.price = 2
    assert impl.get_history(state_of(obj), obj.__dict__) == ([2], (), [1])
    obj.price = 1
    assert impl.get_history(state_of(obj), obj.__dict__) == ((), [1], ())
    assert compared == [(2, 1), (1, 1)]
    assert impl.is_equal(1, 1)
    impl.compare = lambda a, b: a // 0
    with pytest.raises(ZeroDivisionError):
        impl.get_history(state_of(obj), obj.__dict__)


def test_tokens_are_equal_by_attribute_and_operation(world: World, cls: Any) -> None:
    impl, other = world.impl(cls, "name"), world.impl(cls, "id")
    token = world.attributes.AttributeEventToken(impl, world.attributes.OP_APPEND)
    assert token == impl.append_token
    assert hash(token) == hash(impl.append_token)
    assert token != impl.remove_token
    assert token != other.append_token
    assert token != "APPEND"
    assert (token.key, token.parent_token, token.hasparent(state_of(world.make(cls)))) == ("name", impl, False)


def test_an_implementation_shows_itself(world: World, cls: Any) -> None:
    assert repr(world.impl(cls, "name")) == "<ScalarAttribute Thing.name>"
    assert world.impl(cls, "name").get_all_pending(None, None) == []
    with pytest.raises(NotImplementedError):
        world.attributes.AttributeImpl.get_history(world.impl(cls, "name"), None, None)


KINDS = {
    "AttributeImpl": "attributes",
    "ScalarAttribute": "scalars",
    "ObjectAttribute": "references",
    "CollectionAttribute": "collected",
}


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_no_crash(world: World, obj: Any, kind: str) -> None:
    type_ = getattr(getattr(world, KINDS[kind]), kind)
    for arguments in ((), (1,), (None,) * 4, (1, 2, 3, 4)):
        with pytest.raises((TypeError, AttributeError)):
            type_(*arguments)
    raw = type_.__new__(type_)
    for state, dict_ in ((None, None), (1, {}), (None, {}), (state_of(obj), None)):
        for call in ("get", "set", "delete", "get_history", "hasparent", "load"):
            arguments = (state, dict_, 1) if call in ("set", "load") else (state, dict_)
            function = getattr(raw, call, None)
            if function is not None:
                outcome(function, *arguments)


@pytest.mark.parametrize("module", [*KINDS.values(), "descriptors"])
def test_both_show_the_same_names(worlds: tuple[World, World], module: str) -> None:
    compiled, pure = (getattr(world, module) for world in worlds)
    assert compiled.__all__ == pure.__all__
    for name in compiled.__all__:
        first, second = getattr(compiled, name), getattr(pure, name)
        if isinstance(first, type):
            public = [{each for each in dir(item) if not each.startswith("_")} for item in (first, second)]
            assert public[0] == public[1], name
        else:
            assert first == second


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="about reference counts")
def test_references_are_given_back(world: World, obj: Any) -> None:
    value, child = object(), world.make(type(obj))
    obj.parts.append(child)
    obj.parts.remove(child)
    state_of(obj).commit_all(obj.__dict__)

    def counts() -> list[int]:
        return [sys.getrefcount(each) for each in (obj, value, child, state_of(obj), type(obj).name)]

    before = counts()
    for _ in range(300):
        obj.name = value
        obj.name  # noqa: B018
        obj.other = child
        obj.other = None
        obj.parts.append(child)
        obj.parts.remove(child)
        obj.name = "one"
        state_of(obj).commit_all(obj.__dict__)
        outcome(setattr, obj, "other", 5)
    collect()
    assert counts() == before


# -- programs --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_come_out_alike(worlds: tuple[World, World], seed: int) -> None:
    """The same changes, loads and expirations give the same values, history, events and modified objects."""
    runs = [program(world, random.Random(seed)) for world in worlds]
    for number, (compiled, pure) in enumerate(zip(*runs, strict=True)):
        assert compiled == pure, f"step {number}"


def program(world: World, chance: random.Random) -> Any:
    active = chance.random() < 0.3
    columns = ("id", "name", "note")
    classes = [
        world.map(columns=columns, references=("other",), collections=("parts", "more"), active_history=active),
        world.map(columns=columns, references=("other",), collections=("parts",), primary_key=("id", "name")),
    ]
    keys = ("id", "name", "note", "other", "parts")
    objects: list[Any] = []
    ghosts: list[Any] = []
    for cls in classes:
        manager = world.manager(cls)
        manager.row = {"id": 1, "name": "row", "note": None}
        if chance.random() < 0.6:
            manager.expire_listened = True
            manager.dispatch.expire.append(lambda state, names: world.note("expire", state, names))
        for key in keys:
            if chance.random() < 0.4:
                for event in ("append", "remove", "bulk_replace") if key == "parts" else ("set", "remove"):
                    world.listen(cls, key, event, bulk(world) if event == "bulk_replace" else None)
        if chance.random() < 0.5:
            impl = world.impl(cls, "other")
            impl.loader = lambda state, passive: objects[0] if passive & 4 else PASSIVE_NO_RESULT
        if chance.random() < 0.5:
            impl = world.impl(cls, "parts")
            impl.loader = lambda state, passive: objects[:2] if passive & 4 else PASSIVE_NO_RESULT
        if chance.random() < 0.5:
            world.impl(cls, "note").loader = lambda state, passive: ATTR_EMPTY
    objects += [world.make(cls) for cls in classes for _ in range(3)]
    ghosts += [state_of(obj) for obj in objects]
    passives = (PASSIVE_OFF, PASSIVE_NO_FETCH, PASSIVE_NO_INITIALIZE, PASSIVE_RETURN_NO_VALUE)
    for _ in range(120):
        obj, other = chance.choice(objects), chance.choice(objects)
        state, dict_ = state_of(obj), obj.__dict__
        key, passive = chance.choice(keys), chance.choice(passives)
        impl = state.manager[key].impl
        value = chance.choice([None, 1, "text", 1 << 80, [1]])
        gives: Any = None
        step = chance.choice(STEPS)
        if step == "set":
            gives = outcome(setattr, obj, chance.choice(columns), value)
        elif step == "refer":
            gives = outcome(setattr, obj, "other", chance.choice([other, None, obj, value]))
        elif step == "replace":
            gives = outcome(setattr, obj, "parts", chance.choice([[], [other], [obj, other], objects[:3], 5]))
        elif step == "read":
            gives = outcome(getattr, obj, key)
        elif step == "delete":
            gives = outcome(delattr, obj, key)
        elif step == "append":
            gives = outcome(impl.append, state, dict_, other, None, passive) if key == "parts" else None
        elif step == "list":
            gives = outcome(getattr(obj.parts, chance.choice(["append", "remove"])), other)
        elif step == "remove":
            gives = outcome(impl.remove, state, dict_, other, None, passive) if key in ("parts", "other") else None
        elif step == "pop":
            gives = outcome(impl.pop, state, dict_, other, None, passive) if key in ("parts", "other") else None
        elif step == "history":
            gives = [outcome(impl.get_history, state, dict_, passive), outcome(impl.get_all_pending, state, dict_)]
            gives.append(outcome(impl.get_committed_value, state, dict_, passive))
        elif step == "committed":
            loaded = objects[:2] if key == "parts" else other if key == "other" else value
            gives = outcome(impl.set_committed_value, state, dict_, loaded)
        elif step == "commit":
            gives = outcome(state.commit, dict_, chance.sample(keys, 2))
        elif step == "commit all":
            gives = outcome(commit_all, world, chance.choice([[obj], objects]))
        elif step == "expire":
            gives = outcome(state.expire, dict_)
        elif step == "expire some":
            gives = outcome(state.expire_attributes, dict_, chance.sample(keys, 2), chance.random() < 0.5)
        elif step == "expire many":
            gives = outcome(world.state_loops.expire_states, [state_of(each) for each in chance.sample(objects, 2)])
        elif step == "merge expired":
            gives = outcome(state.merge_expired, chance.sample(columns, 2))
        elif step == "file":
            if state.ident is None:
                state.ident = len(ghosts) + chance.randrange(3)
            gives = outcome(world.home.add, state)
        elif step == "detach":
            gives = outcome(state.detach)
        elif step == "reset":
            gives = outcome(state.reset_identity) if state.home is None else None
        elif step == "callable":
            state.callables[chance.choice(columns)] = lambda state, passive: 7
        elif step == "drop" and len(objects) > 3:
            objects.remove(obj)
        elif step == "make":
            objects.append(world.make(chance.choice(classes), id=value))
            ghosts.append(state_of(objects[-1]))
        gives = (step, key, gives)
        obj = other = dict_ = state = impl = None
        collect() if step == "drop" else None
        yield (
            gives,
            [picture(each) for each in ghosts],
            [[sorted(each.unloaded), sorted(each.unmodified)] for each in ghosts],
            show(list(world.home._modified)),
            show(world.home.values()),
            world.owner.begun,
            world.log[-20:],
            len(world.log),
        )


STEPS = (
    ["set"] * 4
    + ["refer", "replace", "list"] * 2
    + ["read", "delete", "append", "remove", "pop", "history", "committed", "commit", "commit all", "expire"]
    + ["expire some", "expire many", "merge expired", "file", "file", "detach", "reset", "callable", "drop", "make"]
)


def commit_all(world: World, objects: list[Any]) -> None:
    world.state_loops.commit_all_states(state_of(each) for each in objects)


def bulk(world: World) -> Any:
    return lambda state, values, token, keys=None: world.note("bulk", state, values, token, keys)
