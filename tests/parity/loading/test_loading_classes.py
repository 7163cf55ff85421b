"""Loads of unusual classes, in both implementations."""

from __future__ import annotations

from typing import Any

import pytest

from session.constants import INSTANCE_STATE

from ..hot import Context, World, state_of
from .rows import COLUMNS, ROWS, bound


def test_a_class_with_its_own_new(world: World, context: Context) -> None:
    class Thing:
        def __new__(cls, *args: Any) -> Any:
            obj = super().__new__(cls)
            obj.__dict__["made"] = args
            return obj

    cls = world.map(Thing, columns=COLUMNS)
    [obj, *_] = bound(world, cls).load(context, ROWS)
    assert (obj.made, obj.name) == ((), "one")


def test_a_new_put_on_the_class_later_is_called(world: World, context: Context) -> None:
    cls = world.map(columns=COLUMNS)
    loader = bound(world, cls)

    def new(cls: Any) -> Any:
        obj = object.__new__(cls)
        obj.__dict__["made"] = True
        return obj

    loader.load(context, [(1, "", "")])
    cls.__new__ = new
    [obj] = loader.load(context, [(2, "", "")])
    assert obj.made


@pytest.mark.parametrize("given", [None, 1, "text"])
def test_a_new_that_gives_something_else(world: World, context: Context, given: Any) -> None:
    class Thing:
        def __new__(cls) -> Any:
            return given

    cls = world.map(Thing, columns=COLUMNS)
    with pytest.raises((AttributeError, TypeError)):
        bound(world, cls).load(context, ROWS)


def test_an_abstract_class_is_refused(world: World, context: Context) -> None:
    import abc

    class Thing(abc.ABC):
        @abc.abstractmethod
        def missing(self) -> None: ...

    cls = world.map(Thing, columns=COLUMNS)
    with pytest.raises(TypeError, match="abstract"):
        bound(world, cls).load(context, ROWS)


@pytest.mark.parametrize("slots", [("__weakref__",), ("__dict__",), ()])
def test_a_class_without_dictionary_or_weak_references_is_refused(world: World, context: Context, slots: Any) -> None:
    cls = world.map(type("Thing", (), {"__slots__": slots}), columns=COLUMNS)
    with pytest.raises((AttributeError, TypeError)):
        bound(world, cls).load(context, ROWS)


def test_slots_and_attributes_of_the_class_are_left_alone(world: World, context: Context) -> None:
    class Thing:
        __slots__ = ("__dict__", "__weakref__", "own")

    cls = world.map(Thing, columns=COLUMNS)
    [obj, *_] = bound(world, cls).load(context, ROWS)
    obj.own = 5
    assert set(obj.__dict__) == {INSTANCE_STATE, *COLUMNS}
    obj.later = 6
    assert (obj.own, obj.later, obj.name) == (5, 6, "one")


def test_the_dictionary_is_the_objects_own(world: World, cls: Any, context: Context) -> None:
    """Ordinary attributes, set before and after, and the loaded ones are all in one dictionary."""
    objects = bound(world, cls).load(context, [(number, str(number), None) for number in range(50)])
    for number, obj in enumerate(objects):
        for name in ("a", "b", "c", f"only {number}"):
            setattr(obj, name, number)
        obj.name = "changed"
        del obj.b
        assert obj.__dict__ == {
            INSTANCE_STATE: state_of(obj),
            "id": number,
            "name": "changed",
            "note": None,
            "a": number,
            "c": number,
            f"only {number}": number,
        }
        assert state_of(obj).dict is obj.__dict__
