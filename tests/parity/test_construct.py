"""The ``__init__`` of mapped classes, in both implementations."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

from session.constants import CLASS_MANAGER, INSTANCE_STATE, NO_VALUE

from .hot import World, by_keywords, collect, outcome, picture, show, state_of


def test_the_state_is_there_before_the_classs_own_code(world: World) -> None:
    seen: list[Any] = []

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        seen.append((state_of(self)() is self, args, kwargs))

    obj = world.map(init=init)(1, two=2)
    assert seen == [(True, (1,), {"two": 2})]
    assert state_of(obj).manager is world.manager(type(obj))
    assert world.manager(type(obj)).mapper.configured == 1


def test_keywords_become_changes(world: World) -> None:
    obj = world.map(columns=("id", "name"))(name="n", id=None)
    assert (obj.id, obj.name) == (None, "n")
    assert list(state_of(obj).committed.items()) == [("name", NO_VALUE), ("id", NO_VALUE)]
    assert state_of(obj).modified
    assert state_of(obj)._strong_obj is None


def test_no_keywords_no_change(world: World) -> None:
    state = state_of(world.map()())
    assert (state.committed, state.modified) == (None, False)


def test_an_unknown_keyword_is_the_constructors_error(world: World) -> None:
    with pytest.raises(TypeError, match="'unknown' is not an attribute"):
        world.map()(id=1, unknown=2)


def test_keywords_of_other_attributes_go_through_them(world: World) -> None:
    class Thing:
        calls: list[Any] = []

        def _set(self, value: Any) -> None:
            self.calls.append(value)

        wrapped = property(None, _set)

    cls = world.map(Thing, columns=("id", "heard", "read"), references=("other",), collections=("parts",))
    world.listen(cls, "heard", "set")
    world.impl(cls, "read").active_history = True
    other = cls(id=1)
    obj = cls(id=2, heard=3, read=4, other=other, parts=[other], wrapped=5)
    assert (obj.id, obj.heard, obj.read, obj.other, list(obj.parts)) == (2, 3, 4, other, [other])
    assert Thing.calls == [5]
    assert len(world.log) == 1
    assert list(state_of(obj).committed) == ["id", "heard", "read", "other", "parts"]


def test_an_attribute_covered_by_a_subclass_is_set_through_it(world: World) -> None:
    cls = world.map(columns=("id", "name"))

    class Sub(cls):  # type: ignore[valid-type, misc]
        name = property(lambda self: "covered", lambda self, value: self.__dict__.update(hidden=value))

    obj = Sub(name="n")
    assert obj.__dict__["hidden"] == "n"
    assert obj.name == "covered"


def test_an_unmapped_subclass_is_instrumented_at_its_first_instance(world: World) -> None:
    cls = world.map()

    class Sub(cls):  # type: ignore[valid-type, misc]
        pass

    obj = Sub(name="n")
    assert Sub.__dict__[CLASS_MANAGER] is state_of(obj).manager
    assert Sub(name="m").name == "m"
    assert obj.name == "n"


def test_init_called_again_keeps_the_state(world: World) -> None:
    obj = world.map()(name="n")
    state = state_of(obj)
    obj.__init__(name="m")
    assert state_of(obj) is state
    assert obj.name == "m"
    assert state.committed == {"name": NO_VALUE}


def test_a_subclass_that_calls_its_base_has_one_state(world: World) -> None:
    cls = world.map(columns=("id", "name"))
    states: list[Any] = []

    class Sub(cls):  # type: ignore[valid-type, misc]
        pass

    def init(self: Any, **values: Any) -> None:
        states.append(state_of(self))
        cls.__init__(self, **values)
        states.append(state_of(self))

    world.map(Sub, columns=("extra",), init=init)
    obj = Sub(name="n")
    assert states == [state_of(obj)] * 2
    assert obj.name == "n"


def test_listeners_run_around_the_classs_own_code(world: World) -> None:
    events: list[Any] = []

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        events.append(("own", args, dict(kwargs)))
        if kwargs.get("fail"):
            raise KeyboardInterrupt

    cls = world.map(init=init)
    manager = world.manager(cls)
    manager.on_init = (lambda state, dict_: events.append(("prepare", INSTANCE_STATE in dict_)),)
    manager.dispatch.first_init.append(lambda *args: events.append(("first", args == (manager, cls))))
    manager.dispatch.init.append(lambda state, args, kwargs: (events.append("init"), kwargs.update(added=1)))
    manager.dispatch.init_failure.append(lambda state, args, kwargs: events.append("failed"))
    manager.init_listened = True
    cls(1)
    with pytest.raises(KeyboardInterrupt):
        cls(2, fail=True)
    assert events == [
        ("prepare", True),
        ("first", True),
        "init",
        ("own", (1,), {"added": 1}),
        ("prepare", True),
        "init",
        ("own", (2,), {"fail": True, "added": 1}),
        "failed",
    ]


@pytest.mark.parametrize("stage", ["prepare", "init", "own", "configure"])
def test_an_error_comes_out_and_leaves_nothing_behind(world: World, stage: str) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(stage)

    cls = world.map(init=fail if stage == "own" else by_keywords)
    manager = world.manager(cls)
    if stage == "prepare":
        manager.on_init = (fail,)
    if stage == "init":
        manager.dispatch.init.append(fail)
        manager.init_listened = True
    if stage == "configure":
        manager.mapper.ensure_configured = fail
    before = sys.getrefcount(manager) if hasattr(sys, "getrefcount") else 0
    for _ in range(100):
        with pytest.raises(RuntimeError, match=stage):
            cls(name="n")
    collect()
    if before:
        assert sys.getrefcount(manager) == before


def test_a_class_without_a_dictionary_is_refused(world: World) -> None:
    class Thing:
        __slots__ = ("__weakref__",)

    with pytest.raises(AttributeError, match="__dict__"):
        world.map(Thing)()


def test_a_class_without_weak_references_is_refused(world: World) -> None:
    class Thing:
        __slots__ = ("__dict__",)

    with pytest.raises(TypeError, match="weak reference"):
        world.map(Thing)()


def test_slots_beside_a_dictionary_are_left_alone(world: World) -> None:
    class Thing:
        __slots__ = ("__dict__", "__weakref__", "own")

    obj = world.map(Thing)(name="n")
    obj.own = 1
    assert (obj.own, obj.name) == (1, "n")
    assert "own" not in obj.__dict__


def test_a_dictionary_of_another_kind_is_used(world: World) -> None:
    class Dict(dict[str, Any]):
        pass

    class Thing:
        def __new__(cls, **values: Any) -> Any:
            obj = super().__new__(cls)
            obj.__dict__ = Dict()
            return obj

    obj = world.map(Thing)(name="n")
    assert type(obj.__dict__) is Dict
    assert obj.name == "n"
    assert obj.__dict__["name"] == "n"


def test_a_class_whose_new_gives_something_else(world: World) -> None:
    class Thing:
        def __new__(cls, **values: Any) -> Any:
            return "not a thing"

    assert world.map(Thing)(name="n") == "not a thing"


def test_the_state_is_no_keyword(world: World) -> None:
    cls = world.map()
    assert "_sa_instance_state" not in outcome(cls, self=1)
    with pytest.raises(TypeError):
        cls.__init__()
    with pytest.raises((TypeError, AttributeError)):
        cls.__init__(None)


def test_it_is_a_function_to_whoever_looks(world: World) -> None:
    init = world.map().__init__
    assert init.__name__ == "__init__"
    assert callable(init)
    init.mark = 1
    assert init.mark == 1
    assert inspect.isroutine(init)


def test_both_make_the_same_objects(worlds: tuple[World, World]) -> None:
    compared = []
    for world in worlds:
        cls = world.map(columns=("id", "name", "heard"), references=("other",), collections=("parts",))
        world.listen(cls, "heard", "set")
        objects = [
            world.make(cls, **values)
            for values in ({}, {"id": 1}, {"name": None, "heard": 2}, {"heard": None, "id": 3, "name": "x"})
        ]
        objects.append(world.make(cls, other=objects[0], parts=objects[1:3], id=9))
        compared.append(([picture(state_of(obj)) for obj in objects], world.log, show(objects)))
        compared[-1][1].append(outcome(cls, nothing=1))
        compared[-1][1].append(outcome(cls, 1))
    assert compared[0] == compared[1]


def test_objects_that_set_the_same_have_histories_of_their_own(world: World) -> None:
    cls = world.map(columns=("id", "name", "note"))
    one, other = cls(id=1, name="n"), cls(id=2, name="n")
    state_of(one).own_committed()["id"] = "changed"
    state_of(one).commit(one.__dict__, ["name"])
    one.note = "x"
    assert state_of(one).committed == {"id": "changed", "note": NO_VALUE}
    assert state_of(other).committed == {"id": NO_VALUE, "name": NO_VALUE}
    state_of(other).committed_state.clear()
    assert state_of(cls(id=3, name="n")).committed == {"id": NO_VALUE, "name": NO_VALUE}


def test_more_orders_of_keywords_than_are_remembered(world: World) -> None:
    names = tuple(f"c{number}" for number in range(40))
    cls = world.map(columns=names)
    for shift in range(40):
        keywords = dict.fromkeys(names[shift:] + names[:shift], shift)
        obj = cls(**keywords)
        assert obj.c7 == shift
        assert list(state_of(obj).committed.items()) == [(name, NO_VALUE) for name in keywords]


def test_keywords_whose_names_are_other_strings(world: World) -> None:
    cls = world.map(columns=("id", "name"))
    for _ in range(3):
        obj = cls(**{"".join(("na", "me")): "n", "id": 1})
        assert (obj.name, obj.id) == ("n", 1)
        assert list(state_of(obj).committed) == ["name", "id"]


def test_what_a_class_becomes_later_counts_for_the_next_object(world: World) -> None:
    cls = world.map(columns=("id", "name", "note"))
    for _ in range(3):
        cls(id=1, name="n", note="x")
    world.listen(cls, "name", "set")
    cls(id=2, name="n", note="x")
    assert len(world.log) == 1
    seen: list[Any] = []
    cls.note = property(lambda self: "covered", lambda self, value: seen.append(value))
    assert cls(id=3, name="n", note="y").note == "covered"
    assert (seen, len(world.log)) == (["y"], 2)
    world.impl(cls, "id").active_history = True
    assert cls(id=4).id == 4


def test_each_class_of_a_family_sets_its_own_attributes(world: World) -> None:
    cls = world.map(columns=("id", "name"))

    class Sub(cls):  # type: ignore[valid-type, misc]
        name = property(lambda self: "covered", lambda self, value: self.__dict__.update(hidden=value))

    for kind in (cls, Sub, cls, Sub):
        obj = kind(id=1, name="n")
        assert obj.name == ("n" if kind is cls else "covered")
        assert ("hidden" in obj.__dict__) is (kind is Sub)
