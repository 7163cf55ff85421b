"""Loads with everything that can be asked of them, in both implementations."""

from __future__ import annotations

from typing import Any

import pytest

from ..hot import Context, World, state_of
from .rows import COLUMNS, ROWS, bound


def test_listeners_hear_of_what_is_made_and_filled(world: World, cls: Any) -> None:
    events: list[Any] = []
    dispatch = world.manager(cls).dispatch
    dispatch.load.append(lambda state, context: events.append(("load", state.ident)))
    dispatch.refresh.append(lambda state, context, keys: events.append(("refresh", state.ident, keys)))
    context = Context(world.home, watches_new=lambda session, state: events.append((session, state.ident)))
    loader = bound(world, cls)
    objects = loader.load(context, ROWS)
    state_of(objects[0]).expire(objects[0].__dict__)
    assert state_of(objects[1]).unloaded
    context.run_id = 2
    loader.load(context, ROWS)
    context.run_id, context.populate_existing = 3, True
    loader.load(context, ROWS[:1])
    assert events == [
        ("load", 1),
        ("session", 1),
        ("load", 2),
        ("session", 2),
        ("refresh", 1, set(state_of(objects[0]).manager)),
        ("refresh", 2, state_of(objects[1]).unloaded),
        ("refresh", 1, None),
    ]


@pytest.mark.parametrize("how", ["populate_existing", "refresh_state"])
def test_values_are_overwritten_on_demand(world: World, cls: Any, how: str) -> None:
    context = Context(world.home, plain=False)
    loader = bound(world, cls, reset_keys=["other"], late_keys=["late"], callables=[("lazy", len)])
    obj = world.make(cls, name="changed", other=None)
    state = world.file(obj, 1)
    state.load_options = "old"
    context.carried_options = "new"
    setattr(context, how, True if how == "populate_existing" else state)
    loader.load(context, [(1, "row", "row")])
    assert (obj.name, obj.note) == ("row", "row")
    assert "other" not in obj.__dict__
    assert not state.modified
    assert state.load_options == "new"
    assert state.expired_keys == {"late"}
    assert state.callables == {"lazy": len}


def test_a_refresh_may_be_confined_to_some_attributes(world: World, cls: Any) -> None:
    obj = world.make(cls, name="changed", note="changed")
    state = world.file(obj, 1)
    context = Context(world.home, plain=False, refresh_state=state, only_keys=("name",))
    bound(world, cls, columns=("id", "name")).load(context, [(1, "row")])
    assert (obj.name, obj.note) == ("row", "changed")
    assert list(state.committed) == ["note"]
    assert state.modified


def test_fresh_objects_carry_what_later_loads_need(world: World, cls: Any) -> None:
    context = Context(world.home, plain=False, carried_options=("option",), identity_token="t", run_id=9)
    loader = bound(world, cls, late_keys=["late"], callables=[("lazy", len)], path="path", post=["post"])
    [obj] = objects = loader.load(context, ROWS[:1])
    state = state_of(obj)
    assert (state.load_options, state.load_path, state.identity_token, state.run_id) == (("option",), "path", "t", 9)
    assert state.expired_keys == frozenset({"late"})
    assert state.callables == {"lazy": len}
    assert world.home.lookup(cls, 1, "t") is obj
    assert context.posts == [(["post"], objects)]
    context.carried_options = None
    [other] = bound(world, cls, carries_path=True, path="path", late_keys=["x"]).load(context, ROWS[1:2])
    assert (state_of(other).load_options, state_of(other).load_path) == (None, "path")


def test_rows_go_to_the_loader_of_their_class(world: World, cls: Any) -> None:
    class Sub(cls):  # type: ignore[valid-type, misc]
        pass

    sub = world.instrument(Sub, world.manager(cls))
    sub.mapper.identity_class = cls
    base, other = world.loader(cls, COLUMNS), world.loader(cls, COLUMNS)
    sub_loader = world.loading.RowLoader(sub.mapper)
    sub_loader.positions, sub_loader.pk_positions = other.positions, other.pk_positions

    def explain(value: Any, ident: Any) -> Any:
        if value == "strange":
            raise LookupError(value, ident)
        return base

    loader = world.loading.PolymorphicLoader(base, 1, explain)
    loader.loaders["sub"] = sub_loader
    loader.bind([None] * 3)
    context = Context(world.home)
    rows = [(1, "sub", 1), (2, None, 2), (3, "sub", 3), (None, "x", None), (4, "unknown", 4)]
    objects = loader.load(context, rows)
    assert [obj and (type(obj), obj.id) for obj in objects] == [(Sub, 1), (cls, 2), (Sub, 3), None, (cls, 4)]
    assert loader.load(context, []) == []
    assert loader.load(context, rows[:1]) == objects[:1]
    assert loader.mapper is base.mapper
    with pytest.raises(LookupError, match="strange"):
        loader.load(context, [(5, "strange", 5)])
    with pytest.raises(TypeError):
        loader.load(context, [(5, [], 5)])


@pytest.mark.parametrize("asked_by", ["loader", "context", "nobody"])
def test_objects_are_noted_as_peers_where_that_is_asked_for(
    world: World, cls: Any, context: Context, asked_by: str
) -> None:
    loader = bound(world, cls, peers=asked_by == "loader")
    context.peers = asked_by == "context"
    objects = loader.load(context, ROWS)
    assert context.together == ([] if asked_by == "nobody" else [(loader, objects)])


def test_options_are_carried_by_those_that_had_the_given_ones(world: World, cls: Any) -> None:
    one, two, three, elsewhere = objects = [world.make(cls) for _ in range(4)]
    for number, obj in enumerate(objects[:3]):
        world.file(obj, number)
    before, after, other = ["equal"], ["equal"], ["equal"]
    for obj, held in ((one, before), (two, other), (three, before), (elsewhere, before)):
        state_of(obj).load_options = held
    idents: list[Any] = []
    rest = world.loading.carry_options(
        [one, None, two, one, three, elsewhere], world.home.shelf(cls), before, after, idents
    )
    assert idents == [0, 2]
    assert list(map(id, rest)) == [id(two), id(elsewhere)]
    held = [state_of(obj).load_options for obj in objects]
    assert list(map(id, held)) == [id(after), id(other), id(after), id(before)]


@pytest.mark.parametrize("wrong", [[object()], [1], 5])
def test_options_are_carried_by_mapped_objects_only(world: World, cls: Any, wrong: Any) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError)):
        world.loading.carry_options(wrong, None, None, "options", [])
