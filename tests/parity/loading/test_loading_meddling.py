"""What rows, keys and processors can do to a load without a crash, in both implementations."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from ..hot import Context, World, collect, outcome, show, state_of
from .rows import bound


def test_a_dead_state_under_no_key(world: World, cls: Any, context: Context) -> None:
    obj = world.make(cls)
    state = state_of(obj)
    world.home.shelf(cls)[None] = state
    del obj
    collect()
    made = bound(world, cls).load(context, [(None, 1, 2)])
    assert show(made) == show([None]) or made[0].name == 1


@pytest.mark.parametrize("rows", [[5], [None], [(1,)], [()], [(1, "one", None), None], None, 5])
def test_what_is_no_row_is_no_crash(world: World, cls: Any, context: Context, rows: Any) -> None:
    with pytest.raises((TypeError, IndexError)):
        bound(world, cls).load(context, rows)


@pytest.mark.parametrize("where", [0, 1, 2])
def test_an_error_of_a_processor_comes_out_and_leaves_whole_objects(
    world: World, cls: Any, context: Context, where: int
) -> None:
    def fail(value: Any) -> Any:
        if value == "bad":
            raise RuntimeError("processor")
        return value

    processors: list[Any] = [None, None, None]
    processors[where] = fail
    rows: list[Any] = [[number, number, number] for number in range(1, 500)]
    rows[300][where] = "bad"
    enabled = gc.isenabled()
    with pytest.raises(RuntimeError, match="processor"):
        bound(world, cls, processors=processors).load(context, rows)
    assert gc.isenabled() == enabled
    collect()
    assert world.home.values() == []
    for each in rows:
        each[where] = 0 if each[where] == "bad" else each[where]
    assert len({*map(id, bound(world, cls).load(context, rows))}) == 499


@pytest.mark.parametrize("meddling", ["clear", "collect", "shrink", "grow", "kill"])
def test_a_processor_that_meddles_is_no_crash(world: World, cls: Any, context: Context, meddling: str) -> None:
    rows: list[Any] = [(number % 7, number, number) for number in range(40)]

    def meddle(value: Any) -> Any:
        if meddling == "clear":
            world.home.clear()
        elif meddling == "shrink":
            del rows[20:]
        elif meddling == "grow":
            world.home.shelf(cls).update({f"{value} {number}": None for number in range(50)})
        elif meddling == "kill":
            for state in list(world.home.shelf(cls).values()):
                state.shelf = None
            world.home.shelf(cls).clear()
        collect()
        return value

    objects = bound(world, cls, processors=[None, meddle, None]).load(context, rows)
    assert all(type(obj) is cls for obj in objects)


class Key:
    """A primary key value that does as it is told when it is compared or hashed."""

    def __init__(self, number: int, plan: dict[str, Any]) -> None:
        self.number = number
        self.plan = plan

    def __hash__(self) -> int:
        self.plan.get("on hash", lambda: None)()
        return 11

    def __eq__(self, other: object) -> bool:
        self.plan.get("on eq", lambda: None)()
        return isinstance(other, Key) and other.number == self.number


@pytest.mark.parametrize("event", ["on hash", "on eq"])
@pytest.mark.parametrize("meddling", ["raise", "clear", "grow", "collect", "exchange"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_key_that_meddles_is_no_crash(world: World, cls: Any, context: Context, event: str, meddling: str) -> None:
    plan: dict[str, Any] = {}
    loader = bound(world, cls)
    kept = loader.load(context, [(Key(number, plan), number, None) for number in range(6)])
    left = [25]
    spare = state_of(world.make(cls))

    def meddle() -> None:
        left[0] -= 1
        if left[0] < 0:
            return
        if meddling == "raise" and left[0] == 20:
            raise RuntimeError("key")
        if meddling == "clear":
            world.home.clear()
            kept.clear()
        elif meddling == "grow":
            world.home.shelf(cls).update({number + 1000 * left[0]: spare for number in range(50)})
        elif meddling == "exchange":
            world.home.shelves.clear()
            kept.clear()
        collect()

    plan[event] = meddle
    outcome(loader.load, context, [(Key(number, plan), number, None) for number in range(10)])
    plan.clear()
    kept.clear()
    world.home.clear()


@pytest.mark.parametrize("stranger", [1, "text", object(), [], None])
def test_a_stranger_on_the_shelf_is_no_crash(world: World, cls: Any, context: Context, stranger: Any) -> None:
    world.home.shelf(cls)[1] = stranger
    if stranger is None and (world.name == "pure" or not context.plain):
        assert len(bound(world, cls).load(context, [(1, "one", None)])) == 1
        return
    with pytest.raises((TypeError, AttributeError)):
        bound(world, cls).load(context, [(1, "one", None)])


def test_a_loader_that_was_not_initialised_is_no_crash(world: World, context: Context) -> None:
    loader = world.loading.RowLoader.__new__(world.loading.RowLoader)
    for method in ("load", "load_plain", "load_general", "idents"):
        arguments = ([(1, 2)],) if method == "idents" else (context, [(1, 2)])
        with pytest.raises((TypeError, AttributeError)):
            getattr(loader, method)(*arguments)
