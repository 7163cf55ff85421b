"""Rows to instances, in both implementations."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest

from ..hot import Context, World, collect, outcome, state_of
from .rows import ROWS, bound


def test_rows_become_objects(world: World, cls: Any, context: Context) -> None:
    objects = bound(world, cls).load(context, ROWS)
    one, two, nothing, again = objects
    assert nothing is None
    assert again is one
    assert (one.id, one.name, one.note) == (1, "one", None)
    assert (two.id, two.name, two.note) == (2, "two", "n")
    assert type(one) is cls
    state = state_of(one)
    assert state() is one
    assert (state.ident, state.home, state.shelf) == (1, world.home, world.home.shelf(cls))
    assert (state.committed, state.modified, state._strong_obj) == (None, False, None)
    assert world.home.values() == [one, two]
    assert state.manager is world.manager(cls)


def test_an_object_that_is_there_keeps_what_it_has(world: World, cls: Any, context: Context) -> None:
    obj = world.make(cls, name="changed")
    world.file(obj, 1)
    [loaded] = bound(world, cls).load(context, [(1, "row", "row")])
    assert loaded is obj
    assert (obj.id, obj.name, obj.note) == (1, "changed", "row")
    assert list(state_of(obj).committed) == ["name"]


def test_an_expired_object_is_filled(world: World, cls: Any, context: Context) -> None:
    obj = world.make(cls)
    world.file(obj, 1)
    state_of(obj).expire(obj.__dict__)
    bound(world, cls, columns=("id", "name")).load(context, [(1, "row")])
    assert obj.name == "row"
    assert state_of(obj).expired_keys == {"note"}
    assert not state_of(obj).expired


def test_a_dead_object_is_made_anew(world: World, cls: Any, context: Context) -> None:
    loader = bound(world, cls)
    objects = loader.load(context, ROWS)
    state = state_of(objects[0])
    shelf = state.shelf
    state.shelf = None  # so that it stays on the shelf
    objects.clear()
    collect()
    assert state() is None
    assert shelf[1] is state
    [one, *_] = loader.load(context, ROWS)
    assert shelf[1] is state_of(one)
    assert one.name == "one"


def test_values_are_processed(world: World, cls: Any, context: Context) -> None:
    loader = bound(world, cls, processors=[str, None, lambda value: [value]])
    [obj] = loader.load(context, [(1 << 90, "n", 3)])
    assert (obj.id, obj.name, obj.note) == (str(1 << 90), "n", [3])
    assert state_of(obj).ident == str(1 << 90)


@pytest.mark.parametrize("row", [tuple, list, lambda values: dict(enumerate(values))])
def test_a_row_is_whatever_has_positions(world: World, cls: Any, context: Context, row: Any) -> None:
    objects = bound(world, cls, processors=[None, None, str]).load(context, [row(values) for values in ROWS])
    assert [each and each.note for each in objects] == ["None", "n", None, "None"]


def test_the_collector_rests_for_many_rows_only(world: World, cls: Any, context: Context) -> None:
    seen: list[bool] = []
    loader = bound(world, cls, processors=[None, None, lambda value: seen.append(gc.isenabled())])
    gc.enable()
    loader.load(context, [(1, "", "")])
    loader.load(context, [(number, "", "") for number in range(2, 302)])
    assert gc.isenabled()
    gc.disable()
    try:
        loader.load(context, [(number, "", "") for number in range(302, 602)])
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert seen == [True] + [False] * 600


def test_keys_of_several_columns(world: World, context: Context) -> None:
    cls = world.map(columns=("a", "b"), primary_key=("a", "b"))
    loader = world.loader(cls, ("a", "b"), ("a", "b"))
    loader.bind([None, None])
    rows = [(1, 2), (1, None), (None, None), (1, 2)]
    objects = loader.load(context, rows)
    assert loader.idents(rows) == [(1, 2), (1, None), None, (1, 2)]
    assert [obj and (obj.a, obj.b) for obj in objects] == [(1, 2), (1, None), None, (1, 2)]
    assert objects[0] is objects[3]
    loader.allow_partial = False
    assert loader.idents(rows) == [(1, 2), None, None, (1, 2)]
    loader.bind([str, None])
    assert loader.idents(rows) == [("1", 2), None, ("None", None), ("1", 2)] or loader.idents(rows)[0] == ("1", 2)


def test_each_object_is_kept_once(world: World) -> None:
    first, second = [1], [1]
    assert list(map(id, world.loading.keep_first([first, None, second, first]))) == [id(first), id(second)]


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="about reference counts")
@pytest.mark.parametrize("way", ["plain", "general"])
def test_references_are_given_back(world: World, cls: Any, way: str) -> None:
    loader = bound(world, cls)
    context = Context(world.home, plain=way == "plain")
    manager, ident, value = world.manager(cls), "an identity", object()
    rows = [(ident, value, None), (None, value, None), [ident, value, None]]
    loader.load(context, rows)
    collect()

    def counts() -> list[int]:
        return [sys.getrefcount(each) for each in (loader, manager, ident, value, rows[0], world.home, cls)]

    before = counts()
    for _ in range(200):
        kept = loader.load(context, rows)
        loader.load(context, rows)
        outcome(loader.load, context, [(ident, value)])
        outcome(loader.load, context, [(value, value)])
        del kept
    collect()
    assert counts() == before
